"""Announce, wait until heard, refer, wait for the final NOTIFY; take the caller back from whatever did not work."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal, TypeVar

import attrs
import pytest
import trio
import trio.testing

from callactors.actors.handoff import ANNOUNCE, Handoff, Missed, Person, Phrases
from callactors.actors.mailbox import Mailbox
from callactors.actors.messages import (
    AgentSpoke,
    LegEnded,
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
from callactors.audio.format import AudioFormat
from callactors.routing.cause import Cause
from callactors.routing.trunk import Target
from callactors.rtp.utterances import Heard
from callactors.sip.dialog import DialogId

M = TypeVar("M", bound=Message)
DESK = Target("front_desk", "sip:desk@127.0.0.1", "loopback")


@attrs.define(eq=False)
class ReferLeg:
    """A leg that notes what it is asked."""

    format: AudioFormat = AudioFormat.PCMU
    clock: Literal["ours", "theirs"] = "ours"
    events: Mailbox[Message] = attrs.field(factory=Mailbox)
    done: list[str] = attrs.field(factory=list)

    async def refer(self, target: Target, replaces: DialogId | None = None) -> None:
        self.done.append(f"refer {target.uri}" + (f" for {replaces.call_id}" if replaces is not None else ""))

    def take_back(self) -> None:
        self.done.append("take back")

    async def answer(self) -> None: ...

    async def reject(self, code: int, reason: str, retry_after: int | None = None) -> None: ...

    def play(self, utterance: str, audio: bytes) -> None: ...

    def end(self, utterance: str) -> None: ...

    def flush(self) -> Heard:
        return Heard(None, 0)

    def heard(self) -> Heard:
        return Heard(None, 0)

    async def send_digits(self, digits: str) -> None: ...

    def hang_up(self, cause: Cause) -> None: ...


@attrs.frozen
class Desk:
    leg: ReferLeg
    box: Mailbox[Message]
    desk: Mailbox[Message]

    async def told(self, kind: type[M]) -> M:
        with trio.fail_after(120):
            while True:
                message = await self.desk.receive()
                if isinstance(message, kind):
                    return message

    async def hears(self, text: str) -> None:
        """The phrase is asked for, and heard."""
        phrase = await self.told(SpeakPhrase)
        assert phrase.text == text
        self.box.offer(AgentSpoke(at=0, utterance=phrase.utterance, ms=400, first_rtp_at=0))

    def ask(self, target: str = "front_desk", request: str = "r1", session: int | None = 1) -> None:
        self.box.offer(TransferRequested(at=0, tool_request_id=request, target=target, session=session))

    def end(self, outcome: TransferOutcome, code: int | None = None, *, accepted: bool = False) -> None:
        self.box.offer(TransferEnded(at=0, leg=0, outcome=outcome, sip_code=code, accepted=accepted))


@asynccontextmanager
async def handing_off() -> AsyncIterator[Desk]:
    desk = Desk(ReferLeg(), Mailbox(64), Mailbox(64))
    handoff = Handoff(desk.leg, {"front_desk": DESK}, Phrases("Hold on.", "You are back."), desk.box, desk.desk)
    async with trio.open_nursery() as nursery:
        await nursery.start(handoff.run)
        yield desk
        nursery.cancel_scope.cancel()


async def test_the_refer_waits_until_the_announcement_was_heard(autojump_clock: object) -> None:
    async with handing_off() as desk:
        desk.ask()
        phrase = await desk.told(SpeakPhrase)
        await trio.sleep(5)
        assert desk.leg.done == []
        desk.box.offer(AgentSpoke(at=0, utterance="another", ms=1, first_rtp_at=0))
        desk.box.offer(AgentSpoke(at=0, utterance=phrase.utterance, ms=400, first_rtp_at=0))
        assert (await desk.told(TransferTried)).outcome is None
        await trio.testing.wait_all_tasks_blocked()
        assert desk.leg.done == ["refer sip:desk@127.0.0.1"]


async def test_an_announcement_that_is_never_heard_does_not_hold_the_transfer_up(autojump_clock: object) -> None:
    async with handing_off() as desk:
        began = trio.current_time()
        desk.ask()
        await desk.told(TransferTried)
        assert trio.current_time() - began == pytest.approx(ANNOUNCE)


@pytest.mark.parametrize("outcome", ["completed", "presumed"])
async def test_a_transfer_that_worked_is_an_outcome_and_says_no_more(
    autojump_clock: object, outcome: TransferOutcome
) -> None:
    async with handing_off() as desk:
        desk.ask()
        await desk.hears("Hold on.")
        await desk.told(TransferTried)
        desk.end(outcome, 200)
        assert (await desk.told(OutcomeReached)).detail == "front_desk"
        tried = await desk.told(TransferTried)
        assert (tried.outcome, tried.sip_code) == (outcome, 200)
        await trio.sleep(1)
        assert desk.leg.done == ["refer sip:desk@127.0.0.1"]


@pytest.mark.parametrize("outcome", ["refused", "no_answer", "failed"])
async def test_a_transfer_that_failed_takes_the_caller_back_says_so_and_tells_the_model(
    autojump_clock: object, outcome: TransferOutcome
) -> None:
    async with handing_off() as desk:
        desk.ask()
        await desk.hears("Hold on.")
        await desk.told(TransferTried)
        desk.end(outcome, 486)
        assert (await desk.told(TransferTried)).outcome == outcome
        await desk.hears("You are back.")
        finished = await desk.told(ToolFinished)
        assert (finished.session, finished.tool_request_id, finished.failed) == (1, "r1", True)
        assert f"{outcome} (SIP 486)" in finished.output
        assert desk.leg.done[-1] == "take back"


async def test_no_word_in_time_is_no_answer(autojump_clock: object) -> None:
    async with handing_off() as desk:
        desk.ask()
        await desk.hears("Hold on.")
        asked = (await desk.told(TransferTried)).asked
        ended = await desk.told(TransferTried)
        assert ended.outcome == "no_answer"
        assert ended.at - asked == pytest.approx(30)


async def test_a_transfer_that_works_after_we_gave_up_is_completed_after_all(autojump_clock: object) -> None:
    async with handing_off() as desk:
        desk.ask()
        await desk.hears("Hold on.")
        assert (await desk.told(TransferTried)).outcome is None
        assert (await desk.told(TransferTried)).outcome == "no_answer"
        await desk.hears("You are back.")
        await desk.told(ToolFinished)
        desk.end("completed", 200)
        assert (await desk.told(OutcomeReached)).detail == "front_desk"
        assert (await desk.told(TransferTried)).outcome == "completed"


async def test_a_transfer_that_works_while_another_is_announced_makes_it_needless(autojump_clock: object) -> None:
    async with handing_off() as desk:
        desk.ask()
        await desk.hears("Hold on.")
        assert (await desk.told(TransferTried)).outcome is None
        assert (await desk.told(TransferTried)).outcome == "no_answer"
        await desk.hears("You are back.")
        await desk.told(ToolFinished)
        desk.ask(request="r2")
        assert (await desk.told(SpeakPhrase)).text == "Hold on."
        desk.end("completed", 200)
        assert (await desk.told(TransferTried)).outcome == "completed"
        assert desk.leg.done == ["refer sip:desk@127.0.0.1", "take back"]


async def test_a_target_nobody_named_is_refused_without_a_word_to_the_caller(autojump_clock: object) -> None:
    async with handing_off() as desk:
        desk.ask("sip:evil@203.0.113.9")
        message = await desk.desk.receive()
        assert isinstance(message, ToolFinished)
        assert message.failed
        assert desk.leg.done == []


async def test_a_digit_gets_no_tool_answer(autojump_clock: object) -> None:
    async with handing_off() as desk:
        desk.ask(session=None)
        await desk.hears("Hold on.")
        desk.end("refused", 603)
        await desk.hears("You are back.")
        await trio.sleep(1)
        with pytest.raises(trio.WouldBlock):
            desk.desk.receive_nowait()


async def test_a_request_made_during_another_is_served_after_it(autojump_clock: object) -> None:
    async with handing_off() as desk:
        desk.ask(request="r1")
        await desk.hears("Hold on.")
        desk.ask(request="r2")
        desk.end("refused", 603)
        await desk.hears("You are back.")
        assert (await desk.told(ToolFinished)).tool_request_id == "r1"
        await desk.hears("Hold on.")
        desk.end("completed", 200)
        assert (await desk.told(OutcomeReached)).outcome == "handed_off"


# -- a person on a leg of their own ----------------------------------------------------------------------------------


@attrs.define(eq=False)
class Clerk:
    """A person who answered."""

    dialog: DialogId = attrs.field(factory=lambda: DialogId("consult@us", "ours", "theirs"))
    gone: bool = False


@attrs.define(eq=False)
class Beside:
    """The call's side of a handoff: notes what it is asked, and dials whom the test says."""

    done: list[str]
    reached: Person | Missed

    async def hold(self, held: bool) -> None:
        self.done.append("hold" if held else "unhold")

    async def dial(self, target: Target, purpose: Literal["consult", "bridge"]) -> Person | Missed:
        self.done.append(f"{purpose} {target.name}")
        return self.reached

    def speak_to(self, person: Person | None) -> None:
        self.done.append("to the person" if person is not None else "to the caller")

    def join(self, person: Person) -> None:
        self.done.append("join")

    def let_go(self, person: Person, cause: Cause) -> None:
        self.done.append("let go")


