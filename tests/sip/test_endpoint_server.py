"""What the endpoint answers: INVITE, CANCEL, ACK, BYE (RFC 3261 sections 9.2, 12.2, 13.3)."""

from __future__ import annotations

import pytest

from callactors.sip.address import Hop
from callactors.sip.events import Acked, Cancelled, Gone, HungUp, InfoReceived, Invited, NoAck, Reoffered
from callactors.sip.message import Request, Response
from callactors.testing.sip_script import (
    OTHER_TRUNK,
    POOL,
    SDP,
    STRANGER,
    Script,
    header,
    invited,
    methods,
    request,
    statuses,
    tag_given,
    tag_of,
    up,
)

BOUND = 64 * 0.5 + 5


def test_an_invite_gets_100_at_once_without_a_tag() -> None:
    script = Script()
    (trying,) = script.send(request("INVITE", body=SDP))
    assert statuses([trying]) == [100]
    assert tag_of(trying.headers, "To") == ""
    assert script.told(Invited)[0].trunk == "carrier"


def test_every_response_above_100_has_the_same_tag_contact_and_record_route() -> None:
    script = Script()
    session = invited(script, headers=["Record-Route: <sip:127.0.0.10;lr>", "Record-Route: <sip:127.0.0.11;lr>"])
    script.endpoint.ring(session, now=0.0)
    script.endpoint.answer(session, SDP, now=0.0)
    ringing, ok = script.collect()
    assert tag_of(ringing.headers, "To") == tag_of(ok.headers, "To") != ""
    assert ok.headers.all("Record-Route") == ("<sip:127.0.0.10;lr>", "<sip:127.0.0.11;lr>")
    assert header(ok, "Contact") == "<sip:callactors@127.0.0.1:5060>"
    assert header(ok, "Content-Type") == "application/sdp"


def test_fifty_copies_of_one_invite_are_one_call_and_get_the_last_response() -> None:
    script = Script()
    session = invited(script)
    script.endpoint.ring(session, now=0.0)
    script.collect()
    for _ in range(50):
        assert statuses(script.send(request("INVITE", body=SDP))) == [180]
    assert len(script.told(Invited)) == 1


def test_a_200_is_repeated_from_t1_to_t2_until_its_ack() -> None:
    script = Script()
    session = invited(script)
    script.endpoint.answer(session, SDP, now=0.0)
    script.collect()
    assert statuses(script.wait(12.0)) == [200] * 5  # 0.5 1.5 3.5 7.5 11.5
    script.send(request("ACK", branch="z9hG4bKack", to_tag=tag_given(script), body=b"theirs"))
    assert statuses(script.wait(20.0)) == []
    assert script.told(Acked) == [Acked(session, b"theirs")]


def test_a_repeated_ack_is_told_once() -> None:
    script = Script()
    _, tag = up(script)
    script.send(request("ACK", branch="z9hG4bKother", to_tag=tag))
    assert len(script.told(Acked)) == 1


def test_no_ack_in_64_t1_is_told_and_gets_a_bye() -> None:
    script = Script()
    session = invited(script)
    script.endpoint.answer(session, SDP, now=0.0)
    sent = script.wait(33.0)
    assert script.told(NoAck) == [NoAck(session)]
    assert "BYE" in methods(sent)
    script.wait(BOUND)
    assert script.endpoint.entries() == 0


def test_a_call_finished_before_its_ack_sends_bye_only_after_it() -> None:
    script = Script()
    session = invited(script)
    script.endpoint.answer(session, SDP, now=0.0)
    script.endpoint.finish(session, now=0.0)
    assert "BYE" not in methods(script.collect() + script.wait(5.0))
    sent = script.send(request("ACK", branch="z9hG4bKack", to_tag=tag_given(script)))
    assert methods(sent) == ["BYE"]
    assert script.told(Acked) == []


