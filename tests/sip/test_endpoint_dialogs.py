"""What else a dialog must get right: reasons, loops, turns, redirects, INFO, forks, transports, glare of both roles."""

from __future__ import annotations

from random import Random

import pytest

from callactors.errors import UnsafeText
from callactors.sip.address import Hop
from callactors.sip.events import (
    Acked,
    Answered,
    Failed,
    Gone,
    HungUp,
    InfoReceived,
    Invited,
    NoAck,
    Reanswered,
    ReferAnswered,
    Reoffered,
)
from callactors.sip.headers import name_addr
from callactors.sip.message import Message, Request
from callactors.sip.policy import Policy
from callactors.sip.uri import SipUri, parse_uri
from callactors.sip.usage import hop_of
from callactors.testing.sip_script import (
    PEER,
    POOL,
    SDP,
    Script,
    header,
    invited,
    methods,
    request,
    response,
    statuses,
    tag_given,
    up,
)

TARGET = SipUri("sip", "+15551234", None, "127.0.0.10")
ME = name_addr("<sip:+15550000@127.0.0.1>")


def first(messages: list[Message], method: str) -> Request:
    return next(m for m in messages if isinstance(m, Request) and m.method == method)


def dial(script: Script, body: bytes = SDP) -> tuple[int, Request]:
    session = script.endpoint.invite(TARGET, to=PEER, trunk="carrier", caller=ME, body=body, now=script.now)
    return session, first(script.collect(), "INVITE")


def test_a_call_whose_ack_never_came_is_ended_with_a_reason() -> None:
    script = Script()
    session = invited(script)
    script.endpoint.answer(session, SDP, now=0.0)
    bye = first(script.wait(33.0), "BYE")
    assert header(bye, "Reason") == 'Q.850;cause=102;text="no ACK"'
    assert script.told(NoAck) == [NoAck(session)]


def test_a_second_refer_waits_four_seconds_for_a_peer_that_ignored_the_first() -> None:
    script = Script()
    session, _ = up(script)
    script.endpoint.refer(session, "sip:one@127.0.0.10", now=0.0)
    script.endpoint.refer(session, "sip:two@127.0.0.10", now=0.0)
    assert {header(refer, "Refer-To") for refer in script.collect() + script.wait(3.9)} == {"<sip:one@127.0.0.10>"}
    second = [refer for refer in script.wait(0.2) if header(refer, "Refer-To") == "<sip:two@127.0.0.10>"]
    script.send(response(first(second, "REFER"), 202))
    assert script.told(ReferAnswered) == [ReferAnswered(session, 202)]


def test_a_refused_call_tells_all_that_the_refusal_said() -> None:
    script = Script()
    session, invite = dial(script)
    headers = [
        "Contact: <sip:a@127.0.0.3>, <sip:b@127.0.0.4>;q=0.5", "Retry-After: 30 (soon);duration=9",
        'Reason: Q.850;cause=34;text="No circuit"',
    ]  # fmt: skip
    script.send(response(invite, 302, headers=headers))
    assert script.told(Failed) == [
        Failed(session, 302, 34, "Whatever", "No circuit", ("sip:a@127.0.0.3", "sip:b@127.0.0.4"), 30)
    ]


def test_a_redirect_to_nowhere_has_no_contacts() -> None:
    script = Script()
    session, invite = dial(script)
    script.send(response(invite, 302, headers=["Contact: *", "Retry-After: soon"]))
    assert script.told(Failed) == [Failed(session, 302, None, "Whatever")]


def test_an_unreachable_hop_fails_the_call_at_once() -> None:
    script = Script()
    session, _ = dial(script)
    script.endpoint.unreachable(PEER, 0.0)
    script.collect()
    assert script.told(Failed) == [Failed(session, 503, None, "", unreachable=True)]


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (request("INVITE", headers=["Max-Forwards: 0"], without=["Max-Forwards"], body=SDP), 483),
        (request("OPTIONS", headers=["Max-Forwards: 0"], without=["Max-Forwards"]), 200),
        (request("INVITE", headers=["Via: SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bK-other-1.0"], body=SDP), 100),
        (request("MESSAGE", body=b"hello"), 405),
        (request("MESSAGE", to_tag="nobody", body=b"hello"), 405),
        (request("PUBLISH"), 405),
    ],
)
def test_hops_loops_and_methods(data: bytes, status: int) -> None:
    assert statuses(Script().send(data)) == [status]


def test_an_invite_that_has_passed_us_is_a_loop_and_one_that_passed_another_node_of_our_name_is_not() -> None:
    script, namesake = Script(), Script(random=Random(8))
    _, invite = dial(script)
    passed = request("INVITE", headers=[f"Via: {header(invite, 'Via')}"], body=SDP)
    assert (statuses(script.send(passed)), statuses(namesake.send(passed))) == ([482], [100])


