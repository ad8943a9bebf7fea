"""Every message the actors of one call exchange. Facts are past participles, commands imperatives; all are frozen.

- `at` is trio.current_time(): one clock. `leg` tells two legs apart (redial, consult, bridge).
- Audio is bytes, never base64: base64 lives only in realtime/dialects.
- `tool_request_id` is unique per call and model session only.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from callactors.audio.format import AudioFormat
from callactors.routing.cause import Cause
from callactors.sip.dialog import DialogFacts

By = Literal["far_end", "us", "carrier"]
TransferOutcome = Literal["completed", "refused", "no_answer", "failed", "presumed"]
TransferKind = Literal["blind", "attended", "bridged"]


class Message(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag=True):
    at: float  # trio.current_time()


class LegMessage(Message, frozen=True, gc=False, kw_only=True, tag=True):
    leg: int


# -- a leg tells -------------------------------------------------------------------------------------------------


class CallRinging(LegMessage, frozen=True, gc=False, kw_only=True, tag=True):
    """A leg we placed rings; with `early_media` it can be heard already."""

    early_media: bool
    status: int = 180


class CallAnswered(LegMessage, frozen=True, gc=False, kw_only=True, tag=True):
    """`srtp` is the crypto suite, "" for a call in clear."""

    codec: str
    srtp: str = ""


class MediaChanged(LegMessage, frozen=True, gc=False, kw_only=True, tag=True):
    """A re-offer settled another codec, or other protection, than CallAnswered told."""

    codec: str
    srtp: str = ""


class RtpWentSilent(LegMessage, frozen=True, gc=False, kw_only=True, tag=True):
    """`malformed`, `strangers`: datagrams that came all the same, and could not be believed."""

    since: float
    malformed: int = 0
    strangers: int = 0


class OneWayAudio(LegMessage, frozen=True, gc=False, kw_only=True, tag=True):
    """One side cannot be heard since `since`, or (`over`) can be heard again. `out`: the far end does not hear us."""

    direction: Literal["in", "out"]
    since: float
    over: bool


class DigitPressed(LegMessage, frozen=True, gc=False, kw_only=True, tag=True):
    """A key: `sensitive` where it is nobody's business, `audible` where it is a tone that who is joined has heard."""

    digit: str
    sensitive: bool = False
    audible: bool = False


class HeldByPeer(LegMessage, frozen=True, gc=False, kw_only=True, tag=True):
    held: bool


class DialogMoved(LegMessage, frozen=True, gc=False, kw_only=True, tag=True):
    """A re-INVITE or UPDATE came: the dialog as it is after our answer, for the record."""

    facts: DialogFacts


class LegReferred(LegMessage, frozen=True, gc=False, kw_only=True, tag=True):
    """The peer asks us to dial `uri` (RFC 3515), in place of the dialog `replaces` names where there is one.

    Answered by the leg's `respond_refer`, then reported on by its `notify`.
    """

    request_id: int
    uri: str
    replaces: str | None = None
    referred_by: str | None = None


class LegEnded(LegMessage, frozen=True, gc=False, kw_only=True, tag=True):
    cause: Cause
    sip_code: int | None = None
    q850: int | None = None
    by: By = "far_end"


class TransferEnded(LegMessage, frozen=True, gc=False, kw_only=True, tag=True):
    """`accepted`: our REFER was taken, so that somebody was asked. `dialled`: it was no REFER, we dialled them."""

    outcome: TransferOutcome
    sip_code: int | None = None
    accepted: bool = False
    dialled: bool = False


class CallerAudio(LegMessage, frozen=True, gc=False, kw_only=True, tag=True):
    """One batch from the caller (about 60 ms), gap-free: losses are concealed, silence is filled."""

    format: AudioFormat
    audio: bytes
    position: int  # 1/8000 s since the leg's media began, whatever the format
    lost_ms: int = 0
    first_rtp_at: float = 0.0


class AgentHeard(LegMessage, frozen=True, gc=False, kw_only=True, tag=True):
    """What really left as RTP, for the recorder: silence between utterances is not reported."""

    format: AudioFormat
    audio: bytes
    position: int  # on CallerAudio's scale


# -- the model tells ---------------------------------------------------------------------------------------------


class ModelReady(Message, frozen=True, gc=False, kw_only=True, tag=True):
    session: int


class ModelLost(Message, frozen=True, gc=False, kw_only=True, tag=True):
    session: int
    code: str
    fatal: bool


class ToolRequested(Message, frozen=True, gc=False, kw_only=True, tag=True):
    session: int
    tool_request_id: str
    tool: str
    arguments: msgspec.Raw


class ModelTakes(Message, frozen=True, gc=False, kw_only=True, tag=True):
    """The encoding the model now listening wants the caller in."""

    session: int
    format: AudioFormat


class ModelStumbled(Message, frozen=True, gc=False, kw_only=True, tag=True):
    """The model could not answer a turn, twice: the session lives, but the caller needs a sentence from us."""

    session: int
    code: str


class ModelUsed(Message, frozen=True, gc=False, kw_only=True, tag=True):
    """What one response cost, in tokens."""

    session: int
    text_in: int = 0
    audio_in: int = 0
    cached_in: int = 0
    text_out: int = 0
    audio_out: int = 0


class SwapAgent(Message, frozen=True, gc=False, kw_only=True, tag=True):
    """Another specialist takes over in the same model session, and speaks next. `tools` are schemas, as Tool gives."""

    instructions: str
    tools: tuple[dict[str, Any], ...] = ()


