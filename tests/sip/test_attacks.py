"""Attacks on one endpoint with its gate: memory bounded, one call per call, nothing given away."""

from __future__ import annotations

from random import Random

import pytest

from callactors.sip.auth import Challenge, answer, challenges
from callactors.sip.events import Failed, Invited
from callactors.sip.gate import Door, Gate, Limits
from callactors.sip.headers import NameAddr
from callactors.sip.message import Request, Response
from callactors.sip.rate import Rate
from callactors.sip.uri import SipUri, parse_uri
from callactors.testing.sip_script import (
    OTHER_TRUNK,
    PEER,
    POOL,
    SDP,
    STRANGER,
    TRUNKS,
    US,
    Script,
    methods,
    request,
    response,
    statuses,
    tag_given,
)

PHONE = Door(user="100", password="hush", roaming=True)


def script(limits: Limits | None = None, **doors: Door) -> Script:
    return Script(gate=Gate(doors, key=b"k" * 32, random=Random(1), limits=limits))


def invite(n: int, **more: object) -> bytes:
    """The INVITE of one caller of many."""
    return request("INVITE", branch=f"z9hG4bK{n}", call_id=f"{n}@x", from_tag=f"t{n}", body=SDP, **more)  # type: ignore[arg-type]  # keywords of request


def test_five_hundred_invites_a_second_of_a_stranger_for_five_seconds_leave_nothing() -> None:
    house = script()
    for n in range(2500):
        house.now = n / 500
        assert house.send(invite(n), STRANGER) == []
    assert house.endpoint.entries() == 0
    assert house.endpoint.counters()["strangers"] == 2500


def test_where_strangers_are_heard_a_flood_gets_a_few_401_and_then_silence() -> None:
    house = script(phone=PHONE)
    answers = 0
    for n in range(2500):
        house.now = n / 500
        answers += len(house.send(invite(n), STRANGER))
    assert answers <= 20 + 5 * 5 + 1
    assert (house.endpoint.entries(), house.told(Invited)) == (0, [])


def test_a_flood_from_a_trunks_own_address_is_bounded_and_its_neighbour_still_calls() -> None:
    house = script()
    for n in range(2500):
        house.now = n / 500
        house.send(invite(n))
        for call in house.told(Invited):
            house.endpoint.reject(call.session, 404, now=house.now)
        house.events.clear()
    assert house.endpoint.entries() <= 2 * 701
    house.send(invite(9999), POOL)
    assert len(house.told(Invited)) == 1
    house.wait(64.0)
    assert house.endpoint.entries() == 2  # the session and the transaction of the one that rings


def test_calls_that_are_never_acknowledged_are_capped_with_503_and_reaped() -> None:
    house, refused = script(Limits(half_open=100, trunk=Rate(1e6, 1e6))), 0
    for n in range(10_000):
        house.now = n / 1000
        sent = house.send(invite(n))
        for call in house.told(Invited):
            house.endpoint.answer(call.session, SDP, now=house.now)
        refused += 503 in statuses(sent)
        assert all(m.headers.get("Retry-After") for m in sent if isinstance(m, Response) and m.status == 503)
        house.collect()
        house.outbox.clear()
        house.events.clear()
        if n % 500 == 0:
            house.endpoint.expire(house.now)
    assert refused == 9900
    assert house.endpoint.entries() == 2 * 100
    house.wait(100.0)
    assert house.endpoint.entries() == 0


def test_one_invite_sent_fifty_times_is_one_call() -> None:
    house = script()
    for _ in range(50):
        house.send(invite(1))
    assert len(house.told(Invited)) == 1


def test_every_extension_gets_the_same_401_and_no_call_begins() -> None:
    house = script(phone=PHONE)
    answers = set()
    for n in range(100, 121):
        house.now += 1.0
        [refusal] = house.send(invite(n, uri=f"sip:{n}@127.0.0.1"), STRANGER)
        assert isinstance(refusal, Response)
        [first, second] = challenges(refusal.headers, "WWW-Authenticate")
        answers.add((refusal.status, first.algorithm, second.algorithm, first.realm, first.stale))
    assert answers == {(401, "SHA-256", "MD5", "callactors", False)}
    assert (house.endpoint.entries(), house.told(Invited)) == (0, [])


def test_a_cracker_is_met_with_silence_after_five_guesses_and_gets_in_with_none_of_them() -> None:
    house, heard = script(phone=PHONE), 0
    uri = parse_uri("sip:desk@127.0.0.1")
    challenge: Challenge | None = None
    for n in range(500):
        house.now += 0.25
        value = answer(challenge, "INVITE", uri, "100", str(n), cnonce="c", nc=1) if challenge else "Basic eDp5"
        sent = house.send(invite(n, headers=[f"Authorization: {value}"]), STRANGER)
        heard += bool(sent)
        if sent and isinstance(sent[0], Response):
            challenge = challenges(sent[0].headers, "WWW-Authenticate")[0]
    assert heard == 6
    assert house.told(Invited) == []


