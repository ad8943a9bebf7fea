"""What one call does about each message on its desk. Nothing here waits: what takes time is spawned or sent on.

- Signalling to a model session goes to the session now living; what comes from one already gone is dropped.
- Decisions that end the call return its CallEnded; everything else returns None.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs
import trio

from callactors.actors.mailbox import Mailbox
from callactors.actors.messages import (
    AgentCutOff,
    AgentQueued,
    AgentSpoke,
    AgentStarted,
    By,
    CallAnswered,
    CallEnded,
    CallerLastHeard,
    DialogMoved,
    DigitPressed,
    HeldByPeer,
    LegEnded,
    MediaChanged,
    Message,
    ModelLost,
    ModelReady,
    ModelStumbled,
    ModelUsed,
    OneWayAudio,
    OutcomeReached,
    PlayoutOverflowed,
    RecordingWanted,
    RtpWentSilent,
    SpeakPhrase,
    ToolFinished,
    ToolRequested,
    ToolSlow,
    TransferEnded,
    TransferTried,
    TurnEnded,
)
from callactors.calls.collecting import Collecting
from callactors.calls.line import Line
from callactors.calls.money import Meter
from callactors.calls.own_tools import OWN, OwnTools
from callactors.calls.patience import Patience
from callactors.calls.playbook import Playbook, Specialist
from callactors.calls.record import CallRecord
from callactors.calls.taping import Taping
from callactors.calls.transfers import Transfers
from callactors.calls.voice import Voice
from callactors.routing.cause import Cause
from callactors.scenario.schema import Phrases

LAST_WORDS = 12.0  # seconds the agent may take to finish speaking before we hang up
Spawn = Callable[..., None]
Tell = Callable[..., None]


@attrs.define(eq=False)
class Conductor:
    """The decisions of one call."""

    caller: str
    language: str
    playbook: Playbook
    line: Line
    voice: Voice
    record: CallRecord
    desk: Mailbox[Message]
    to_tools: Mailbox[ToolRequested]
    to_handoff: Mailbox[Message]
    patience: Patience
    tell: Tell
    spawn: Spawn
    meter: Meter
    collecting: Collecting
    taping: Taping
    redial: Callable[[], bool] = lambda: False  # reach the callee once more; False when that may not be
    placed: bool = False  # by us
    session: int = 0
    to_session: Mailbox[Message] | None = None
    ready: trio.Event = attrs.field(factory=trio.Event)
    lost: Mailbox[ModelLost] = attrs.field(factory=lambda: Mailbox(8))
    turns: list[TurnEnded] = attrs.field(factory=list)
    answered: bool = False
    model_gone: bool = False
    leg_ended: LegEnded | None = None
    _spoke_next: trio.Event = attrs.field(factory=trio.Event)
    _phrases_said: int = 0
    _winding_down: bool = False
    _held: bool = False
    transfers: Transfers = attrs.field(init=False)
    own_tools: OwnTools = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.transfers = Transfers(self.record, self.to_handoff, self.patience, self.tell)
        self.own_tools = OwnTools(
            caller=self.caller,
            language=self.language,
            playbook=self.playbook,
            specialist=self.playbook.specialist(self.playbook.scenario.start, self.caller, self.language),
            record=self.record,
            patience=self.patience,
            collecting=self.collecting,
            taping=self.taping,
            transfers=self.transfers,
            spawn=self.spawn,
            to_model=self._to_model,
            wind_down=self.wind_down,
        )

    @property
    def specialist(self) -> Specialist:
        """Who of the scenario's agents speaks now."""
        return self.own_tools.specialist

    @property
    def phrases(self) -> Phrases:
        return self.playbook.scenario.phrases_for(self.language)

    def say(self, text: str) -> str:
        """Say one of the house's own sentences; returns its utterance."""
        self._phrases_said += 1
        utterance = f"local:{self._phrases_said}"
        self.voice.say(utterance, text)
        return utterance

    def session_opened(self, session: int, mailbox: Mailbox[Message]) -> None:
        """A model session begins: what is meant for the model goes there from now on."""
        self.session, self.to_session = session, mailbox

    def session_closed(self) -> None:
        """It is gone: what it was saying has its end where it broke off."""
        self.to_session = None
        self.voice.model_went()
        sounding = self.line.heard().utterance
        if sounding is not None and not sounding.startswith("local:"):
            self.voice.break_off(sounding)

    # -- the desk ------------------------------------------------------------------------------------------------

    def decide(self, message: Message) -> CallEnded | None:
        """One message, one decision."""
        match message:
            case LegEnded():
                self.leg_ended = message
                return self.ended(message.cause, message.by)
            case CallEnded():
                return message
            case TransferTried():
                return self._tried(message)
            case RtpWentSilent():
                return self._went_silent(message)
            case OneWayAudio():
                self._one_way(message)
            case ToolRequested():
                self._tool_requested(message)
            case TurnEnded():
                self._turn_ended(message)
            case _:
                self._about_voice(message)
        return None

    def ended(self, cause: Cause, by: By) -> CallEnded:
        """A call whose model never came back ended by that, one put through is over when either hangs up."""
        if self.transfers.bridged.is_set() and cause in (Cause.CALLER_HUNG_UP, Cause.CALLEE_HUNG_UP):
            cause = Cause.TRANSFERRED
        if self.model_gone and cause in (Cause.TRANSFERRED, Cause.AGENT_HUNG_UP, Cause.COMPLETED):
            cause = Cause.MODEL_DOWN
        return CallEnded(at=trio.current_time(), cause=cause, by=by)

    def _about_voice(self, message: Message) -> None:
        match message:
            case CallAnswered():
                self._on_the_line(message)
            case SpeakPhrase():
                self.voice.say(message.utterance, message.text)
                self._release_unsaid(message.utterance)
            case CallerLastHeard() | AgentQueued():
                self._to_model(message)
            case AgentStarted():
                self.patience.agent_began()
                self._to_model(message)
            case AgentSpoke():
                self._spoke(message)
            case AgentCutOff():
                self._cut_off(message)
            case PlayoutOverflowed():
                self.record.event("playout_overflowed", utterance=message.utterance)
                self._to_model(message)
            case _:
                self._about_people(message)

    def _about_people(self, message: Message) -> None:
        match message:
            case ModelReady():
                self._model_ready(message)
            case ModelLost():
                self.lost.offer(message)
            case DigitPressed():
                self._digit(message)
            case DialogMoved():
                self.record.moved(message.facts)
            case HeldByPeer():
                self._hold(message)
            case MediaChanged():
                self.record.event("media_changed", leg=message.leg, codec=message.codec, **_secured(message.srtp))
            case TransferEnded():
                self.to_handoff.offer(message)
            case OutcomeReached():
                self.record.outcome(message.outcome, message.detail)
                self.tell("outcome", outcome=message.outcome)
            case RecordingWanted():
                self.taping.decide(message)
            case ToolFinished():
                self._tool_finished(message)
            case ToolSlow():
                if self.line.heard().utterance is None:
                    self.say(self.phrases.filler)
            case ModelStumbled():
                self.record.event("model_stumbled", code=message.code)
                self.say(self.phrases.holding)
            case ModelUsed():
                self._paid(message)

    def _paid(self, used: ModelUsed) -> None:
        """A response costs; one that reaches the call's cap is the last."""
        self.record.event("model_used", **_tokens(used))
        spent = self.meter.used(used, self.record.now())
        if spent is not None:
            self.wind_down(spent, self.phrases.busy)

    # -- the line ------------------------------------------------------------------------------------------------

    def _on_the_line(self, message: CallAnswered) -> None:
        """Somebody can hear us: the greeting; the second time, a word on why they were called twice."""
        self.tell("answered", codec=message.codec)
        self.record.event("answered", leg=message.leg, codec=message.codec, **_secured(message.srtp))
        if self.answered:
            self._held = False
            self.say(self.phrases.cut_off)
            return
        self.answered = True
        greeting = self.say(self.playbook.scenario.greeting(self.language))
        if self.placed and self.playbook.scenario.disclosure == "required":
            self.line.protected = greeting  # whoever picks up says hello, and must still learn who is calling
        self.taping.greeted()
        if self.model_gone:
            self.model_exhausted()

    def interrupted(self, utterance: str | None, ms: int) -> None:
        """The line was lost and another is being sought: what sounded was cut off, and nobody is silent meanwhile."""
        self._held = True
        self.patience.busy()
        self._cut_off(AgentCutOff(at=trio.current_time(), utterance=utterance, ms=ms, session=self.session))
        self.patience.busy()

    # -- the model -----------------------------------------------------------------------------------------------

    def _model_ready(self, message: ModelReady) -> None:
        if message.session == self.session and self.to_session is not None:
            self.voice.model_came(self.to_session)
            self.ready.set()

    def _to_model(self, message: Message) -> None:
        if self.to_session is not None:
            self.to_session.offer(message)

    def _turn_ended(self, turn: TurnEnded) -> None:
        turn = self.collecting.withheld(turn)
        self.taping.heard(turn.heard)
        self.turns.append(turn)
        self.record.turn(turn)
        self.tell("turn", heard=turn.heard, said=turn.said, cut_ms=turn.cut_ms, **turn.stages)

    # -- the voice -----------------------------------------------------------------------------------------------

    def _spoke(self, message: AgentSpoke) -> None:
        if message.utterance == self.line.protected:
            self.line.protected = None
            self.record.event("disclosed")
        self.patience.agent_ended(message.at)
        self._spoke_next.set()
        if self.voice.spoke(message.utterance):
            self._release(message.utterance, message.ms)
        self._to_model(message)

    def _cut_off(self, message: AgentCutOff) -> None:
        self.patience.caller_began(message.at)
        self._spoke_next.set()
        for utterance in self.voice.cut_off() if message.session else ():  # a hush of ours has released them already
            self._release(utterance, message.ms if utterance == message.utterance else 0)
        self._to_model(message)

    def _release_unsaid(self, utterance: str) -> None:
        """A phrase that could not be said at all keeps nobody waiting."""
        if not self.voice.waits_for(utterance):
            self._release(utterance, 0)

    def _release(self, utterance: str, ms: int) -> None:
        now = trio.current_time()
        self.to_handoff.offer(AgentSpoke(at=now, utterance=utterance, ms=ms, first_rtp_at=now))

    def wind_down(self, cause: Cause, farewell: str = "", by: By = "us") -> None:
        """Say goodbye, let it be heard, hang up."""
        if not self._winding_down:
            self._winding_down = True
            self.spawn(self._last_words, cause, farewell, by)

    async def _last_words(self, cause: Cause, farewell: str, by: By) -> None:
        if farewell and self.answered:
            await self.voice.heard(self.say(farewell), LAST_WORDS)
        with trio.move_on_after(LAST_WORDS):
            while self.line.heard().utterance is not None:
                self._spoke_next = trio.Event()
                await self._spoke_next.wait()
        await self.desk.send(self.ended(cause, by))

    # -- tools ---------------------------------------------------------------------------------------------------

    def _tool_requested(self, request: ToolRequested) -> None:
        if request.session != self.session:
            return
        self.tell("tool", tool=request.tool)
        if request.tool not in self.specialist.tools:
            self.own_tools.unknown(request)
        elif request.tool in OWN:
            self.own_tools.perform(request)
        else:
            self.patience.busy()
            self.to_tools.offer(request)

    def _tool_finished(self, finished: ToolFinished) -> None:
        self.patience.agent_ended(finished.at)
        self.transfers.finished(finished)
        if finished.session == self.session:
            self._to_model(finished)

    # -- people --------------------------------------------------------------------------------------------------

    def _digit(self, message: DigitPressed) -> None:
        if self.collecting.takes(message):
            return
        self.patience.caller_began(message.at)
        self.record.event("digit", digit=message.digit)
        if message.digit == self.playbook.scenario.handoff.on_digit and self.playbook.targets:
            self.hush()
            self.to_human("digit")
        elif not self.taping.takes(message.digit):
            self._to_model(message)

    def hush(self) -> None:
        """Whoever presses a key that we wait for need not hear the agent out; what announces a transfer they do."""
        if not self.transfers.under_way:
            for utterance in self.voice.hush():
                self._release(utterance, 0)

    def to_human(self, why: str) -> bool:
        """Hand the caller to the first target; False when the scenario has none."""
        if not self.playbook.targets:
            return False
        self.record.event("handoff", why=why)
        self.transfers.begin(next(iter(self.playbook.targets)), None)
        return True

    def _tried(self, tried: TransferTried) -> CallEnded | None:
        ended = self.transfers.tried(tried)
        if ended is not None:
            return self.ended(ended.cause, ended.by)
        if tried.outcome is not None and self.model_gone:
            self.wind_down(Cause.MODEL_DOWN, self.phrases.goodbye)
        return None

    def over(self) -> None:
        """The call has ended: what was still asked for will not be answered."""
        self.transfers.over()

    def disband(self) -> None:
        """Nobody asks it anything any more: see Call.disband."""
        del self.own_tools

    def _hold(self, message: HeldByPeer) -> None:
        self._held = message.held
        self.record.event("held" if message.held else "resumed")
        self.patience.agent_ended(message.at)

    def _one_way(self, message: OneWayAudio) -> None:
        """Nobody hangs up on it: it may heal; whoever runs this house is told."""
        seconds = round(message.at - message.since, 1)
        kind = "one_way_over" if message.over else "one_way"
        self.record.event(kind, leg=message.leg, direction=message.direction, seconds=seconds)
        self.tell(kind, direction=message.direction, seconds=seconds)

    def _went_silent(self, message: RtpWentSilent) -> CallEnded | None:
        counts = {"malformed": message.malformed, "strangers": message.strangers}
        unheard = {what: count for what, count in counts.items() if count}  # a wrong SRTP key, an address nobody named
        self.record.event("rtp_silence", seconds=round(message.at - message.since, 1), **unheard)
        if not (self.transfers.under_way or self._winding_down) and self.redial():
            return None
        return self.ended(Cause.RTP_SILENCE, "us")

    def patience_ended(self) -> None:
        """Nobody has spoken for as long as the scenario allows; who is put through, on hold or typing need not."""
        if self.transfers.under_way or self._held or self.collecting.busy:
            return self.patience.busy()
        step = self.patience.expire()
        if step == "ask":
            self.say(self.phrases.still_there)
        elif step == "goodbye" or not self.to_human("silence"):
            self.wind_down(Cause.COMPLETED, self.phrases.goodbye)

    def model_exhausted(self) -> None:
        """No model is left: say so, then a person, else the end. Before the answer it only takes note."""
        self.model_gone = True
        self.ready.set()  # nobody need wait for it any more
        for utterance in self.voice.model_went(hopeless=True):
            self._release(utterance, 0)
        if not self.answered:
            return
        self.say(self.phrases.model_lost)
        if not self.to_human("model_down"):
            self.wind_down(Cause.MODEL_DOWN)


def _secured(suite: str) -> dict[str, str]:
    """What the record says of protection: nothing of a call in clear."""
    return {"srtp": suite} if suite else {}


def _tokens(used: ModelUsed) -> dict[str, int]:
    return {name: getattr(used, name) for name in ("text_in", "audio_in", "cached_in", "text_out", "audio_out")}
