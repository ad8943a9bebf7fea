"""RFC 4475 byte for byte: every message of the shared manifest is read or refused as its section says, and cheaply.

"either" rows are ours to decide, and decided here: spaces in the start line and doubled lengths are refused, a broken
Date is read over, white space inside angle brackets is trimmed, an unquoted comma in a display name is refused.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

import msgspec
import pytest

from callactors.errors import MalformedMessage
from callactors.sip.headers import Headers, name_addr, name_addrs, vias
from callactors.sip.message import Message, Request, parse, salvage, to_bytes
from callactors.sip.uri import OpaqueUri, SipUri

DATA = Path(__file__).parents[3] / "shared" / "conformance"


class Row(msgspec.Struct, frozen=True):
    """One message of the manifest."""

    name: str
    file: str
    bytes: int
    kind: str
    parse: str
    uas: str


ROWS = {row.name: row for row in msgspec.json.decode((DATA / "manifest.json").read_bytes(), type=list[Row])}
OURS = {
    "lwsruri": "reject",
    "lwsstart": "reject",
    "baddate": "accept",
    "badaspec": "accept",
    "baddn": "reject",
    "mcl01": "reject",
}


def torture(name: str) -> bytes:
    return (DATA / ROWS[name].file).read_bytes()


def request(name: str) -> Request:
    message = parse(torture(name))
    assert isinstance(message, Request)
    return message


def verdict(data: bytes) -> tuple[str, Message | MalformedMessage]:
    try:
        return "accept", parse(data)
    except MalformedMessage as problem:
        salvage(data)
        return "reject", problem


def test_every_row_that_is_open_is_decided() -> None:
    assert {name for name, row in ROWS.items() if row.parse == "either"} == set(OURS)


@pytest.mark.parametrize("name", list(ROWS))
def test_the_message_is_read_or_refused_as_the_manifest_says(name: str) -> None:
    row, data = ROWS[name], torture(name)
    assert len(data) == row.bytes
    found, _ = verdict(data)
    assert found == (row.parse if row.parse != "either" else OURS[name])


@pytest.mark.parametrize("name", list(ROWS))
def test_the_message_costs_less_than_ten_milliseconds(name: str) -> None:
    data, spent = torture(name), []
    for _ in range(3):
        begun = time.process_time()
        verdict(data)
        spent.append(time.process_time() - begun)
    assert min(spent) < 0.010


@pytest.mark.parametrize("name", list(ROWS))
def test_what_is_read_comes_back_from_its_own_bytes(name: str) -> None:
    _, message = verdict(torture(name))
    if not isinstance(message, MalformedMessage):
        assert parse(to_bytes(message)) == message
        assert all(parse(to_bytes(message)).headers.all(key) for key, _ in message.headers.items)


@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if row.kind == "request"])
def test_a_refused_request_gets_the_status_its_row_names_and_can_be_answered(name: str) -> None:
    data = torture(name)
    found, problem = verdict(data)
    if isinstance(problem, MalformedMessage):
        rescued = salvage(data)
        assert str(problem.status) in ROWS[name].uas
        assert rescued is not None
        assert to_bytes(rescued)
        assert rescued.headers.get("Call-ID")
    else:
        assert found == "accept"


def test_a_refused_response_is_not_answered() -> None:
    assert salvage(torture("scalarlg")) is None


def test_every_odd_character_is_kept_where_it_is_legal() -> None:
    odd = request("intmeth")
    caller = name_addr(odd.headers.get("From") or "")
    callee = name_addr(odd.headers.get("To") or "")
    assert odd.method == "!interesting-Method0123456789_*+`.%indeed'~"
    assert caller.tag == "_token~1'+`*%!-."
    assert caller.parameter("fromParam''~+*_!.-%") == "работающий"
    assert callee.display.startswith("BEL:\a NUL:")


def test_escapes_are_undone_once_and_change_neither_scheme_nor_host() -> None:
    uri = request("esc01").uri
    assert isinstance(uri, SipUri)
    assert (uri.scheme, uri.user_decoded, uri.host) == ("sip", "sips:user@example.com", "example.net")
    (contact,) = name_addrs(request("esc01").headers, "Contact")
    assert "%25%34%31" in str(contact)


def test_a_percent_sign_in_a_method_is_no_escape() -> None:
    assert request("esc02").method == "RE%47IST%45R"
    assert len(name_addrs(request("esc02").headers, "Contact")) == 2


def test_a_second_request_in_the_datagram_is_dropped() -> None:
    assert (request("dblreq").method, request("dblreq").body) == ("REGISTER", b"")


def test_a_semicolon_in_the_user_part_stays_there() -> None:
    assert request("semiuri").uri.user_decoded == "user;par=u@example.net"


def test_unknown_transports_are_hops_like_others() -> None:
    assert [hop.transport for hop in vias(request("transports").headers)] == ["UDP", "SCTP", "TLS", "UNKNOWN", "TCP"]


def test_a_header_parameter_is_not_a_uri_parameter_nor_the_other_way_round() -> None:
    (bare,) = name_addrs(request("cparam01").headers, "Contact")
    (bracketed,) = name_addrs(request("cparam02").headers, "Contact")
    assert (bare.parameter("unknownparam"), bare.uri.parameter("unknownparam")) == ("", None)
    assert (bracketed.parameter("unknownparam"), bracketed.uri.parameter("unknownparam")) == (None, "")


def test_unknown_schemes_stay_opaque() -> None:
    assert request("novelsc").uri == OpaqueUri("soap.beep", "//192.0.2.103:3002")
    assert name_addr(request("unksm2").headers.get("To") or "").uri == OpaqueUri("isbn", "2983792873")


def test_missing_mandatory_headers_are_absent_and_nothing_more() -> None:
    headers = request("insuf").headers
    assert [headers.get(name) for name in ("Call-ID", "From", "To", "Max-Forwards")] == [None] * 4


def test_a_branch_that_is_only_the_cookie_is_kept_for_the_endpoint_to_judge() -> None:
    (hop,) = vias(request("badbranch").headers)
    assert hop.branch == "z9hG4bK"


def test_headers_say_what_they_said_on_the_wire() -> None:
    assert isinstance(request("regaut01").headers, Headers)
    assert request("regaut01").headers.get("Authorization") == "NoOneKnowsThisScheme opaque-data=here"


def test_the_manifest_is_the_one_we_know() -> None:
    assert len(json.loads((DATA / "manifest.json").read_text())) == len(ROWS) == 32