def test_what_we_speak_is_said_in_every_offer_and_to_whoever_asks() -> None:
    script = Script()
    (options,) = script.send(request("OPTIONS"))
    _, invite = dial(script)
    assert header(options, "Supported") == header(invite, "Supported") == "100rel, timer, replaces, norefersub"
    assert "PRACK" in (header(invite, "Allow") or "")


def test_info_goes_both_ways() -> None:
    script = Script()
    session, tag = up(script)
    script.endpoint.info(session, "application/dtmf-relay", b"Signal=5\r\n", now=0.0)
    info = first(script.collect(), "INFO")
    assert (header(info, "Content-Type"), info.body) == ("application/dtmf-relay", b"Signal=5\r\n")
    script.send(response(info, 415))
    data = request("INFO", branch="z9hG4bKi", cseq=2, to_tag=tag, headers=["Content-Type: application/dtmf"], body=b"7")
    script.send(data)
    (told,) = script.told(InfoReceived)
    assert (told.content_type, told.body) == ("application/dtmf", b"7")
    assert script.told(HungUp) == []


def test_what_would_break_its_line_is_refused_at_once_even_when_it_would_have_to_wait() -> None:
    script = Script()
    session, _ = up(script)
    with pytest.raises(UnsafeText):
        script.endpoint.info(session, "a/b\r\nX: y", b"", now=0.0)
    script.endpoint.info(session, "a/b", b"first", now=0.0)
    with pytest.raises(UnsafeText):
        script.endpoint.refer(session, "sip:x@y\n", now=0.0)
    (sent,) = script.collect()
    assert (sent.body, script.send(response(first([sent], "INFO"), 200))) == (b"first", [])


def test_verbs_of_a_call_that_is_over_do_nothing() -> None:
    script = Script()
    session, _ = up(script)
    script.endpoint.finish(session, now=0.0)
    script.collect()
    script.endpoint.update(session, b"x", now=0.0)
    script.endpoint.answer_offer(session, b"x", now=0.0)
    script.endpoint.info(session, "a/b", b"x", now=0.0)
    assert script.collect() == []


def test_an_offer_that_waits_for_its_turn_dies_with_the_call() -> None:
    script = Script()
    session, _ = up(script)
    script.endpoint.info(session, "a/b", b"first", now=0.0)
    script.endpoint.reinvite(session, b"hold", now=0.0)
    script.collect()
    script.endpoint.finish(session, now=0.0)
    assert set(methods(script.collect() + script.wait(40.0))) == {"INFO", "BYE"}
    assert script.endpoint.entries() == 0


def test_an_update_that_is_no_method_there_becomes_a_reinvite_with_its_offer() -> None:
    script = Script()
    script.send(request("INVITE", headers=["Allow: UPDATE"], body=SDP))
    session = script.told(Invited)[0].session
    script.endpoint.answer(session, SDP, now=0.0)
    script.collect()
    script.send(request("ACK", branch="z9hG4bKack", to_tag=tag_given(script)))
    script.endpoint.update(session, b"moved", now=0.0)
    assert first(script.send(response(first(script.collect(), "UPDATE"), 501)), "INVITE").body == b"moved"


def test_a_reinvite_that_is_only_ever_tried_is_given_up_and_the_next_goes() -> None:
    script = Script()
    session, _ = up(script)
    script.endpoint.reinvite(session, b"hold", now=0.0)
    script.endpoint.reinvite(session, b"resume", now=0.0)
    script.send(response(first(script.collect(), "INVITE"), 100))
    assert script.wait(59.9) == []
    assert first(script.wait(0.2), "INVITE").body == b"resume"
    assert script.told(Reanswered) == [Reanswered(session, 408, b"")]


def test_a_description_nobody_can_answer_early_is_not_sent() -> None:
    script = Script()
    script.send(request("INVITE"))
    session = script.told(Invited)[0].session
    script.endpoint.ring(session, 183, b"our offer", now=0.0)
    (ring,) = script.collect()
    assert (header(ring, "RSeq"), ring.body) == (None, b"")


def test_a_delayed_offer_in_a_reinvite_is_ours_and_its_answer_comes_in_the_ack() -> None:
    script = Script()
    session, tag = up(script)
    script.send(request("INVITE", branch="z9hG4bKre", cseq=2, to_tag=tag))
    (asked,) = script.told(Reoffered)
    assert asked.body == b""
    script.endpoint.respond(session, asked.request_id, 200, b"our offer", now=0.0)
    script.collect()
    glare = request("UPDATE", branch="z9hG4bKup", cseq=3, to_tag=tag, body=b"offer")
    assert statuses(script.send(glare)) == [491]
    script.send(request("ACK", branch="z9hG4bKack2", cseq=2, to_tag=tag, body=b"their answer"))
    assert script.told(Acked)[-1] == Acked(session, b"their answer")