class SayThis(Message, frozen=True, gc=False, kw_only=True, tag=True):
    """Make the model say a sentence of ours. Its audio goes by `utterance` (`local:...`) where one is given."""

    text: str
    utterance: str = ""


class TurnEnded(Message, frozen=True, gc=False, kw_only=True, tag=True):
    """One exchange: what the caller was understood to say, what they heard of the answer, and how long each stage took.

    `stages` is in milliseconds. `cut_ms` is where a barge-in cut the answer, None for one that was heard to its end.
    """

    heard: str
    said: str
    cut_ms: int | None = None
    stages: dict[str, float] = {}


# -- the agent's voice -------------------------------------------------------------------------------------------


class AgentAudio(Message, frozen=True, gc=False, kw_only=True, tag=True):
    utterance: str
    format: AudioFormat
    audio: bytes


class AgentAudioEnded(Message, frozen=True, gc=False, kw_only=True, tag=True):
    """The model has sent the last of this utterance."""

    utterance: str


class SpeakPhrase(Message, frozen=True, gc=False, kw_only=True, tag=True):
    """Say one of our own sentences (greeting, filler, holding, goodbye): from the cache, else in the model's voice.

    `utterance` starts with `local:`; such an utterance is never truncated at the model.
    """

    utterance: str
    text: str


class StopSpeaking(Message, frozen=True, gc=False, kw_only=True, tag=True):
    """Drop what is queued: the caller speaks (said by a model session), or presses 0 (said by the call, session 0).

    Answered by AgentCutOff.
    """

    session: int


class CallerStopped(Message, frozen=True, gc=False, kw_only=True, tag=True):
    """The model says, at `at`, that the caller's turn is over. Answered by CallerLastHeard, where any was heard."""

    session: int


class CallerLastHeard(Message, frozen=True, gc=False, kw_only=True, tag=True):
    """The answer to CallerStopped: `spoke_until` is when the caller's last loud sample came."""

    session: int
    stopped_at: float
    spoke_until: float


class AgentQueued(Message, frozen=True, gc=False, kw_only=True, tag=True):
    """The first audio of an utterance is in play-out, in the leg's encoding; AgentStarted follows when it leaves.

    `onset` is how many seconds of it nobody hears yet: quiet before the first sound.
    """

    utterance: str
    onset: float = 0.0


class AgentCutOff(Message, frozen=True, gc=False, kw_only=True, tag=True):
    """The answer to StopSpeaking: how many milliseconds of `utterance` left as RTP; None when nothing sounded."""

    utterance: str | None
    ms: int
    session: int = 0  # whose StopSpeaking this answers


class AgentSpoke(Message, frozen=True, gc=False, kw_only=True, tag=True):
    """An utterance was heard to its end; `first_rtp_at` is when its first packet left."""

    utterance: str
    ms: int
    first_rtp_at: float


class AgentStarted(Message, frozen=True, gc=False, kw_only=True, tag=True):
    """The first packet of an utterance left."""

    utterance: str
    first_rtp_at: float


class PlayoutOverflowed(Message, frozen=True, gc=False, kw_only=True, tag=True):
    """More than 90 s were queued: the session cancels that response."""

    utterance: str


# -- tools and transfers -----------------------------------------------------------------------------------------


class ToolFinished(Message, frozen=True, gc=False, kw_only=True, tag=True):
    session: int
    tool_request_id: str
    output: str
    failed: bool


class ToolSlow(Message, frozen=True, gc=False, kw_only=True, tag=True):
    """A tool is taking long enough that the caller should hear a filler phrase."""

    session: int
    tool_request_id: str


class OutcomeReached(Message, frozen=True, gc=False, kw_only=True, tag=True):
    """crm_created, booking_captured or handed_off: the last one becomes the call's outcome."""

    outcome: str
    detail: str = ""


class TransferRequested(Message, frozen=True, gc=False, kw_only=True, tag=True):
    """`target` is a name of `directory`; `session` is None when a digit asked."""

    tool_request_id: str
    target: str
    session: int | None = None


class TransferTried(Message, frozen=True, gc=False, kw_only=True, tag=True):
    """One attempt to hand the caller over, for the record: told when it is asked for, and again with its outcome.

    `more`: this way failed, and another one follows at once.
    """

    target: str
    asked: float
    kind: TransferKind = "blind"
    outcome: TransferOutcome | None = None
    sip_code: int | None = None
    more: bool = False


class PauseRecording(Message, frozen=True, gc=False, kw_only=True, tag=True):
    """From `at` on neither side is on tape: silence is laid in their place. Each `reason` pauses for itself."""

    reason: str


class ResumeRecording(Message, frozen=True, gc=False, kw_only=True, tag=True):
    """What PauseRecording of the same `reason` began ends at `at`; the tape runs again once no reason is left."""

    reason: str


class RecordingWanted(Message, frozen=True, gc=False, kw_only=True, tag=True):
    """Record from `at` on, or, not `wanted`, no longer: the caller said so, or somebody who may. `by` says who.

    With mode consent it is the caller's answer; with on_demand the order. A mode that is off stays off.
    """

    wanted: bool
    by: str  # tool, digit, words, api


class CallEnded(Message, frozen=True, gc=False, kw_only=True, tag=True):
    cause: Cause
    by: By
