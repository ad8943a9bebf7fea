"""Bodies of several parts: an offer and a place, there and back."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from callactors.sip.multipart import PIDF, SDP, Location, located, part_of, parts, with_location


def test_an_offer_and_a_place_come_back_as_they_were() -> None:
    body, kind = with_location(b"v=0\r\n", Location("c@h", "<presence/>"))
    assert [(part.kind, part.body) for part in parts(kind, body)] == [(SDP, b"v=0\r\n"), (PIDF, b"<presence/>")]
    assert b"Content-ID: <c@h>\r\n" in body


def test_the_boundary_is_in_none_of_the_parts() -> None:
    body, kind = with_location(b"a\r\n--part\r\n--partx--\r\n", Location("c@h", "--partxx"))
    assert part_of(SDP, kind, body) == b"a\r\n--part\r\n--partx--\r\n"


def test_without_a_place_a_body_is_as_any_other() -> None:
    assert located(b"v=0", None) == (b"v=0", ())
    assert [name for name, _ in located(b"v=0", Location("c@h", "x"))[1]] == [
        "Content-Type",
        "Geolocation",
        "Geolocation-Routing",
    ]


def test_a_body_that_is_no_multipart_is_its_only_part() -> None:
    assert part_of(SDP, "Application/SDP;charset=utf-8", b"v=0") == b"v=0"
    assert part_of(SDP, "application/sdp", b"") == b""


def test_a_body_without_the_part_that_is_meant_has_none_of_it() -> None:
    text = b"--x\r\nContent-Type: text/plain\r\n\r\nhi\r\n--x--\r\n"
    assert part_of(SDP, 'multipart/mixed;boundary="x"', text) == b""
    assert part_of(SDP, "multipart/mixed", b"--x\r\n\r\nv=0\r\n--x--\r\n") == b""


@settings(max_examples=100)
@given(st.binary(max_size=200), st.binary(max_size=20))
def test_no_body_is_more_than_it_can_hold(body: bytes, boundary: bytes) -> None:
    assert len(parts(f"multipart/mixed;boundary={boundary.decode('latin-1')}", body)) <= 8
