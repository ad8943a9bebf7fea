"""What the endpoint refuses, and whom it never answers (RFC 3261 section 8.2); no bytes make it raise."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callactors.sip.address import Hop
from callactors.sip.core import ALLOW, Core
from callactors.sip.events import Invited
from callactors.sip.headers import Headers, vias
from callactors.sip.message import Response, to_bytes
from callactors.sip.policy import Policy
from callactors.testing.sip_script import (
    PEER,
    POOL,
    SDP,
    STRANGER,
    Script,
    header,
    invited,
    request,
    statuses,
    tag_of,
    up,
)

REFUSALS = {
    "register": (request("REGISTER"), 405, "Allow", ALLOW),
    "message": (request("MESSAGE"), 405, "Allow", None),
    "an unknown method": (request("NEWMETHOD"), 405, "Allow", None),
    "a scheme": (request("OPTIONS", uri="soap.beep://192.0.2.103:3002"), 416, None, None),
    "a required extension": (
        request("INVITE", headers=["Require: precondition, 100rel, x"], body=SDP),
        420,
        "Unsupported",
        "precondition, x",
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
        ("127.0.0.10:5080", "", "rfc3581", Hop(POOL.host, 5080)),
        ("nowhere.example", "", "rfc3581", Hop(POOL.host, 5060)),
        ("127.0.0.10:5080", ";maddr=127.0.0.66", "rfc3581", Hop(POOL.host, 5080)),
        ("127.0.0.10:5080", "", "source", POOL),
    ],
)
def test_responses_never_leave_the_packets_source(
    via: str, rport: str, policy: Literal["rfc3581", "source"], expected: Hop
) -> None:
    script = Script(policy_of=lambda trunk: Policy(responses=policy))
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
    core = Core(local=PEER.address, node="n:1", random=Random(1), user_agent="x")
    core.put_safely(Response(200, "a\r\nb", Headers()), PEER)
    assert (core.outbox, core.counters["unsafe"], core.node) == ([], 1, "n-1")
