"""What an INVITE's headers leave in the record."""

from __future__ import annotations

from callactors.sip.headers import Headers
from callactors.sip.kept import LONGEST, MOST, kept
from callactors.sip.message import Request
from callactors.sip.uri import SipUri


def request(*items: tuple[str, str]) -> Request:
    return Request("INVITE", SipUri("sip", "100", None, "127.0.0.1"), Headers(items), b"")


def test_who_called_for_whom_and_on_whose_way_is_kept() -> None:
    facts = kept(
        request(
            ("Diversion", "<sip:1@h>;reason=busy"), ("Privacy", "id"), ("X-Note", "no"), ("User-to-User", "4869;e=hex")
        )
    )
    assert facts == {"Diversion": "<sip:1@h>;reason=busy", "Privacy": "id", "User-to-User": "4869;e=hex"}


def test_several_values_are_one_text() -> None:
    assert kept(request(("History-Info", "<sip:1@h>"), ("History-Info", "<sip:2@h>"))) == {
        "History-Info": "<sip:1@h>, <sip:2@h>"
    }


def test_what_came_from_outside_is_cut_and_without_control_characters() -> None:
    facts = kept(request(("Diversion", "a\x1b[31mb\udc80"), *(("Subject", "x" * 4000) for _ in range(50))))
    assert facts["Diversion"] == "a?[31mb?"
    assert len(facts["Subject"]) == LONGEST
    assert MOST * 4000 > LONGEST


def test_a_password_inside_a_uri_is_not_kept() -> None:
    facts = kept(request(("Referred-By", "<sip:ann:hush@h:5060>"), ("Diversion", "<sip:1@h>, <sips:b:hush@h>")))
    assert facts == {"Referred-By": "<sip:ann:[redacted]@h:5060>", "Diversion": "<sip:1@h>, <sips:b:[redacted]@h>"}
