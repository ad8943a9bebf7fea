"""What the endpoint answers: INVITE, CANCEL, ACK, BYE, and what is refused (RFC 3261 sections 8.2, 9.2, 13.3)."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callactors.sip.address import Address
from callactors.sip.core import Core
from callactors.sip.events import Acked, Cancelled, Gone, HungUp, InfoReceived, Invited, NoAck, Reoffered
from callactors.sip.headers import Headers, vias
from callactors.sip.message import Message, Request, Response, to_bytes
from callactors.testing.sip_script import (
    OTHER_TRUNK,
    PEER,
    POOL,
    SDP,
    STRANGER,
    Script,
    methods,
    request,
    statuses,
    tag_of,
)

BOUND = 64 * 0.5 + 5


def invited(script: Script, **settings: object) -> int:
    script.send(request("INVITE", body=SDP, **settings))  # type: ignore[arg-type]  # keywords of request, by name
    return script.told(Invited)[-1].session


def tag_given(script: Script) -> str:
    """The To tag the endpoint has put on its last response."""
    return next(tag_of(m.headers, "To") for m, _ in reversed(script.outbox) if isinstance(m, Response))


def up(script: Script) -> tuple[int, str]:
    """A call answered and acknowledged: the session and our tag."""
    session = invited(script)
    script.endpoint.answer(session, SDP, now=script.now)
    script.collect()
    tag = tag_given(script)
    script.send(request("ACK", branch="z9hG4bKack", to_tag=tag))
    return session, tag


def header(message: Message, name: str) -> str | None:
    return message.headers.get(name)


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
def test_only_the_trunk_that_sent_an_invite_can_cancel_it(source: Address, expected: list[int]) -> None:
    script = Script()
    invited(script)
    assert statuses(script.send(request("CANCEL"), source)) == expected


@pytest.mark.parametrize(("source", "expected"), [(POOL, [200]), (OTHER_TRUNK, [481]), (STRANGER, [])])
def test_a_bye_counts_from_any_address_of_the_trunk_and_no_other(source: Address, expected: list[int]) -> None:
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
    assert destination == ("127.0.0.11", 7000)


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
        assert (str(bye.uri), bye.headers.all("Route"), destination) == (uri, routes, ("127.0.0.11", 5062))


REFUSALS = {
    "register": (request("REGISTER"), 405, "Allow", "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, REFER, NOTIFY"),
    "message": (request("MESSAGE"), 405, "Allow", None),
    "an unknown method": (request("NEWMETHOD"), 405, "Allow", None),
    "a scheme": (request("OPTIONS", uri="soap.beep://192.0.2.103:3002"), 416, None, None),
    "a required extension": (
        request("INVITE", headers=["Require: 100rel, x"], body=SDP),
        420,
        "Unsupported",
        "100rel, x",
    ),
    "a content type": (
        request("INVITE", headers=["Content-Type: text/plain"], body=SDP),
        415,
        "Accept",
        "application/sdp",
    ),
    "an encoding": (
        request("INVITE", headers=["Content-Encoding: gzip"], body=SDP),
        415,
        "Accept-Encoding",
        "identity",
    ),
    "what is accepted": (request("INVITE", headers=["Accept: text/x"], body=SDP), 406, None, None),
    "no contact": (request("INVITE", body=SDP, without=["Contact"]), 400, None, None),
    "no call-id": (request("INVITE", body=SDP, without=["Call-ID"]), 400, None, None),
    "no from": (request("OPTIONS", without=["From"]), 400, None, None),
    "a version": (request("OPTIONS").replace(b"SIP/2.0\r\n", b"SIP/7.0\r\n", 1), 505, None, None),
    "a bye to nobody": (request("BYE", to_tag="nobody"), 481, None, None),
    "a refer to nobody": (request("REFER"), 481, None, None),
    "a cancel of nothing": (request("CANCEL"), 481, None, None),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_what_cannot_be_served_is_refused_without_memory(case: str) -> None:
    data, status, name, value = REFUSALS[case]
    script = Script()
    (refused,) = script.send(data)
    assert statuses([refused]) == [status]
    assert tag_of(refused.headers, "To") != "" or case == "no to"
    assert name is None or header(refused, name) == (value or header(refused, name) or "missing")
    assert (script.endpoint.entries(), script.events) == (0, [])


def test_a_refusal_sent_twice_has_the_same_tag() -> None:
    script = Script()
    one, two = script.send(request("MESSAGE")) + script.send(request("MESSAGE"))
    assert one == two


def test_an_ack_to_nobody_gets_silence() -> None:
    assert Script().send(request("ACK", to_tag="nobody")) == []


def test_options_tell_whether_calls_are_taken() -> None:
    open_for_calls = [True]
    script = Script(accepting=lambda: open_for_calls[0])
    assert statuses(script.send(request("OPTIONS"))) == [200]
    open_for_calls[0] = False
    assert statuses(script.send(request("OPTIONS", branch="z9hG4bKtwo"))) == [503]
    _, tag = up(script)
    assert statuses(script.send(request("OPTIONS", branch="z9hG4bKo", cseq=2, to_tag=tag))) == [200]


def test_the_same_invite_by_two_ways_is_merged() -> None:
    script = Script()
    invited(script)
    assert statuses(script.send(request("INVITE", branch="z9hG4bKtwo", body=SDP))) == [482]
    assert len(script.told(Invited)) == 1


def test_a_branch_that_is_only_the_cookie_is_matched_the_old_way() -> None:
    script = Script()
    one = request("INVITE", branch="z9hG4bK", body=SDP)
    assert statuses(script.send(one) + script.send(one)) == [100, 100]
    assert statuses(script.send(request("INVITE", branch="z9hG4bK", call_id="two", body=SDP))) == [100]
    assert len(script.told(Invited)) == 2


def test_an_emergency_urn_is_a_call_like_any_other() -> None:
    assert statuses(Script().send(request("INVITE", uri="urn:service:sos.fire", body=SDP))) == [100]


@pytest.mark.parametrize(
    ("via", "rport", "policy", "expected"),
    [
        ("127.0.0.10:5080", ";rport", "rfc3581", POOL),
        ("127.0.0.10:5080", "", "rfc3581", Address(POOL.host, 5080)),
        ("nowhere.example", "", "rfc3581", Address(POOL.host, 5060)),
        ("127.0.0.10:5080", ";maddr=127.0.0.66", "rfc3581", Address(POOL.host, 5080)),
        ("127.0.0.10:5080", "", "source", POOL),
    ],
)
def test_responses_never_leave_the_packets_source(via: str, rport: str, policy: str, expected: Address) -> None:
    script = Script(responses_of=lambda trunk: policy)
    script.send(request("INVITE", via=via, branch="z9hG4bKone" + rport, body=SDP), POOL)
    trying, destination = script.outbox[0]
    assert destination == expected
    top = vias(trying.headers)[0]
    assert top.received == POOL.host
    assert top.rport == (POOL.port if "rport" in rport else None)


def test_a_full_table_refuses_exactly_and_forgets() -> None:
    script = Script(max_entries=4)
    for number in range(2):
        script.send(request("INVITE", branch=f"z9hG4bK{number}x", call_id=f"c{number}", body=SDP))
    (refused,) = script.send(request("INVITE", branch="z9hG4bKlast", call_id="last", body=SDP))
    assert statuses([refused]) == [503]
    assert header(refused, "Retry-After") == "5"
    assert script.endpoint.entries() == 4


def test_strangers_get_silence_and_one_count_each() -> None:
    script = Script()
    for data in (request("OPTIONS"), request("INVITE", headers=["P-Asserted-Identity: <sip:x@127.0.0.10>"]), b"junk"):
        assert script.send(data, STRANGER) == []
    assert script.endpoint.counters() == {"strangers": 3}
    assert script.endpoint.entries() == 0


@pytest.mark.parametrize(
    "data", [b"", b"\0", b"abc", b"\r\n\r\n", b"\0\1\0\0!\x12\xa4B" + bytes(12), b"\x80" * 172, b"A" * 65_507]
)
def test_what_is_not_sip_gets_silence(data: bytes) -> None:
    script = Script()
    assert script.send(data) == []
    assert script.events == []


def test_header_text_that_may_not_be_repeated_is_never_sent_back() -> None:
    script = Script()
    sent = script.send(request("INVITE", from_tag='x";evil=\0"', body=SDP))
    assert all(b"\0" not in to_bytes(message) for message in sent)


VALID = [
    request("INVITE", body=SDP, headers=["Record-Route: <sip:127.0.0.10;lr>", "Reason: Q.850;cause=16"]),
    request("CANCEL"), request("ACK", to_tag="n"), request("BYE", to_tag="n"),
    request("REFER", headers=["Refer-To: <sip:x@y?Replaces=a%3Bto-tag%3Db>"]),
    request("NOTIFY", headers=["Event: refer;id=1", "Subscription-State: terminated"], body=b"SIP/2.0 200 OK"),
    b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bKx\r\nCSeq: 1 INVITE\r\nTo: <sip:a@b>;tag=1\r\n\r\n",
]  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(
    data=st.sampled_from(VALID),
    cuts=st.lists(st.tuples(st.integers(0, 600), st.integers(0, 12), st.binary(max_size=6)), max_size=6),
)
def test_no_exception_escapes_whatever_the_bytes(data: bytes, cuts: list[tuple[int, int, bytes]]) -> None:
    script = Script()
    session, tag = up(script)
    for at, length, insert in cuts:
        data = data[:at] + insert + data[at + length :]
    script.endpoint.receive(data.replace(b";tag=n", b";tag=" + tag.encode()), PEER, script.now)
    script.endpoint.finish(session, now=script.now)
    script.endpoint.expire(100.0)


TORTURE = sorted(Path(__file__).parents[2].glob("tests/captures/*.sip"))


@pytest.mark.parametrize("path", TORTURE, ids=lambda path: path.stem)
def test_no_captured_message_raises_and_rejected_ones_start_no_call(path: Path) -> None:
    script = Script()
    script.endpoint.receive(path.read_bytes(), PEER, 0.0)
    assert len(script.endpoint.datagrams()) <= 1
    assert not (path.stem.startswith("reject") and script.endpoint.events())


def test_headers_of_a_refusal_by_the_user_are_sent() -> None:
    script = Script()
    session = invited(script)
    script.endpoint.reject(session, 503, "Full", (("Retry-After", "3"),), now=0.0)
    (refused,) = script.collect()
    assert isinstance(refused, Response)
    assert (refused.status, refused.reason, header(refused, "Retry-After")) == (503, "Full", "3")
    assert isinstance(refused.headers, Headers)


def test_a_request_without_via_gets_silence() -> None:
    script = Script()
    assert script.send(request("OPTIONS", without=["Via"])) == []
    assert script.endpoint.counters() == {"malformed": 1}


def test_what_may_not_be_written_is_counted_and_not_sent() -> None:
    core = Core(local=PEER, node="n:1", random=Random(1), user_agent="x")
    core.put_safely(Response(200, "a\r\nb", Headers()), PEER)
    assert (core.outbox, core.counters["unsafe"], core.node) == ([], 1, "n-1")
