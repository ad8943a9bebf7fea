"""Where responses go (RFC 3261 section 18.2.2, RFC 3581), and what an unreachable neighbour does to requests."""

from __future__ import annotations

import pytest

from callactors.sip.address import Address, Hop, Transport
from callactors.sip.events import Failed, HungUp
from callactors.sip.headers import name_addr
from callactors.sip.message import Request, parse
from callactors.sip.responses import destination
from callactors.sip.uri import SipUri
from callactors.testing.sip_script import Script, request, response, statuses

UDP, TCP = Hop("127.0.0.10", 40_000), Hop("127.0.0.10", 40_000, "tcp", 7)
TLS = TCP._replace(transport="tls")
CARRIER = Hop("127.0.0.10", 5060)


@pytest.mark.parametrize(
    ("via", "source", "policy", "to"),
    [
        ("127.0.0.10:5070", UDP, "rfc3581", UDP._replace(port=5070)),
        ("127.0.0.10", UDP, "rfc3581", UDP._replace(port=5060)),
        ("127.0.0.10:5070;rport", UDP, "rfc3581", UDP),
        ("127.0.0.10:5070", UDP, "source", UDP),
        ("192.0.2.1:5070", UDP, "rfc3581", UDP._replace(port=5070)),
        ("127.0.0.10:5070;rport", TCP, "rfc3581", TCP._replace(port=5070)),  # its flow, then a new connection there
        ("192.0.2.1", TCP, "source", TCP._replace(port=5060)),
        ("192.0.2.1", TLS, "rfc3581", TLS._replace(port=5061)),
    ],
)
def test_a_response_goes_to_the_source_by_the_way_it_came(via: str, source: Hop, policy: str, to: Hop) -> None:
    got = parse(request("OPTIONS", via=via))
    assert isinstance(got, Request)
    assert destination(got, source, policy) == to


def placed(script: Script, to: Hop = CARRIER) -> Request:
    """An INVITE of ours on its way there."""
    me, desk = name_addr("<sip:alice@127.0.0.1>"), SipUri("sip", "desk", None, to.host, to.port)
    script.endpoint.invite(desk, to=to, trunk="carrier", caller=me, body=b"v=0\r\n", now=script.now)
    (invite,) = script.collect()
    assert isinstance(invite, Request)
    return invite


def unreachable(script: Script, hop: Hop, *, broken: bool = False) -> list[Failed]:
    script.endpoint.unreachable(hop, script.now, broken=broken)
    script.collect()
    return script.told(Failed)


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
def test_an_invite_nobody_can_get_fails_at_once(transport: Transport) -> None:
    script, to = Script(), CARRIER._replace(transport=transport)
    placed(script, to)
    (failed,) = unreachable(script, to._replace(flow=3))
    assert (failed.status, failed.unreachable) == (503, True)


@pytest.mark.parametrize("other", [CARRIER._replace(port=5061), CARRIER._replace(transport="tcp"), UDP])
def test_another_neighbours_trouble_is_not_ours(other: Hop) -> None:
    script = Script()
    placed(script)
    assert unreachable(script, other, broken=True) == []


def test_an_invite_that_rings_outlives_a_closed_connection_but_not_a_cut_one() -> None:
    script, to = Script(), CARRIER._replace(transport="tcp")
    script.send(response(placed(script, to), 180), to._replace(flow=3))
    assert unreachable(script, to) == []
    assert len(unreachable(script, to, broken=True)) == 1


def test_a_call_that_is_up_outlives_its_connection() -> None:
    script, to = Script(), CARRIER._replace(transport="tcp")
    script.send(response(placed(script, to), 200, body=b"v=0\r\n"), to._replace(flow=3))
    assert unreachable(script, to, broken=True) == []
    assert script.told(HungUp) == []


def test_via_and_contact_name_the_listener_of_the_neighbours_transport() -> None:
    ports: dict[Transport, int] = {"udp": 5060, "tcp": 5070, "tls": 5071}
    script = Script(local_of=lambda hop: Address("127.0.0.1", ports[hop.transport]))
    for transport, port in ports.items():
        invite = placed(script, CARRIER._replace(transport=transport))
        assert f"SIP/2.0/{transport.upper()} 127.0.0.1:{port};" in (invite.headers.get("Via") or "")
        parameter = "" if transport == "udp" else f";transport={transport}"
        assert invite.headers.get("Contact") == f"<sip:callactors@127.0.0.1:{port}{parameter}>"


def test_a_message_on_a_stream_without_content_length_is_refused() -> None:
    script = Script()
    bare = request("INVITE").replace(b"Content-Length: 0\r\n", b"")
    assert statuses(script.send(bare, TCP)) == [400]
    assert 100 in statuses(script.send(bare, CARRIER))
