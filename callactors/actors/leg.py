"""The one face of every leg: SIP, carrier stream, browser. The call owns it; transcoder and handoff borrow it.

`started()` of a leg's actor means accepted and usable, never answered: ringing, answered and ended are messages.
"""

from __future__ import annotations

from typing import Literal, Protocol

from callactors.actors.mailbox import Mailbox
from callactors.actors.messages import Message
from callactors.audio.format import AudioFormat
from callactors.routing.cause import Cause
from callactors.routing.trunk import Target
from callactors.rtp.utterances import Heard
from callactors.sip.dialog import DialogId


class Leg(Protocol):
    """One side of a call."""

    @property
    def clock(self) -> Literal["ours", "theirs"]:
        """Who paces play-out: we (RTP, AudioSocket) or the far end (carrier streams)."""

    @property
    def format(self) -> AudioFormat:
        """What `play` takes and CallerAudio carries."""

    @property
    def events(self) -> Mailbox[Message]:
        """Where its LegMessages go: the call's desk."""

    async def answer(self) -> None: ...

    async def reject(self, code: int, reason: str, retry_after: int | None = None) -> None: ...

    def play(self, utterance: str, audio: bytes) -> None:
        """Queue audio; never blocks. Raises PlayoutFull past 90 s."""

    def end(self, utterance: str) -> None:
        """No more audio of this utterance comes: once its last packet left, AgentSpoke tells so."""

    def flush(self) -> Heard:
        """Drop what is queued; say which utterance was sounding and how many ms of it were truly heard.

        A late `play` of that utterance is ignored.
        """

    def heard(self) -> Heard:
        """The utterance sounding now and how many ms of it have been heard."""

    async def send_digits(self, digits: str) -> None: ...

    async def refer(self, target: Target, replaces: DialogId | None = None) -> None:
        """Ask the peer to dial `target` (RFC 3515); the outcome comes as TransferEnded."""

    def take_back(self) -> None:
        """A transfer came to nothing: lift whatever hold it left, and listen again."""

    def hang_up(self, cause: Cause) -> None:
        """End it: synchronous, idempotent. SipEndpoint finishes what takes longer."""