def test_a_refusal_is_repeated_until_its_ack_on_the_same_branch() -> None:
    script = Script()
    session = invited(script)
    script.endpoint.reject(session, 486, now=0.0)
    (busy,) = script.collect()
    assert statuses(script.wait(2.0)) == [486, 486]
    script.send(request("ACK", to_tag=tag_of(busy.headers, "To")))
    assert script.wait(40.0) == []
    assert script.events[-1] == Gone(session)
    assert script.endpoint.entries() == 0


def test_cancel_gets_200_and_the_invite_487() -> None:
    script = Script()
    session = invited(script)
    sent = script.send(request("CANCEL", headers=['Reason: Q.850;cause=16;text="gone"'], without=["Contact"]))
    assert [(m.status, header(m, "CSeq")) for m in sent if isinstance(m, Response)] == [
        (200, "1 CANCEL"),
        (487, "1 INVITE"),
    ]
    assert tag_of(sent[0].headers, "To") == tag_of(sent[1].headers, "To")
    assert script.told(Cancelled) == [Cancelled(session, 16, "gone")]
    script.endpoint.answer(session, SDP, now=0.0)
    assert script.collect() == []


def test_a_cancel_after_the_200_changes_nothing() -> None:
    script = Script()
    session = invited(script)
    script.endpoint.answer(session, SDP, now=0.0)
    script.collect()
    assert statuses(script.send(request("CANCEL"))) == [200]
    assert script.told(Cancelled) == []


@pytest.mark.parametrize(("source", "expected"), [(POOL, [200, 487]), (OTHER_TRUNK, [481]), (STRANGER, [])])
def test_only_the_trunk_that_sent_an_invite_can_cancel_it(source: Hop, expected: list[int]) -> None:
    script = Script()
    invited(script)
    assert statuses(script.send(request("CANCEL"), source)) == expected


@pytest.mark.parametrize(("source", "expected"), [(POOL, [200]), (OTHER_TRUNK, [481]), (STRANGER, [])])
def test_a_bye_counts_from_any_address_of_the_trunk_and_no_other(source: Hop, expected: list[int]) -> None:
    script = Script()
    _, tag = up(script)
    assert statuses(script.send(request("BYE", branch="z9hG4bKbye", cseq=2, to_tag=tag), source)) == expected
    assert len(script.told(HungUp)) == (expected == [200])


def test_a_bye_with_wrong_tags_gets_481_and_the_call_goes_on() -> None:
    script = Script()
    _, tag = up(script)
    wrong = [
        (tag + "x", "theirs", "call@peer"),
        (tag, "wrong", "call@peer"),
        (tag, "theirs", "other"),
        ("", "theirs", "c"),
    ]
    for number, (to_tag, from_tag, call_id) in enumerate(wrong):
        bye = request("BYE", branch=f"z9hG4bKb{number}", cseq=2, to_tag=to_tag, from_tag=from_tag, call_id=call_id)
        assert statuses(script.send(bye)) == [481]
    assert script.told(HungUp) == []


def test_a_bye_tells_its_reason_once_and_repeats_get_200() -> None:
    script = Script()
    session, tag = up(script)
    bye = request("BYE", branch="z9hG4bKbye", cseq=2, to_tag=tag, headers=["Reason: Q.850 ;cause=31"])
    assert statuses(script.send(bye) + script.send(bye)) == [200, 200]
    again = request("BYE", branch="z9hG4bKnew", cseq=3, to_tag=tag)
    assert statuses(script.send(again)) == [200]
    assert script.told(HungUp) == [HungUp(session, 31, None)]


def test_a_bye_crossing_ours_gets_200_and_is_not_told() -> None:
    script = Script()
    session, tag = up(script)
    script.endpoint.finish(session, q850=16, text="done\r\nX-Bad: 1", now=0.0)
    (bye,) = script.collect()
    assert header(bye, "Reason") == 'Q.850;cause=16;text="done  X-Bad: 1"'
    assert statuses(script.send(request("BYE", branch="z9hG4bKbye", cseq=2, to_tag=tag))) == [200]
    assert script.told(HungUp) == []


