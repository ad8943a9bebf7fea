"""Handing the caller to a person: announce, try the scenario's ways in order, take the caller back when none worked.

- blind: REFER, and wait for the final NOTIFY (RFC 3515). With a 2xx the leg gets its BYE at once.
- attended: the caller is held, the person is dialled and briefed, then REFER with Replaces (RFC 3891, RFC 5589).
- bridged: the same, but we stay between the two: the agent is silent and gone, media goes from leg to leg.
- The next way is tried only while nobody was asked in vain: after a REFER not taken, or with the person still there.
- Whoever is put through after we gave up waiting is put through: the outcome is set right, and the call ends.
- The outcome is always one of five: completed, refused, no_answer, failed, presumed.
- The model names a target of the scenario; what it dials stands in callactors.yaml. Anything else is refused here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Literal, Protocol, TypeVar

import attrs
import trio

from callactors.actors.leg import Leg
from callactors.actors.mailbox import Mailbox
from callactors.actors.messages import (
    AgentSpoke,
    Message,
    OutcomeReached,
    SpeakPhrase,
    ToolFinished,
    TransferEnded,
    TransferKind,
    TransferOutcome,
    TransferRequested,
    TransferTried,
)
from callactors.routing.cause import Cause
from callactors.routing.trunk import Target
from callactors.sip.dialog import DialogId

ANNOUNCE = 12.0  # seconds an announcement may take to be heard before the transfer goes ahead without it
W = TypeVar("W", AgentSpoke, TransferEnded)


@attrs.frozen
class Phrases:
    """What a handoff says, from the scenario. `briefing` is for the person, the others are for the caller."""

    announce: str
    back: str
    briefing: str = ""


class Person(Protocol):
    """Somebody who answered a leg of their own."""

    @property
    def dialog(self) -> DialogId:
        """What a REFER's Replaces names."""

    @property
    def gone(self) -> bool:
        """Whether that leg has ended."""


@attrs.frozen
class Missed:
    """Nobody answered: which outcome that is, and the last status."""

    outcome: TransferOutcome
    sip_code: int | None = None


class Aside(Protocol):
    """What the call does for a handoff beside the caller's line. Only the call dials, and owns the person's leg."""

    async def hold(self, held: bool) -> None:
        """The caller hears music instead of the agent, and the model nothing of the caller; or no longer so."""

    async def dial(self, target: Target, purpose: Literal["consult", "bridge"]) -> Person | Missed: ...

    def speak_to(self, person: Person | None) -> None:
        """Whom the agent's words go to: this person, or (None) the caller again."""

    def join(self, person: Person) -> None:
        """Let caller and person hear each other from now on."""

    def let_go(self, person: Person, cause: Cause) -> None:
        """Hang up on the person."""


