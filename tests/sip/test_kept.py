"""The headers of an INVITE that the record keeps."""

from __future__ import annotations

from callactors.sip.headers import Headers
from callactors.sip.kept import LONGEST, MOST, kept
from callactors.sip.message import Request
from callactors.sip.uri import parse_uri


def invite(*items: tuple[str, str]) -> Request:
    return Request("INVITE", parse_uri("sip:desk@127.0.0.1"), Headers(items), b"")


def test_who_says_who_called_is_kept_and_the_rest_is_not() -> None:
    found = kept(
        invite(
            ("Diversion", "<sip:+1312@a>;reason=no-answer"),
            ("P-Asserted-Identity", '"Ann" <sip:+1415@a>'),
            ("p-asserted-identity", "<tel:+1415>"),
            ("User-to-User", "56a390f3d2;encoding=hex"),
            ("Authorization", "Digest secret"),
        )
    )
    assert found == {
        "Diversion": "<sip:+1312@a>;reason=no-answer",
        "P-Asserted-Identity": '"Ann" <sip:+1415@a>, <tel:+1415>',
        "User-to-User": "56a390f3d2;encoding=hex",
    }


def test_there_is_an_end_to_length_and_number_and_nothing_that_a_terminal_obeys() -> None:
    many = [("History-Info", f"<sip:{n}@a>") for n in range(50)]
    found = kept(invite(("Privacy", "id\x1b[2J\udc80"), ("User-to-User", "x" * 9000), *many))
    assert found["Privacy"] == "id?[2J?"
    assert len(found["User-to-User"]) == LONGEST
    assert found["History-Info"].count("<") == MOST
