"""Where a datagram came from or goes to: a host and a port, nothing else. Rules of this file:

- `host` is an address or name without brackets; only `str()` brackets IPv6 (RFC 3986 section 3.2.2).
"""

from __future__ import annotations

from typing import NamedTuple


class Address(NamedTuple):
    """A transport address. Fits wherever a socket wants `(host, port)`."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{bracketed(self.host)}:{self.port}"


def bracketed(host: str) -> str:
    """`host` as it stands in a URI or a Via: IPv6 in brackets."""
    return f"[{host}]" if ":" in host else host