def test_finish_is_idempotent_and_its_bye_is_repeated_for_timer_f() -> None:
    script = Script()
    session, _ = up(script)
    for _ in range(3):
        script.endpoint.finish(session, now=0.0)
    assert methods(script.collect()) == ["BYE"]
    assert methods(script.wait(40.0)) == ["BYE"] * 10
    assert script.events[-1] == Gone(session)
    assert script.endpoint.entries() == 0
    script.endpoint.finish(session, now=script.now)
    assert script.collect() == []


def test_finish_before_an_answer_refuses_the_invite() -> None:
    script = Script()
    session = invited(script)
    script.endpoint.finish(session, q850=41, now=0.0)
    (refused,) = script.collect()
    assert statuses([refused]) == [480]
    assert header(refused, "Reason") == "Q.850;cause=41"


def test_a_bye_before_the_answer_ends_the_invite_with_487() -> None:
    script = Script()
    session = invited(script)
    script.endpoint.ring(session, now=0.0)
    script.collect()
    sent = script.send(request("BYE", branch="z9hG4bKbye", cseq=2, to_tag=tag_given(script)))
    assert sorted(statuses(sent)) == [200, 487]
    assert len(script.told(HungUp)) == 1


def test_an_older_cseq_gets_500() -> None:
    script = Script()
    _, tag = up(script)
    assert statuses(script.send(request("INFO", branch="z9hG4bKi", cseq=9, to_tag=tag))) == []
    assert statuses(script.send(request("BYE", branch="z9hG4bKb", cseq=8, to_tag=tag))) == [500]


def test_an_info_is_answered_by_the_user() -> None:
    script = Script()
    session, tag = up(script)
    info = request(
        "INFO",
        branch="z9hG4bKi",
        cseq=2,
        to_tag=tag,
        headers=["Content-Type: application/dtmf-relay"],
        body=b"Signal=1",
    )
    assert script.send(info) + script.send(info) == []
    (told,) = script.told(InfoReceived)
    assert (told.content_type, told.body) == ("application/dtmf-relay", b"Signal=1")
    script.endpoint.respond(session, told.request_id, 200, now=0.0)
    assert statuses(script.collect()) == [200]


def test_a_request_nobody_answers_gets_500_before_its_sender_gives_up() -> None:
    script = Script()
    _, tag = up(script)
    script.send(request("INFO", branch="z9hG4bKi", cseq=2, to_tag=tag))
    assert statuses(script.wait(32.0)) == [500]


def test_a_reinvite_is_told_once_and_its_200_waits_for_an_ack() -> None:
    script = Script()
    session, tag = up(script)
    offer = request("INVITE", branch="z9hG4bKre", cseq=2, to_tag=tag, body=b"hold")
    assert statuses(script.send(offer) + script.send(offer)) == [100, 100]
    (told,) = script.told(Reoffered)
    assert told.body == b"hold"
    script.endpoint.respond(session, told.request_id, 200, b"held", now=0.0)
    assert statuses(script.collect() + script.wait(1.0)) == [200, 200]
    script.send(request("ACK", branch="z9hG4bKreack", cseq=2, to_tag=tag))
    assert script.wait(10.0) == []
    assert len(script.told(Acked)) == 1


def test_a_second_offer_before_the_first_is_answered_gets_500_with_retry_after() -> None:
    script = Script()
    _, tag = up(script)
    script.send(request("INVITE", branch="z9hG4bKr1", cseq=2, to_tag=tag, body=b"one"))
    (refused,) = script.send(request("UPDATE", branch="z9hG4bKr2", cseq=3, to_tag=tag, body=b"two"))
    assert statuses([refused]) == [500]
    assert 0 <= int(header(refused, "Retry-After") or "-1") <= 10


