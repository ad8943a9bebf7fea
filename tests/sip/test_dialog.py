"""Dialogs: ids, order, routes, facts (RFC 3261 section 12)."""

from __future__ import annotations

from callactors.sip.dialog import Dialog, DialogFacts, DialogId
from callactors.sip.headers import Headers, name_addr
from callactors.sip.message import Request, parse
from callactors.sip.uri import parse_uri
from callactors.testing.sip_script import request


def dialog(*routes: str) -> Dialog:
    target = parse_uri("sip:phone@127.0.0.10:5060")
    return Dialog("id", "ours", "theirs", "sip:us@a", "sip:them@b", target, tuple(map(name_addr, routes)))


def invite(*headers: str) -> Request:
    message = parse(request("INVITE", cseq=7, headers=headers))
    assert isinstance(message, Request)
    return message


def test_the_invited_side_takes_the_dialog_from_the_request() -> None:
    ours = Dialog.of_invite(invite("Record-Route: <sip:p1;lr>, <sip:p2;lr>"), "ours")
    assert ours.id == DialogId("call@peer", "ours", "theirs")
    assert [str(route) for route in ours.route_set] == ["<sip:p1;lr>", "<sip:p2;lr>"]
    assert (ours.remote_uri, ours.local_uri) == ("sip:caller@127.0.0.10", "sip:desk@127.0.0.1")


def test_order_refuses_what_is_older_and_takes_what_is_not() -> None:
    ours = Dialog.of_invite(invite(), "ours")
    assert [ours.in_order(number) for number in (6, 7, 8, 7, 20)] == [False, True, True, False, True]


def test_each_request_takes_the_next_number_and_an_ack_the_one_it_is_given() -> None:
    ours = dialog()
    bye, ack, info = ours.request("BYE", "v"), ours.request("ACK", "v", number=1), ours.request("INFO", "v")
    assert [r.headers.get("CSeq") for r in (bye, ack, info)] == ["1 BYE", "1 ACK", "2 INFO"]


def test_a_loose_first_route_keeps_the_target_as_request_uri() -> None:
    ours = dialog("<sip:p1;lr>", "<sip:p2>")
    sent = ours.request("BYE", "v")
    assert (str(sent.uri), sent.headers.all("Route")) == ("sip:phone@127.0.0.10:5060", ("<sip:p1;lr>", "<sip:p2>"))
    assert str(ours.next_hop()) == "sip:p1;lr"


def test_a_strict_first_route_becomes_the_request_uri_and_the_target_the_last_route() -> None:
    sent = dialog("<sip:p1?x=y>", "<sip:p2;lr>").request("BYE", "v")
    assert str(sent.uri) == "sip:p1"
    assert sent.headers.all("Route") == ("<sip:p2;lr>", "<sip:phone@127.0.0.10:5060>")


def test_a_target_refresh_without_contact_changes_nothing() -> None:
    ours = dialog()
    ours.refresh(Headers())
    assert str(ours.remote_target) == "sip:phone@127.0.0.10:5060"


def test_facts_are_text_and_bring_the_dialog_back() -> None:
    ours = dialog("<sip:p1;lr>")
    ours.local_cseq = 5
    facts = ours.facts("127.0.0.1:5060", "127.0.0.10:5060")
    assert facts == DialogFacts(
        sip_call_id="id", local_tag="ours", remote_tag="theirs", cseq=5, local_uri="sip:us@a", remote_uri="sip:them@b",
        local_address="127.0.0.1:5060", remote_address="127.0.0.10:5060", route_set=("<sip:p1;lr>",),
        remote_target="sip:phone@127.0.0.10:5060",
    )  # fmt: skip
    assert Dialog.from_facts(facts) == ours
