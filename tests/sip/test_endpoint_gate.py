"""The gate before new requests: asked before anything is remembered, for strangers too where it hears them."""

from __future__ import annotations

from random import Random

from callactors.sip.auth import answer, challenges
from callactors.sip.events import HungUp, Invited
from callactors.sip.gate import Door, Gate, Limits
from callactors.sip.message import Message, Response
from callactors.sip.rate import Rate
from callactors.sip.uri import parse_uri
from callactors.testing.sip_script import PEER, SDP, STRANGER, Script, header, request, statuses, tag_given, trunk_of

KEY = b"k" * 32


def script_with(*, roaming: bool, limits: Limits | None = None) -> Script:
    name = "roaming" if roaming else "carrier"
    gate = Gate({name: Door(user="user", password="secret", roaming=roaming)}, key=KEY, random=Random(1), limits=limits)
    return Script(gate=gate, trunk_of=trunk_of)


def digest(challenged: Message, password: str = "secret") -> str:
    assert isinstance(challenged, Response)
    challenge = challenges(challenged.headers, "WWW-Authenticate")[0]
    uri = str(parse_uri("sip:desk@127.0.0.1"))
    return "Authorization: " + answer(challenge, "INVITE", uri, "user", password, cnonce="c", nc=1)


def test_a_trunk_with_a_digest_is_challenged_and_nothing_of_it_is_remembered() -> None:
    script = script_with(roaming=False)
    (challenged,) = script.send(request("INVITE", body=SDP))
    assert (statuses([challenged]), script.endpoint.entries()) == ([401], 0)
    script.send(request("ACK", to_tag=tag_given(script)))
    script.send(request("INVITE", branch="z9hG4bKtwo", cseq=2, headers=[digest(challenged)], body=SDP))
    assert [event.trunk for event in script.told(Invited)] == ["carrier"]


def test_a_roaming_phone_is_a_stranger_until_its_digest_and_of_its_trunk_while_its_call_lasts() -> None:
    script = script_with(roaming=True)
    assert script.send(request("OPTIONS"), STRANGER) == []
    (challenged,) = script.send(request("INVITE", body=SDP), STRANGER)
    good = request("INVITE", branch="z9hG4bKtwo", cseq=2, headers=[digest(challenged)], body=SDP)
    assert statuses(script.send(good, STRANGER)) == [100]
    assert statuses(script.send(good, STRANGER)) == [100]
    (call,) = script.told(Invited)
    assert call.trunk == "roaming"
    script.endpoint.answer(call.session, SDP, now=0.0)
    script.collect()
    script.send(request("ACK", branch="z9hG4bKa", cseq=2, to_tag=tag_given(script)), STRANGER)
    assert statuses(script.send(request("BYE", branch="z9hG4bKb", cseq=3, to_tag=tag_given(script)), STRANGER)) == [200]
    assert script.told(HungUp) == [HungUp(call.session, None, None)]
    script.wait(40.0)
    assert script.send(request("BYE", branch="z9hG4bKc", cseq=4, to_tag="x"), STRANGER) == []


def test_a_stranger_with_a_wrong_digest_or_an_incomplete_request_is_nobody() -> None:
    script = script_with(roaming=True)
    (challenged,) = script.send(request("INVITE", body=SDP), STRANGER)
    bad = request("INVITE", branch="z9hG4bKtwo", cseq=2, headers=[digest(challenged, "guess")], body=SDP)
    assert statuses(script.send(bad, STRANGER)) == [401]
    assert script.send(request("INVITE", without=["Call-ID"], body=SDP), STRANGER) == []
    assert script.send(b"SIP/2.0 200 OK\r\n\r\n", STRANGER) == []
    assert script.send(b"INVITE x SIP/2.0\r\n\r\n", STRANGER) == []
    assert (script.told(Invited), script.endpoint.entries()) == ([], 0)


def test_without_a_roaming_trunk_strangers_get_silence() -> None:
    script = script_with(roaming=False)
    assert script.send(request("INVITE", body=SDP), STRANGER) == []
    assert script.endpoint.counters()["strangers"] == 1


def test_calls_that_wait_for_an_answer_or_an_ack_are_counted_against_the_cap() -> None:
    gate = Gate({}, key=KEY, random=Random(1), limits=Limits(half_open=2, trunk=Rate(100.0, 100.0)))
    script = Script(gate=gate)
    found = [script.send(request("INVITE", branch=f"z9hG4bK{n}", call_id=f"c{n}", body=SDP), PEER) for n in range(3)]
    assert [statuses(sent) for sent in found] == [[100], [100], [503]]
    assert header(found[2][0], "Retry-After") == "5"
    one = script.told(Invited)[0].session
    script.endpoint.answer(one, SDP, now=0.0)
    script.collect()
    again = request("INVITE", branch="z9hG4bKx", call_id="cx", body=SDP)
    assert statuses(script.send(again)) == [503]
    script.now = 0.1
    script.send(request("ACK", branch="z9hG4bKa", call_id="c0", to_tag=tag_given_to(script, "c0")))
    assert statuses(script.send(again)) == [100]


def tag_given_to(script: Script, call_id: str) -> str:
    tags = [m.headers.get("To") or "" for m, _ in script.outbox if m.headers.get("Call-ID") == call_id]
    return tags[-1].partition(";tag=")[2]