def test_a_cancelled_reinvite_gets_487_and_the_call_goes_on() -> None:
    script = Script()
    session, tag = up(script)
    script.send(request("INVITE", branch="z9hG4bKre", cseq=2, to_tag=tag, body=b"x"))
    assert statuses(script.send(request("CANCEL", branch="z9hG4bKre", cseq=2, to_tag=tag))) == [200, 487]
    script.endpoint.respond(session, script.told(Reoffered)[0].request_id, 200, now=0.0)
    assert script.collect() == []
    assert (script.told(Cancelled), script.told(HungUp)) == ([], [])


def test_a_flood_inside_a_dialog_is_refused_and_bye_still_works() -> None:
    script = Script()
    session, tag = up(script)
    for number in range(400):
        script.send(request("INFO", branch=f"z9hG4bKf{number}", cseq=number + 2, to_tag=tag))
        if (told := script.told(InfoReceived)) and len(told) > number:
            script.endpoint.respond(session, told[-1].request_id, 200, now=0.0)
    assert script.endpoint.entries() < 300
    assert statuses(script.send(request("BYE", branch="z9hG4bKbye", cseq=999, to_tag=tag))) == [200]


def test_an_acknowledged_refusal_leaves_the_table_in_t4() -> None:
    script = Script()
    session = invited(script)
    script.endpoint.reject(session, 404, now=0.0)
    (refused,) = script.collect()
    script.send(request("ACK", to_tag=tag_of(refused.headers, "To")))
    script.wait(5.0)
    assert (script.endpoint.entries(), script.events[-1]) == (0, Gone(session))


def test_an_offer_that_crosses_ours_gets_491() -> None:
    script = Script()
    session, tag = up(script)
    script.endpoint.reinvite(session, b"ours", now=0.0)
    assert methods(script.collect()) == ["INVITE"]
    assert statuses(script.send(request("INVITE", branch="z9hG4bKre", cseq=2, to_tag=tag, body=b"x"))) == [491]


def test_a_reinvite_moves_the_target_and_requests_follow_it() -> None:
    script = Script()
    session, tag = up(script)
    offer = request(
        "INVITE",
        branch="z9hG4bKre",
        cseq=2,
        to_tag=tag,
        body=b"x",
        without=["Contact"],
        headers=["Contact: <sip:moved@127.0.0.11:7000>"],
    )
    script.send(offer)
    script.endpoint.respond(session, script.told(Reoffered)[0].request_id, 488, now=0.0)
    script.endpoint.finish(session, now=0.0)
    script.collect()
    bye, destination = script.outbox[-1]
    assert isinstance(bye, Request)
    assert str(bye.uri) == "sip:moved@127.0.0.11:7000"
    assert destination == Hop("127.0.0.11", 7000)


def test_a_contact_outside_the_trunk_yields_to_the_packets_source() -> None:
    script = Script()
    data = request("INVITE", body=SDP, without=["Contact"], headers=["Contact: <sip:x@10.0.0.5:5070>"])
    script.send(data, POOL)
    assert script.endpoint.facts(script.told(Invited)[0].session).remote_address == str(POOL)


def test_loose_and_strict_routes_are_followed() -> None:
    for route, uri, routes in (
        ("<sip:127.0.0.11:5062;lr>", "sip:caller@127.0.0.10:5060", ("<sip:127.0.0.11:5062;lr>",)),
        ("<sip:127.0.0.11:5062>", "sip:127.0.0.11:5062", ("<sip:caller@127.0.0.10:5060>",)),
    ):
        script = Script()
        session = invited(script, headers=[f"Record-Route: {route}"])
        script.endpoint.answer(session, SDP, now=0.0)
        script.endpoint.finish(session, now=0.0)
        script.collect()
        script.send(request("ACK", branch="z9hG4bKack", to_tag=tag_given(script)))
        bye, destination = script.outbox[-1]
        assert isinstance(bye, Request)
        assert (str(bye.uri), bye.headers.all("Route"), destination) == (uri, routes, Hop("127.0.0.11", 5062))