@attrs.define(eq=False)
class Handoff:
    """One call's way to a person. Without an `aside` the only way is a REFER."""

    leg: Leg
    targets: Mapping[str, Target]
    phrases: Phrases
    mailbox: Mailbox[Message]
    desk: Mailbox[Message]
    patience: float = 30.0  # seconds from REFER to the final NOTIFY
    tries: tuple[TransferKind, ...] = ("blind",)
    aside: Aside | None = None
    _tried: int = attrs.field(default=0, init=False)
    _next: TransferRequested | None = attrs.field(default=None, init=False)  # asked for while one is under way
    _person: Person | None = attrs.field(default=None, init=False)  # who answered, and still listens
    _begun: TransferTried | None = attrs.field(default=None, init=False)  # the last try, as it was told
    _late: TransferEnded | None = attrs.field(default=None, init=False)  # it went through, after all

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        task_status.started()
        async for message in self.mailbox:
            request = message if isinstance(message, TransferRequested) else None
            self._went_through(message)
            while request is not None and self._late is None:
                await self._hand_over(request)
                request, self._next = self._next, None
            if self._late is not None and self._begun is not None:
                await self._put_through(self._begun, self._late)
                return

    def _went_through(self, message: Message) -> bool:
        """Nobody waits for the end of a REFER: whether this is that it went through."""
        if isinstance(message, TransferEnded) and message.outcome == "completed":
            self._late = message
        return self._late is not None

    async def _put_through(self, begun: TransferTried, ended: TransferEnded) -> None:
        await self.desk.send(OutcomeReached(at=trio.current_time(), outcome="handed_off", detail=begun.target))
        await self.desk.send(_over(begun, ended, more=False))

    async def _hand_over(self, request: TransferRequested) -> None:
        target = self.targets.get(request.target)
        if target is None:
            await self._answer_model(request, f"There is no one called {request.target!r} to transfer to.")
            return
        self._tried += 1
        await self._say("announce", self.phrases.announce)
        if self._late is not None:
            return
        ended = await self._by_turns(target, self._ways())
        if ended.outcome not in ("completed", "presumed"):
            await self._take_back(request, ended)

    def _ways(self) -> tuple[TransferKind, ...]:
        if self.aside is None:
            return ("blind",)
        return self.tries or ("blind",)

    async def _by_turns(self, target: Target, ways: tuple[TransferKind, ...]) -> TransferEnded:
        """One way after the other until one is decisive; each is told when it begins and when it has ended."""
        for index, kind in enumerate(ways):
            begun = TransferTried(at=trio.current_time(), target=target.name, asked=trio.current_time(), kind=kind)
            self._begun = begun
            await self.desk.send(begun)
            ended = await self._try(kind, target)
            handed_off = ended.outcome in ("completed", "presumed")
            if handed_off:
                await self.desk.send(OutcomeReached(at=trio.current_time(), outcome="handed_off", detail=target.name))
            more = not handed_off and index + 1 < len(ways) and self._may_go_on(ended)
            await self.desk.send(_over(begun, ended, more=more))
            if not more:
                return ended
            if ended.accepted:
                self.leg.take_back()
        raise AssertionError("there is always a way")

    def _may_go_on(self, ended: TransferEnded) -> bool:
        """Whether another way is no second call to somebody who has just said no."""
        if self._person is not None:
            return not self._person.gone
        return not ended.accepted and ended.outcome in ("refused", "failed") and not ended.dialled

    async def _try(self, kind: TransferKind, target: Target) -> TransferEnded:
        if kind == "blind":
            return await self._refer(target)
        missed = await self._reach(target, "consult" if kind == "attended" else "bridge")
        person = self._person
        if missed is not None or person is None:
            return missed or _ended("failed")
        return await self._refer(target, person) if kind == "attended" else await self._bridge(person)

    # -- the ways ------------------------------------------------------------------------------------------------

    async def _refer(self, target: Target, person: Person | None = None) -> TransferEnded:
        await self.leg.refer(target, person.dialog if person is not None else None)
        ended = await self._wait_for(TransferEnded, self.patience)
        return _ended("no_answer", accepted=True) if ended is None else ended

    async def _reach(self, target: Target, purpose: Literal["consult", "bridge"]) -> TransferEnded | None:
        """Hold the caller, dial the person and tell them who comes; None when they listen."""
        aside = self.aside
        assert aside is not None  # _ways() names nothing but blind otherwise
        if self._person is not None:  # an earlier way has reached them
            return None
        await aside.hold(True)
        reached = await aside.dial(target, purpose)
        if isinstance(reached, Missed):
            return _ended(reached.outcome, reached.sip_code)
        self._person = reached
        aside.speak_to(reached)
        await self._say("briefing", self.phrases.briefing, reached)
        aside.speak_to(None)
        return _ended("refused") if reached.gone else None

    async def _bridge(self, person: Person) -> TransferEnded:
        assert self.aside is not None
        await self.aside.hold(False)
        if person.gone:
            return _ended("refused")
        self.aside.join(person)
        return _ended("completed")

    # -- the way back --------------------------------------------------------------------------------------------

    async def _take_back(self, request: TransferRequested, ended: TransferEnded) -> None:
        person, self._person = self._person, None
        if self.aside is not None:
            if person is not None:
                self.aside.let_go(person, Cause.COMPLETED)
            await self.aside.hold(False)
        self.leg.take_back()
        await self._say("back", self.phrases.back)
        code = f" (SIP {ended.sip_code})" if ended.sip_code else ""
        await self._answer_model(request, f"The transfer was not taken: {ended.outcome}{code}. The caller is back.")

    async def _answer_model(self, request: TransferRequested, output: str) -> None:
        if request.session is not None:
            await self.desk.send(
                ToolFinished(
                    at=trio.current_time(),
                    session=request.session,
                    tool_request_id=request.tool_request_id,
                    output=output,
                    failed=True,
                )
            )

    # -- speaking and waiting ------------------------------------------------------------------------------------

    async def _say(self, kind: str, text: str, listener: Person | None = None) -> None:
        """Say it, and wait until it was heard, or `listener` is gone."""
        if not text or (listener is not None and listener.gone):
            return
        utterance = f"local:{kind}-{self._tried}"
        await self.desk.send(SpeakPhrase(at=trio.current_time(), utterance=utterance, text=text))
        await self._wait_for(AgentSpoke, ANNOUNCE, utterance, listener)

    async def _wait_for(
        self, kind: type[W], patience: float, utterance: str | None = None, listener: Person | None = None
    ) -> W | None:
        """The next such message; a request for another transfer waits, and only the latest."""
        with trio.move_on_after(patience if patience else math.inf):
            async for message in self.mailbox:
                if isinstance(message, TransferRequested):
                    self._next = message
                if listener is not None and listener.gone:
                    return None
                if kind is AgentSpoke and self._went_through(message):
                    return None
                if not isinstance(message, kind):
                    continue
                if isinstance(message, AgentSpoke) and message.utterance != utterance:
                    continue
                return message
        return None


def _ended(outcome: TransferOutcome, sip_code: int | None = None, *, accepted: bool = False) -> TransferEnded:
    """The end of a try as we know it ourselves."""
    now = trio.current_time()
    return TransferEnded(at=now, leg=0, outcome=outcome, sip_code=sip_code, accepted=accepted, dialled=not accepted)


def _over(begun: TransferTried, ended: TransferEnded, *, more: bool) -> TransferTried:
    return TransferTried(
        at=trio.current_time(),
        target=begun.target,
        asked=begun.asked,
        kind=begun.kind,
        outcome=ended.outcome,
        sip_code=ended.sip_code,
        more=more,
    )