REACHED = ["hold", "consult front_desk", "to the person", "to the caller"]


@asynccontextmanager
async def handing_over(reached: Person | Missed, *tries: TransferKind) -> AsyncIterator[Desk]:
    desk = Desk(ReferLeg(), Mailbox(64), Mailbox(64))
    phrases = Phrases("Hold on.", "You are back.", "Somebody for you.")
    aside = Beside(desk.leg.done, reached)
    targets = {"front_desk": DESK}
    handoff = Handoff(desk.leg, targets, phrases, desk.box, desk.desk, tries=tries, aside=aside)
    async with trio.open_nursery() as nursery:
        await nursery.start(handoff.run)
        desk.ask()
        await desk.hears("Hold on.")
        yield desk
        nursery.cancel_scope.cancel()


async def outcomes(desk: Desk, count: int) -> list[tuple[str, str | None, bool]]:
    """How each of the next `count` ways ended."""
    ended: list[tuple[str, str | None, bool]] = []
    while len(ended) < count:
        tried = await desk.told(TransferTried)
        if tried.outcome is not None:
            ended.append((tried.kind, tried.outcome, tried.more))
    return ended


async def test_attended_briefs_the_person_then_refers_in_place_of_their_dialog(autojump_clock: object) -> None:
    clerk = Clerk()
    async with handing_over(clerk, "attended") as desk:
        await desk.hears("Somebody for you.")
        await trio.testing.wait_all_tasks_blocked()
        assert desk.leg.done == [*REACHED, "refer sip:desk@127.0.0.1 for consult@us"]
        desk.end("completed", 200)
        assert (await desk.told(OutcomeReached)).outcome == "handed_off"
        assert (await desk.told(TransferTried)).kind == "attended"