def test_register_to_us_is_405() -> None:
    assert statuses(script().send(request("REGISTER"))) == [405]


@pytest.mark.parametrize("status", [300, 301, 302, 305, 380])
def test_a_redirect_sends_nothing_to_anybody_else(status: int) -> None:
    house = script()
    target = parse_uri("sip:+13125550100@127.0.0.10")
    assert isinstance(target, SipUri)
    house.endpoint.invite(target, to=PEER, trunk="carrier", caller=NameAddr("", target), body=SDP, now=0.0)
    [placed] = house.collect()
    assert isinstance(placed, Request)
    house.send(response(placed, status, headers=["Contact: <sip:evil@203.0.113.66>"]))
    house.wait(40.0)
    assert {destination for _, destination in house.outbox} == {PEER}
    assert [event.status for event in house.told(Failed)] == [status]


def test_our_bye_hands_no_digest_to_a_callee_who_asks_for_one() -> None:
    house = script()
    house.send(invite(1))
    session = house.told(Invited)[0].session
    house.endpoint.answer(session, SDP, now=0.0)
    house.collect()
    house.send(request("ACK", branch="z9hG4bKack", call_id="1@x", from_tag="t1", to_tag=tag_given(house)))
    house.endpoint.finish(session, now=1.0)
    [bye] = house.collect()
    assert isinstance(bye, Request)
    challenge = 'Proxy-Authenticate: Digest realm="carrier", nonce="n", qop="auth", algorithm=MD5'
    assert methods(house.send(response(bye, 407, headers=[challenge]))) == []


def test_a_stranger_who_names_a_trunk_in_every_header_is_still_a_stranger() -> None:
    house = script()
    trusted = next(iter(TRUNKS))
    claims = [f"P-Asserted-Identity: <sip:boss@{trusted}>", f"Record-Route: <sip:{trusted};lr>"]
    assert house.send(invite(1, via=f"{trusted}:5060;received={trusted}", headers=claims), STRANGER) == []


@pytest.mark.parametrize("method", ["BYE", "INVITE", "UPDATE", "REFER", "INFO"])
def test_nothing_counts_inside_a_call_with_other_tags_or_from_elsewhere(method: str) -> None:
    house, tag = talking()
    extra = {"body": SDP} if method in ("INVITE", "UPDATE") else {"headers": ["Refer-To: <sip:1@127.0.0.10>"]}
    forged = [(tag + "x", "t1", PEER, [481]), (tag, "other", PEER, [481])]
    elsewhere = [(tag, "t1", OTHER_TRUNK, [481]), (tag, "t1", STRANGER, [])]
    before = len(house.events)
    for n, (to_tag, from_tag, source, expected) in enumerate(forged + elsewhere):
        said = request(method, branch=f"z9hG4bKf{n}", cseq=2, call_id="1@x", from_tag=from_tag, to_tag=to_tag, **extra)
        assert statuses(house.send(said, source)) == expected
    assert len(house.events) == before
    bye = request("BYE", branch="z9hG4bKlast", cseq=3, call_id="1@x", from_tag="t1", to_tag=tag)
    assert statuses(house.send(bye)) == [200]


def test_a_call_of_ours_that_comes_back_to_us_is_482() -> None:
    house = script()
    target = parse_uri("sip:+13125550100@127.0.0.10")
    assert isinstance(target, SipUri)
    house.endpoint.invite(target, to=PEER, trunk="carrier", caller=NameAddr("", target), body=SDP, now=0.0)
    [placed] = house.collect()
    back = placed.headers.get("Via") or ""
    assert statuses(house.send(invite(1, headers=[f"Via: {back}"]))) == [482]
    assert house.told(Invited) == []


@pytest.mark.parametrize(
    "route", ["<sip:10.0.0.1;lr>", "<sip:127.0.0.66;lr>", f"<sip:{US};lr>", "<sip:evil.example;lr>"]
)
def test_a_route_to_where_no_carrier_is_leads_nowhere_but_to_the_carrier(route: str) -> None:
    house, _ = talking(headers=[f"Record-Route: {route}"])
    house.endpoint.finish(house.told(Invited)[0].session, now=1.0)
    house.wait(40.0)
    assert {destination.host for _, destination in house.outbox} == {PEER.host}


def talking(**more: object) -> tuple[Script, str]:
    """A call that is up, and our tag in it."""
    house = script()
    house.send(invite(1, **more))
    house.endpoint.answer(house.told(Invited)[0].session, SDP, now=0.0)
    house.collect()
    tag = tag_given(house)
    house.send(request("ACK", branch="z9hG4bKack", call_id="1@x", from_tag="t1", to_tag=tag))
    return house, tag
