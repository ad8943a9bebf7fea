"""What is kept of INVITEs until they are answered for good: bounded in number and time, and nobody's twice."""

from __future__ import annotations

from callactors.commands.workers.unanswered import KEPT, MOST, SURE, Unanswered
from callactors.routing.cause import Cause
from callactors.sip.address import Hop
from callactors.sip.dialog import DialogFacts
from callactors.stores.ledger_rows import AttemptRow, CallRefused

CALLER = Hop("127.0.0.9", 5060)


def facts(call_id: str) -> DialogFacts:
    return DialogFacts(
        sip_call_id=call_id, local_tag="l", remote_tag="r", cseq=1, local_uri="sip:a@b", remote_uri="sip:c@d",
        local_address="127.0.0.1:5061", remote_address="127.0.0.9:5060", route_set=(), remote_target="sip:c@d",
    )  # fmt: skip


def noted(*call_ids: str) -> Unanswered:
    kept = Unanswered()
    for call_id in call_ids:
        kept.note(call_id, 0, b"INVITE", CALLER, 0.0)
    return kept


def test_what_rings_is_left_opened_and_what_no_row_named_is_not() -> None:
    kept = noted("rings", "unheard")
    kept.see(AttemptRow(call="c1", n=0, leg=0, facts=facts("rings"), rang=1), 0.1)
    assert [(one.call_id, one.opened) for one in kept.lose(0, 1.0)] == [("rings", True), ("unheard", False)]
    assert kept.lose(0, 1.0) == []


def test_what_was_refused_has_ended_or_was_answered_a_while_ago_is_not_left() -> None:
    kept = noted("refused", "ended", "answered", "just answered")
    kept.see(CallRefused(call="x", at=1, cause=Cause.OVERLOAD, sip_code=503, sip_call_id="refused"), 0.1)
    for call_id in ("ended", "answered", "just answered"):
        kept.see(AttemptRow(call=call_id, n=0, leg=0, facts=facts(call_id), rang=1), 0.1)
    kept.see(AttemptRow(call="ended", n=0, leg=0, ended=2), 0.2)
    kept.see(AttemptRow(call="answered", n=0, leg=0, answered=2), 0.2)
    kept.see(AttemptRow(call="just answered", n=0, leg=0, answered=2), 0.2 + SURE)
    assert [one.call_id for one in kept.lose(0, 0.3 + SURE)] == ["just answered"]


def test_another_leg_of_a_call_says_nothing_of_its_invite() -> None:
    kept = noted("c")
    kept.see(AttemptRow(call="c1", n=1, leg=1, facts=facts("c"), ended=1), 0.1)
    assert len(kept) == 1


def test_it_is_bounded_in_number_and_in_time() -> None:
    kept = noted(*(str(n) for n in range(MOST + 10)))
    assert len(kept) == MOST
    kept.note("late", 1, b"INVITE", CALLER, KEPT + 1)
    assert len(kept) == 1
    assert kept.lose(0, KEPT + 1) == []


def test_a_repetition_is_the_same_invite_and_another_workers_is_anew() -> None:
    kept = noted("c")
    kept.note("c", 0, b"INVITE again", CALLER, 1.0)
    kept.note("c", 1, b"INVITE", CALLER, 2.0, tries=2)
    assert kept.lose(0, 3.0) == []
    assert [one.tries for one in kept.lose(1, 3.0)] == [2]
