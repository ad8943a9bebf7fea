"""Bodies of several parts (RFC 5621): an offer with the place a call for help comes from (RFC 6442), both ways.

Row 1: bytes in, bytes out. What comes in is bounded, and a body without a description is one that is empty.
"""

from __future__ import annotations

import re

import msgspec

SDP = "application/sdp"
PIDF = "application/pidf+xml"
MIXED = "multipart/mixed"
MOST = 8  # parts read
_BOUNDARY = re.compile(r';\s*boundary\s*=\s*(?:"([^"]{1,70})"|([^\s;"]{1,70}))', re.IGNORECASE)


class Location(msgspec.Struct, frozen=True):
    """A PIDF-LO document (RFC 4119), and the name it goes by in the message: `cid` as `call@host`."""

    cid: str
    document: str

    def headers(self) -> tuple[tuple[str, str], ...]:
        """What points at it (RFC 6442 section 4)."""
        return ("Geolocation", f"<cid:{self.cid}>"), ("Geolocation-Routing", "yes")


class Part(msgspec.Struct, frozen=True):
    """One part of a body; `kind` is its media type, in lower case."""

    kind: str
    body: bytes


def located(sdp: bytes, place: Location | None) -> tuple[bytes, tuple[tuple[str, str], ...]]:
    """The body of an INVITE, and what it needs in headers beyond any other's: nothing without a place."""
    if place is None:
        return sdp, ()
    body, kind = with_location(sdp, place)
    return body, (("Content-Type", kind), *place.headers())


def with_location(sdp: bytes, place: Location) -> tuple[bytes, str]:
    """The body of an INVITE that says where it comes from, and its Content-Type."""
    document = place.document.encode()
    boundary = "part"
    while boundary.encode() in sdp or boundary.encode() in document:
        boundary += "x"
    parts = (
        (f"Content-Type: {SDP}", sdp),
        (f"Content-Type: {PIDF}\r\nContent-ID: <{place.cid}>\r\nContent-Disposition: by-reference", document),
    )
    body = b"".join(f"--{boundary}\r\n{head}\r\n\r\n".encode() + data + b"\r\n" for head, data in parts)
    return body + f"--{boundary}--\r\n".encode(), f"{MIXED};boundary={boundary}"


def parts(content_type: str, body: bytes) -> tuple[Part, ...]:
    """The parts of a body; a body that is no multipart is its only part."""
    kind = content_type.partition(";")[0].strip().lower()
    boundary = _BOUNDARY.search(content_type)
    if kind != MIXED or boundary is None:
        return (Part(kind, body),) if body else ()
    line = b"--" + (boundary[1] or boundary[2]).encode("latin-1", "replace")
    pieces = (b"\r\n" + body).split(b"\r\n" + line)[1 : MOST + 1]
    return tuple(part for piece in pieces if not piece.startswith(b"--") and (part := _part(piece)) is not None)


def part_of(kind: str, content_type: str, body: bytes) -> bytes:
    """The first part of that media type; b"" when there is none."""
    return next((part.body for part in parts(content_type, body) if part.kind == kind), b"")


def _part(piece: bytes) -> Part | None:
    head, blank, body = piece.partition(b"\r\n\r\n")
    if not blank:
        return None
    for line in head.decode("latin-1").split("\r\n"):
        name, colon, value = line.partition(":")
        if colon and name.strip().lower() in ("content-type", "c"):
            return Part(value.partition(";")[0].strip().lower(), body)
    return Part("text/plain", body)