def test_a_reinvite_that_asks_for_an_offer_is_answered_in_the_ack() -> None:
    script = Script()
    session, tag = up(script)
    script.endpoint.reinvite(session, b"", now=0.0)
    invite = first(script.collect(), "INVITE")
    assert script.send(response(invite, 200, body=b"their offer")) == []
    assert script.told(Reanswered) == [Reanswered(session, 200, b"their offer", offers=True)]
    crossing = request("INVITE", branch="z9hG4bKre", cseq=2, to_tag=tag, body=b"offer")
    assert statuses(script.send(crossing)) == [491]
    script.endpoint.answer_offer(session, b"our answer", now=0.0)
    assert first(script.collect(), "ACK").body == b"our answer"


def test_an_update_of_ours_meets_glare_and_is_tried_again() -> None:
    script = Script()
    script.send(request("INVITE", headers=["Allow: UPDATE"], body=SDP))
    session = script.told(Invited)[0].session
    script.endpoint.answer(session, SDP, now=0.0)
    script.collect()
    script.send(request("ACK", branch="z9hG4bKack", to_tag=tag_given(script)))
    script.endpoint.update(session, b"moved", now=0.0)
    script.send(response(first(script.collect(), "UPDATE"), 491))
    again = first(script.wait(2.1), "UPDATE")
    script.send(response(again, 200, body=b"fine"))
    assert script.told(Reanswered) == [Reanswered(session, 200, b"fine")]


def test_an_update_to_a_peer_without_it_is_a_reinvite() -> None:
    script = Script()
    session, _ = up(script)
    script.endpoint.update(session, b"moved", now=0.0)
    assert methods(script.collect()) == ["INVITE"]


def test_a_description_refused_with_488_leaves_the_old_one_to_refresh_with() -> None:
    script = Script(policy_of=lambda trunk: Policy(session_expires=200))
    session, invite = dial(script)
    script.send(response(invite, 200, headers=["Session-Expires: 200;refresher=uac"], body=b"answer"))
    script.endpoint.reinvite(session, b"other codec", now=0.0)
    script.send(response(first(script.collect(), "INVITE"), 488))
    assert first(script.wait(101.0), "INVITE").body == SDP


def test_the_fork_that_answers_is_the_call_and_its_own_numbers_count() -> None:
    script = Script()
    session, invite = dial(script)
    ours = name_addr(invite.headers.get("From") or "").tag or ""
    call_id = invite.headers.get("Call-ID") or ""
    for tag in ("one", "two"):
        script.send(response(invite, 180, to_tag=tag))
    script.send(response(invite, 200, to_tag="two", body=b"answer"))
    bye = request("BYE", branch="z9hG4bKb", cseq=1, call_id=call_id, from_tag="two", to_tag=ours)
    assert statuses(script.send(bye)) == [200]
    assert script.told(Answered) == [Answered(session, b"answer")]
    assert script.told(HungUp) == [HungUp(session, None, None)]


@pytest.mark.parametrize(
    ("uri", "hop"),
    [
        ("sip:x@127.0.0.10", Hop("127.0.0.10", 5060, "tcp", 7)),
        ("sip:x@127.0.0.10:6000;transport=tcp", Hop("127.0.0.10", 6000, "tcp", 7)),
        ("sip:x@127.0.0.10;transport=udp", Hop("127.0.0.10", 5060, "udp")),
        ("sip:x@127.0.0.11", Hop("127.0.0.11", 5060, "tcp")),
        ("sips:x@127.0.0.10", Hop("127.0.0.10", 5061, "tls")),
        ("sip:x@127.0.0.10;transport=tls", Hop("127.0.0.10", 5061, "tls")),
    ],
)
def test_a_contact_is_reached_by_its_transport_or_the_connection_it_came_by(uri: str, hop: Hop) -> None:
    found = parse_uri(uri)
    assert isinstance(found, SipUri)
    assert hop_of(found, Hop("127.0.0.10", 40_000, "tcp", 7)) == hop


def test_a_dialog_over_a_pool_is_reached_where_the_contact_says() -> None:
    script = Script()
    script.send(request("INVITE", body=SDP, headers=["Contact: <sip:x@127.0.0.11:5070>"], without=["Contact"]), POOL)
    session = script.told(Invited)[0].session
    script.endpoint.reject(session, 486, now=0.0)
    script.collect()
    script.send(request("ACK", to_tag=tag_given(script)), POOL)
    script.wait(40.0)
    assert script.events[-1] == Gone(session)
