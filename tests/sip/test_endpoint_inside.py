"""Corners of a dialog's life: turns, glare without end, requests of a dying dialog, reasons nobody can read."""

from __future__ import annotations

import pytest

from callactors.sip.events import InfoReceived, Invited, NoAck, Reanswered, ReferAnswered, ReferReceived, Reoffered
from callactors.sip.headers import Headers
from callactors.sip.message import Message, Request, Response
from callactors.sip.reason import read_reason, reason_headers
from callactors.sip.transfer import sipfrag
from callactors.testing.sip_script import SDP, Script, methods, request, response, statuses, tag_of


def up(script: Script) -> tuple[int, str]:
    """A call answered and acknowledged: the session and our tag."""
    script.send(request("INVITE", body=SDP))
    session = script.told(Invited)[0].session
    script.endpoint.answer(session, SDP, now=script.now)
    (ok,) = script.collect()
    tag = tag_of(ok.headers, "To")
    script.send(request("ACK", branch="z9hG4bKack", to_tag=tag))
    return session, tag


def first(messages: list[Message]) -> Request:
    return next(message for message in messages if isinstance(message, Request))


def inside(method: str, tag: str, cseq: int, *headers: str, body: bytes = b"") -> bytes:
    return request(method, branch=f"z9hG4bKin{cseq}", cseq=cseq, to_tag=tag, headers=headers, body=body)


def test_requests_of_one_dialog_take_turns() -> None:
    script = Script()
    session, _ = up(script)
    script.endpoint.reinvite(session, b"hold", now=0.0)
    script.endpoint.refer(session, "sip:x@127.0.0.10", now=0.0)
    hold = first(script.collect())
    assert hold.method == "INVITE"
    assert methods(script.send(response(hold, 200))) == ["ACK", "REFER"]


def test_a_bye_does_not_wait_for_its_turn_and_nothing_follows_it() -> None:
    script = Script()
    session, _ = up(script)
    script.endpoint.reinvite(session, b"hold", now=0.0)
    script.endpoint.refer(session, "sip:x@127.0.0.10", now=0.0)
    hold = first(script.collect())
    script.endpoint.finish(session, now=0.0)
    assert methods(script.collect()) == ["BYE"]
    assert methods(script.send(response(hold, 488))) == ["ACK"]


def test_turns_are_bounded() -> None:
    script = Script()
    session, _ = up(script)
    for _ in range(100):
        script.endpoint.notify(session, sipfrag(100, "Trying"), False, now=0.0)
    sent = script.collect()
    count = len(sent)
    while sent:
        sent = script.send(response(first(sent), 200))
        count += len(sent)
    assert count == 33


def test_glare_without_end_is_given_up() -> None:
    script = Script()
    session, _ = up(script)
    script.endpoint.reinvite(session, b"hold", now=0.0)
    offers = 0
    sent = script.collect()
    while sent:
        offers += 1
        script.send(response(first(sent), 491))
        sent = script.wait(2.0)
    assert (offers, script.told(Reanswered)) == (9, [Reanswered(session, 491, b"")])


def test_our_offer_waits_while_theirs_is_unanswered_and_is_given_up_in_the_end() -> None:
    script = Script()
    session, tag = up(script)
    script.send(inside("INVITE", tag, 2, body=b"theirs"))
    script.endpoint.reinvite(session, b"ours", now=0.0)
    assert methods(script.collect() + script.wait(17.0)) == []
    assert script.told(Reanswered) == [Reanswered(session, 491, b"")]


def test_a_reinvite_nobody_answers_is_408() -> None:
    script = Script()
    session, _ = up(script)
    script.endpoint.reinvite(session, b"hold", now=0.0)
    script.wait(33.0)
    assert script.told(Reanswered) == [Reanswered(session, 408, b"")]


def test_a_reinvite_whose_200_gets_no_ack_ends_the_call() -> None:
    script = Script()
    session, tag = up(script)
    script.send(inside("INVITE", tag, 2, body=b"theirs"))
    script.endpoint.respond(session, script.told(Reoffered)[0].request_id, 200, b"ours", now=0.0)
    assert "BYE" in methods(script.wait(33.0))
    assert script.told(NoAck) == [NoAck(session)]


def test_an_update_with_an_offer_is_told_and_without_one_only_moves_the_target() -> None:
    script = Script()
    session, tag = up(script)
    (empty,) = script.send(inside("UPDATE", tag, 2))
    assert statuses([empty]) == [200]
    script.send(inside("UPDATE", tag, 3, body=b"offer"))
    (told,) = script.told(Reoffered)
    script.endpoint.respond(session, told.request_id, 200, b"answer", now=0.0)
    (answer,) = script.collect()
    assert (answer.body, answer.headers.get("Content-Type")) == (b"answer", "application/sdp")


@pytest.mark.parametrize("method", ["INVITE", "INFO", "REFER", "UPDATE"])
def test_a_dying_dialog_takes_nothing_new(method: str) -> None:
    script = Script()
    session, tag = up(script)
    script.endpoint.finish(session, now=0.0)
    script.collect()
    assert statuses(script.send(inside(method, tag, 2, "Refer-To: <sip:a@b>"))) == [481]