async def test_a_person_whose_refer_fails_hangs_up_and_the_caller_is_back(autojump_clock: object) -> None:
    async with handing_over(Clerk(), "attended") as desk:
        await desk.hears("Somebody for you.")
        desk.end("failed", 503, accepted=True)
        assert await outcomes(desk, 1) == [("attended", "failed", False)]
        await desk.hears("You are back.")
        assert "failed (SIP 503)" in (await desk.told(ToolFinished)).output
        assert desk.leg.done[-3:] == ["let go", "unhold", "take back"]


async def test_bridged_joins_both_once_the_person_was_briefed(autojump_clock: object) -> None:
    async with handing_over(Clerk(), "bridged") as desk:
        await desk.hears("Somebody for you.")
        assert await outcomes(desk, 1) == [("bridged", "completed", False)]
        assert desk.leg.done == ["hold", "bridge front_desk", "to the person", "to the caller", "unhold", "join"]


@pytest.mark.parametrize("missed", [Missed("refused", 486), Missed("no_answer", 408), Missed("failed", 503)])
async def test_a_person_who_did_not_answer_is_dialled_once_and_the_caller_is_back(
    autojump_clock: object, missed: Missed
) -> None:
    async with handing_over(missed, "attended", "bridged") as desk:
        assert await outcomes(desk, 1) == [("attended", missed.outcome, False)]
        await desk.hears("You are back.")
        assert desk.leg.done == ["hold", "consult front_desk", "unhold", "take back"]


