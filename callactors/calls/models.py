"""The models a call may talk to, in order: each a line that opens sessions. A model is data here, not a subclass."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from callactors.actors.cascade import Cascade
from callactors.actors.mailbox import Mailbox
from callactors.actors.messages import CallerAudio, Message
from callactors.actors.model_connection import Connect, in_process
from callactors.actors.model_connection import over_websocket as connect_over_websocket
from callactors.actors.realtime_session import RealtimeSession
from callactors.audio.format import AudioFormat
from callactors.audio.g711 import LAWS
from callactors.calls.playbook import Specialist
from callactors.config.schema import EmbeddedModel, RealtimeModel
from callactors.net.lane_clock import LaneClock
from callactors.realtime.dialects import DIALECTS
from callactors.realtime.events import ClientEvent, ServerEvent
from callactors.realtime.session import Profile
from callactors.speech.brain import Brain

CONNECT = 4.0  # seconds for TCP, TLS and the upgrade: a caller may already be listening
PAUSE_MS = 380  # the embedded brain's own hang-over: it decodes while it waits, so a longer one buys nothing


@attrs.frozen
class Wiring:
    """The mailboxes of one session."""

    session: int
    caller_audio: Mailbox[CallerAudio]
    mailbox: Mailbox[Message]
    voice: Mailbox[Message]
    desk: Mailbox[Message]


@attrs.frozen
class ModelLine:
    """One configured model. `concurrent` counts callers who have spoken; None is no limit."""

    name: str
    connect: Connect
    format_for: Callable[[AudioFormat], AudioFormat]
    model: str | None = None
    voice: str | None = None
    concurrent: int | None = None
    silence_ms: int = 500  # how long a pause ends the caller's turn
    transcription_model: str = "gpt-transcribe"

    def session(
        self,
        wiring: Wiring,
        format: AudioFormat,
        specialist: Specialist,
        language: str,
        replay: tuple[ClientEvent, ...] = (),
    ) -> RealtimeSession:
        """A session with this model, for the specialist who speaks first."""
        profile = Profile(
            instructions=specialist.instructions,
            format=format,
            tools=specialist.schemas(),
            voice=self.voice,
            model=self.model,
            language=language,
            silence_ms=self.silence_ms,
            transcription_model=self.transcription_model,
        )
        return RealtimeSession(
            connect=self.connect,
            session=wiring.session,
            caller_audio=wiring.caller_audio,
            mailbox=wiring.mailbox,
            voice=wiring.voice,
            desk=wiring.desk,
            profile=profile,
            replay=replay,
        )


def cheapest(leg: AudioFormat) -> AudioFormat:
    """What to speak with a model so that nothing the leg can carry is lost: G.711 goes through untouched.

    A wideband leg gets 24 kHz: what Opus is decoded to, and the one linear format of the Realtime API.
    """
    return leg if leg in LAWS else AudioFormat.PCM16


def over_websocket(name: str, settings: RealtimeModel, clock: LaneClock | None = None) -> ModelLine:
    """A Realtime server: OpenAI, Azure, a compatible one, or our own `realtime`. `clock` reads what it says."""
    connect = connect_over_websocket(
        settings.url,
        model=settings.model,
        key=settings.key.reveal() if settings.key else None,
        ca=settings.ca,
        dialect=DIALECTS[settings.dialect],
        connect_timeout=CONNECT,
        clock=clock,
    )
    formats = {
        "auto": cheapest,
        "pcm16": lambda leg: AudioFormat.PCM16,
        "pcmu": lambda leg: AudioFormat.PCMU,
        "pcma": lambda leg: AudioFormat.PCMA,
    }
    beta = settings.dialect == "beta"
    return ModelLine(
        name,
        connect,
        formats[settings.audio],
        settings.model,
        settings.voice,
        transcription_model="whisper-1" if beta else "gpt-transcribe",
    )


def embedded(name: str, settings: EmbeddedModel, brain: Brain) -> ModelLine:
    """Our own cascade, in this process: G.711 in and out, 24 kHz where the leg is wideband. It hears at 8 kHz."""

    async def run(requests: Mailbox[ClientEvent], replies: Mailbox[ServerEvent]) -> None:
        await Cascade(requests, replies, brain).run()

    return ModelLine(name, in_process(run), cheapest, concurrent=settings.concurrent, silence_ms=PAUSE_MS)