def test_what_is_pending_is_settled_when_the_call_ends() -> None:
    script = Script()
    session, tag = up(script)
    script.send(inside("INVITE", tag, 2, body=b"offer"))
    script.send(inside("INFO", tag, 3))
    script.endpoint.finish(session, now=0.0)
    assert sorted(statuses(script.collect())) == [481, 487]


def test_too_many_unanswered_requests_are_refused() -> None:
    script = Script()
    _, tag = up(script)
    sent = [message for number in range(10) for message in script.send(inside("INFO", tag, number + 2))]
    assert statuses(sent) == [500, 500]
    assert len(script.told(InfoReceived)) == 8
    assert statuses(script.send(inside("REFER", tag, 20, "Refer-To: <sip:a@b>"))) == [500]
    assert statuses(script.send(inside("INVITE", tag, 21, body=b"x"))) == [500]


def test_a_second_refer_of_theirs_is_reported_by_its_number() -> None:
    script = Script()
    session, tag = up(script)
    for number in (2, 3):
        script.send(inside("REFER", tag, number, "Refer-To: <sip:a@b>"))
        script.endpoint.respond(session, script.told(ReferReceived)[-1].request_id, 202, now=0.0)
    script.endpoint.notify(session, sipfrag(200, "OK"), True, now=0.0)
    assert first(script.collect()).headers.get("Event") == "refer;id=3"


def test_a_provisional_answer_to_a_request_of_theirs_leaves_it_open() -> None:
    script = Script()
    session, tag = up(script)
    script.send(inside("INVITE", tag, 2, body=b"offer"))
    request_id = script.told(Reoffered)[0].request_id
    script.endpoint.respond(session, request_id, 180, now=0.0)
    script.endpoint.respond(session, request_id, 488, now=0.0)
    assert statuses(script.collect()) == [180, 488]


def test_verbs_of_the_other_role_or_state_do_nothing() -> None:
    script = Script()
    session, _ = up(script)
    script.endpoint.ring(session, now=0.0)
    script.endpoint.answer(session, b"again", now=0.0)
    script.endpoint.reject(session, 486, now=0.0)
    assert script.collect() == []


def test_a_refer_before_the_answer_is_not_sent() -> None:
    script = Script()
    script.send(request("INVITE", body=SDP))
    script.endpoint.refer(script.told(Invited)[0].session, "sip:x@y", now=0.0)
    script.endpoint.reinvite(script.told(Invited)[0].session, b"", now=0.0)
    assert (script.collect(), script.told(ReferAnswered)) == ([], [])


def test_an_offer_before_the_answer_is_refused_at_once() -> None:
    script = Script()
    script.send(request("INVITE", body=SDP))
    session = script.told(Invited)[0].session
    script.endpoint.reinvite(session, b"hold", now=0.0)
    assert (script.collect(), script.told(Reanswered)) == ([], [Reanswered(session, 491, b"")])


def test_an_offer_after_our_200_waits_for_its_ack() -> None:
    script = Script()
    script.send(request("INVITE", body=SDP))
    session = script.told(Invited)[0].session
    script.endpoint.answer(session, SDP, now=0.0)
    (ok,) = script.collect()
    assert isinstance(ok, Response)
    script.endpoint.reinvite(session, b"hold", now=0.0)
    assert methods(script.collect()) == []
    assert methods(script.send(request("ACK", to_tag=tag_of(ok.headers, "To")))) == ["INVITE"]


def test_an_ack_with_the_invites_own_branch_is_taken_too() -> None:
    script = Script()
    script.send(request("INVITE", body=SDP))
    session = script.told(Invited)[0].session
    script.endpoint.answer(session, SDP, now=0.0)
    (ok,) = script.collect()
    assert isinstance(ok, Response)
    script.send(request("ACK", to_tag=tag_of(ok.headers, "To")))
    assert script.wait(10.0) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('Q.850;cause=17;text="User busy"', (17, "User busy")),
        ('SIP;cause=200;text="elsewhere", Q.850 ;cause=16', (16, None)),
        ('SIP;cause=200;text="elsewhere"', (None, "elsewhere")),
        ("Q.850;cause=999", (None, None)),
        ("Q.850;cause=x", (None, None)),
        ('Q.850;text="open', (None, None)),
        ("Q.850;;=", (None, None)),
        ("", (None, None)),
    ],
)
def test_a_reason_is_read_or_ignored(text: str, found: tuple[int | None, str | None]) -> None:
    assert read_reason(Headers((("Reason", text),))) == found


def test_a_reason_is_written_only_with_a_value_and_never_ends_its_line() -> None:
    assert reason_headers(None, "text") == []
    assert reason_headers(16, None) == [("Reason", "Q.850;cause=16")]
    assert reason_headers(16, 'a"b\r\nc') == [("Reason", 'Q.850;cause=16;text="a\\"b  c"')]