async def test_a_refer_that_is_not_taken_leads_to_a_bridge(autojump_clock: object) -> None:
    async with handing_over(Clerk(), "blind", "bridged") as desk:
        desk.end("refused", 405)
        assert await outcomes(desk, 1) == [("blind", "refused", True)]
        await desk.hears("Somebody for you.")
        assert await outcomes(desk, 1) == [("bridged", "completed", False)]


async def test_a_refer_not_taken_bridges_with_the_person_who_is_there(autojump_clock: object) -> None:
    async with handing_over(Clerk(), "attended", "bridged") as desk:
        await desk.hears("Somebody for you.")
        desk.end("refused", 501)
        assert await outcomes(desk, 2) == [("attended", "refused", True), ("bridged", "completed", False)]
        assert desk.leg.done == [*REACHED, "refer sip:desk@127.0.0.1 for consult@us", "unhold", "join"]


@pytest.mark.parametrize(("outcome", "code"), [("refused", 486), ("no_answer", 480)])
async def test_a_person_who_was_asked_by_the_carrier_is_not_dialled_again(
    autojump_clock: object, outcome: TransferOutcome, code: int
) -> None:
    async with handing_over(Clerk(), "blind", "bridged") as desk:
        desk.end(outcome, code, accepted=True)
        assert await outcomes(desk, 1) == [("blind", outcome, False)]
        await desk.hears("You are back.")
        assert desk.leg.done == ["refer sip:desk@127.0.0.1", "unhold", "take back"]


async def test_a_person_who_hangs_up_while_briefed_has_refused(autojump_clock: object) -> None:
    clerk = Clerk()
    async with handing_over(clerk, "bridged") as desk:
        assert (await desk.told(SpeakPhrase)).text == "Somebody for you."
        clerk.gone, asked = True, trio.current_time()
        desk.box.offer(LegEnded(at=0, leg=1, cause=Cause.CALLER_HUNG_UP))
        assert await outcomes(desk, 1) == [("bridged", "refused", False)]
        await desk.hears("You are back.")
        assert trio.current_time() - asked < 1  # the rest of the briefing is not waited for
        assert "join" not in desk.leg.done


async def test_a_person_who_is_gone_before_the_briefing_is_told_nothing(autojump_clock: object) -> None:
    async with handing_over(Clerk(gone=True), "bridged") as desk:
        await desk.hears("You are back.")


async def test_a_refer_we_gave_up_on_is_forgotten_before_the_bridge(autojump_clock: object) -> None:
    async with handing_over(Clerk(), "attended", "bridged") as desk:
        await desk.hears("Somebody for you.")
        assert await outcomes(desk, 2) == [("attended", "no_answer", True), ("bridged", "completed", False)]
        assert desk.leg.done[5:] == ["take back", "unhold", "join"]
