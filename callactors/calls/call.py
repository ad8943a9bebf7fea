"""One call: the nursery. Leaving it, for any reason, takes every actor with it.

- Everything the actors have to say comes to one desk; the conductor decides it, one message at a time.
- Each leg and each model session live in scopes of their own: what dies in there is a message (LegEnded, ModelLost).
- What outlives the call is handed over: the dialog to the endpoint, writes to the switchboard's nursery, rows to the
  ledger.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import attrs
import trio

from callactors.actors.handoff import Handoff
from callactors.actors.handoff import Phrases as HandoffPhrases
from callactors.actors.messages import CallEnded, CallRinging, DialogMoved, LegEnded, Message, RecordingWanted
from callactors.actors.recorder import Recorder
from callactors.actors.sip_leg import SipLeg
from callactors.actors.tool_executor import ToolExecutor, ToolRun
from callactors.actors.transcoder import Transcoder
from callactors.calls.collecting import Collecting
from callactors.calls.conductor import Conductor
from callactors.calls.consult import Consulting
from callactors.calls.contain import contain
from callactors.calls.dialling import Dialling
from callactors.calls.line import Line
from callactors.calls.outside import Outside
from callactors.calls.patience import Patience
from callactors.calls.playbook import Playbook
from callactors.calls.record import CallRecord
from callactors.calls.sessions import Sessions
from callactors.calls.taping import Taping
from callactors.calls.terms import Mailboxes, Terms
from callactors.calls.voice import Voice
from callactors.errors import LedgerBroken
from callactors.meters.log import log
from callactors.routing.cause import Cause, q850
from callactors.tools.vault import Vault


@attrs.define(eq=False)
class Call:
    """One conversation, from the accepted INVITE, or the order to place it, to its CallEnded."""

    id: str
    caller: str
    playbook: Playbook
    language: str
    line: Line
    boxes: Mailboxes
    record: CallRecord
    terms: Terms
    recorder: Recorder | None
    outside: Outside
    dialling: Dialling | None = None  # of a call we place
    conductor: Conductor = attrs.field(init=False)
    decided: CallEnded | None = attrs.field(default=None, init=False)  # how it ends, once that is known
    nursery: trio.Nursery | None = attrs.field(default=None, init=False)  # while it lives
    scopes: dict[int, trio.Nursery] = attrs.field(factory=dict, init=False)  # of the legs that run, by their number
    running: dict[int, SipLeg] = attrs.field(factory=dict, init=False)
    vault: Vault = attrs.field(factory=Vault, init=False)
    transcoder: Transcoder = attrs.field(init=False)
    consulting: Consulting = attrs.field(init=False)
    conversing: trio.CancelScope = attrs.field(factory=trio.CancelScope, init=False)  # of the agent, not of the call
    _legs: int = attrs.field(default=0, init=False)  # numbers given out

    def __attrs_post_init__(self) -> None:
        self._legs = len(self.line.legs)
        boxes = self.boxes
        self.transcoder = Transcoder(
            self.line, boxes.from_leg, boxes.to_model, boxes.voice, boxes.desk, self.outside.plane.together
        )
        self.consulting = Consulting(self, self.outside, self.transcoder)
        self.conductor = Conductor(
            caller=self.caller,
            language=self.language,
            playbook=self.playbook,
            line=self.line,
            voice=Voice(self.terms.cached, lambda: self.line.format, self.boxes.voice),
            record=self.record,
            desk=self.boxes.desk,
            to_tools=self.boxes.tools,
            to_handoff=self.boxes.handoff,
            patience=Patience(self.playbook.scenario.silence),
            tell=self.terms.tell,
            spawn=self.spawn,
            meter=self.terms.meter,
            collecting=self._collecting(),
            taping=self._taping(),
            redial=self._redial,
            placed=self.dialling is not None,
        )

    def _collecting(self) -> Collecting:
        return Collecting(
            line=self.line,
            vault=self.vault,
            record=self.record,
            tape=self.boxes.tape.tell,
            hush=lambda: self.conductor.hush(),
            remind=lambda: self.conductor.say(self.conductor.phrases.keys_only),
        )

    def _taping(self) -> Taping:
        ask = lambda: self.conductor.say(self.conductor.phrases.consent)  # noqa: E731  # the conductor comes after it
        return Taping(self.boxes.tape, self.record, ask, self.language, self.playbook.scenario.policies.record_on_digit)

    @property
    def spoken(self) -> bool:
        """Whether a model has understood something the caller said."""
        return bool(self.conductor.turns)

    def wind_down(self, cause: Cause, farewell: str) -> None:
        """End it from outside (drain): goodbye, heard, BYE."""
        self.conductor.wind_down(cause, farewell)

    def end(self, cause: Cause) -> None:
        """End it from outside, at once and without a word: CANCEL or BYE."""
        self.boxes.desk.offer(CallEnded(at=trio.current_time(), cause=cause, by="us"))

    def disband(self) -> None:
        """It is over, and recorded: those who hold on to each other let go, and all of it is freed at once.

        To look for cycles among the objects of many calls takes tens of milliseconds, which every caller would hear.
        """
        self.conductor.disband()
        del self.conductor, self.consulting

    def record_from_now(self, wanted: bool = True) -> None:
        """Begin or end the recording by order of the house: where the call's mode lets it, see calls/taping."""
        self.boxes.desk.offer(RecordingWanted(at=trio.current_time(), wanted=wanted, by="api"))

    # -- the nursery ---------------------------------------------------------------------------------------------

    async def run(self) -> CallEnded:
        """Live until something ends it. The record's last row is the switchboard's to write."""
        try:
            async with trio.open_nursery() as call:
                self.nursery = call
                await self._start(call)
                async for message in self.boxes.desk:
                    if not self.line.concerns(message):
                        self._aside(message)
                        continue
                    if self.consulting.takes(message):
                        continue
                    self.decided = self.conductor.decide(message)
                    if self.decided is not None:
                        self._hang_up()  # now: a cancelled leg only knows that its desk closed
                        break
                call.cancel_scope.cancel()
        finally:
            self.nursery = None
            self._hang_up()
            self.conductor.over()
            self.vault.forget()
        return self._ended()

    def _ended(self) -> CallEnded:
        return self.decided or CallEnded(at=trio.current_time(), cause=Cause.DESK_CLOSED, by="us")

    def _hang_up(self) -> None:
        cause = self._ended().cause
        for leg in self.running.values():
            leg.hang_up(cause)
        self.line.hang_up(cause)  # it may have run to its end already, or never

    def _aside(self, message: Message) -> None:
        """What a leg says that the call does not speak on: the person's, or one that is only being tried."""
        if self.consulting.aside(message):
            return
        match message:
            case CallRinging() if message.leg in self.running:
                self.record.ringing(message.leg, self.running[message.leg].facts)
                self.terms.tell("rings", leg=message.leg, status=message.status, early_media=message.early_media)
            case DialogMoved():
                self.record.moved(message.facts, message.leg)
        if self.dialling is not None:
            self.dialling.aside(message)

    def spawn(self, work: Callable[..., object], *args: object) -> None:
        if self.nursery is not None:
            self.nursery.start_soon(work, *args)  # type: ignore[arg-type]  # any coroutine function of the conductor

    async def _start(self, call: trio.Nursery) -> None:
        if self.line.current is not None:
            await self.run_leg(self.line.current)
        call.start_soon(self.transcoder.run)
        call.start_soon(self._handoff().run)
        call.start_soon(self._executor().run)
        if self.recorder is not None:
            call.start_soon(self.recorder.run)
        call.start_soon(self._answer if self.dialling is None else partial(self.dialling.run, self))
        for work in (self._converse, self._leave_them_alone, self._watch_length, self._watch_silence):
            call.start_soon(work)

    def _handoff(self) -> Handoff:
        phrases = self.conductor.phrases
        return Handoff(
            leg=self.line,
            targets=self.playbook.targets,
            phrases=HandoffPhrases(announce=phrases.transfer, back=phrases.back, briefing=phrases.briefing),
            mailbox=self.boxes.handoff,
            desk=self.boxes.desk,
            patience=self.terms.timers.no_answer,
            tries=self.playbook.scenario.handoff.tries,
            aside=self.consulting,
        )

    def _executor(self) -> ToolExecutor:
        return ToolExecutor(
            mailbox=self.boxes.tools,
            desk=self.boxes.desk,
            tools=self.playbook.runnable,
            context=attrs.evolve(self.playbook.make_desk(self.caller), vault=self.vault),
            writes=self.terms.writes,
            record=self._tool_ran,
            record_outcome=self.record.outcome,
            earlier=self.record.earlier_run,
        )

    def _tool_ran(self, run: ToolRun) -> None:
        request = run.request
        if run.state in ("running", "refused"):
            self.record.tool_started(request.session, request.tool_request_id, request.tool, bytes(request.arguments))
        if run.state != "running":
            state = "finished" if run.state == "done" else "failed"
            self.record.tool_done(request.session, request.tool_request_id, state, run.output)

    # -- the leg -------------------------------------------------------------------------------------------------

    def next_leg(self) -> int:
        """A number no leg of this call has had; also the number of its row in `attempts`."""
        self._legs += 1
        return self._legs - 1

    async def run_leg(self, leg: SipLeg) -> None:
        """Run a leg in a scope of its own until it has ended; returns once it runs. The call must be living."""
        assert self.nursery is not None, "a leg needs a call that lives"
        await self.nursery.start(self._leg_scope, leg)

    def replace_leg(self, leg: SipLeg, cause: Cause = Cause.TRANSFERRED) -> None:
        """Speak on this leg, which runs, from now on; the one it replaces hangs up with `cause`, its scope ends."""
        old = self.line.adopt(leg)
        if old is not None and old is not leg:
            self.consulting.moved(old, leg)
            self.record.left(old.number, cause)
            self.drop_leg(old, cause)

    def drop_leg(self, leg: SipLeg, cause: Cause) -> None:
        """Hang up a leg and cancel its scope. Its dialog's end is the endpoint's; nothing of it is heard any more."""
        leg.hang_up(cause)
        scope = self.scopes.get(leg.number)
        if scope is not None:
            scope.cancel_scope.cancel()

    async def _leg_scope(self, leg: SipLeg, task_status: trio.TaskStatus[None]) -> None:
        """The nursery of one leg. A leg that crashes is a LegEnded; one that is dropped ends in silence."""

        async def live() -> LegEnded | None:
            async with trio.open_nursery() as scope:
                self.scopes[leg.number], self.running[leg.number] = scope, leg
                await leg.run(task_status)
            return None

        try:
            crashed = await contain("leg", live, partial(self._leg_crashed, leg))
        finally:
            self.scopes.pop(leg.number, None)
            self.running.pop(leg.number, None)
            self.terms.meter.left(leg.number, trio.current_time(), self.record.now())
        if crashed is not None:
            await leg.events.send(crashed)

    def _leg_crashed(self, leg: SipLeg, error: Exception) -> LegEnded:
        self.record.event("leg_crashed", error=repr(error)[:500])
        return LegEnded(at=trio.current_time(), leg=leg.number, cause=Cause.CRASH, by="us")

    async def _answer(self) -> None:
        """200 when a model is ready (or at once) and the row is durable; the `otherwise` code after `within`."""
        policy, leg = self.terms.answer, self.line.current
        if leg is None:
            return await trio.lowlevel.checkpoint()
        if policy.when == "model_ready":
            with trio.move_on_after(policy.within):
                await self.conductor.ready.wait()
            if self.conductor.model_gone or not self.conductor.ready.is_set():
                return await self._refuse(policy.otherwise, Cause.MODEL_DOWN)
        try:
            await self.record.answering(leg.trunk.name, leg.facts)
        except LedgerBroken as error:
            log().error("ledger.broken", call=self.id, error=str(error))
            return await self._refuse(503, Cause.OVERLOAD)
        await leg.answer()

    async def _refuse(self, code: int, cause: Cause) -> None:
        await self.line.reject(code, "", retry_after=5 if code == 503 else None)
        refused = LegEnded(
            at=trio.current_time(), leg=self.line.number, cause=cause, sip_code=code, q850=q850(cause), by="us"
        )
        await self.boxes.desk.send(refused)

    # -- a call we placed, cut off -------------------------------------------------------------------------------

    def _redial(self) -> bool:
        """The callee can no longer be heard: hang up, and reach them by another trunk, once. False when not to be."""
        dialling, old = self.dialling, self.line.current
        if dialling is None or dialling.redialled or old is None or self.nursery is None:
            return False
        dialling.redialled = True
        heard = self.line.leave()
        self.conductor.interrupted(heard.utterance, heard.ms)
        self.record.left(old.number, Cause.RTP_SILENCE)
        self.drop_leg(old, Cause.RTP_SILENCE)
        self.terms.tell("redialling", leg=old.number)
        self.nursery.start_soon(dialling.again, self)
        return True

    # -- the model -----------------------------------------------------------------------------------------------

    async def _converse(self) -> None:
        with self.conversing:
            await Sessions(self.terms, self.boxes, self.record, self.conductor).run()
            if self.dialling is not None and not self.conductor.answered:  # nobody is called to hear an apology
                await self.boxes.desk.send(CallEnded(at=trio.current_time(), cause=Cause.MODEL_DOWN, by="us"))

    async def _leave_them_alone(self) -> None:
        """Caller and person are joined: the agent has nothing more to hear, to say, or to cost."""
        await self.conductor.transfers.bridged.wait()
        self.conversing.cancel()

    # -- the clocks ----------------------------------------------------------------------------------------------

    async def _watch_length(self) -> None:
        longest = self.playbook.scenario.policies.max_length or math.inf
        await trio.sleep(min(self.terms.timers.call_max, longest))
        self.conductor.wind_down(Cause.CALL_MAX, self.conductor.phrases.goodbye)

    async def _watch_silence(self) -> None:
        patience = self.conductor.patience
        while patience.policy is not None:
            now = trio.current_time()
            if now >= patience.deadline():
                self.conductor.patience_ended()
            await trio.sleep_until(max(patience.next_look(now), now + 0.05))
