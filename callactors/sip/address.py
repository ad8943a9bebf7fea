"""Where SIP comes from and goes to. Rules of this file:

- `host` is an address or name without brackets; only `str()` brackets IPv6 (RFC 3986 section 3.2.2).
- An Address is a host and a port, RTP's too; a Hop is one SIP neighbour: an address, how to speak to it, and on which
  connection. Two hops are the same neighbour when they compare equal.
"""

from __future__ import annotations

import ipaddress
from typing import Literal, NamedTuple

Transport = Literal["udp", "tcp", "tls"]


class Address(NamedTuple):
    """A transport address. Fits wherever a socket wants `(host, port)`."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{bracketed(self.host)}:{self.port}"


class Hop(NamedTuple):
    """A SIP neighbour (RFC 3261 section 18): numeric host, port, transport.

    `flow` names the connection a message came by, and should be answered on; 0 lets the wire find or open one.
    `server` is the name its certificate must bear when we open the connection (RFC 5922); "" where there is none.
    """

    host: str
    port: int
    transport: Transport = "udp"
    flow: int = 0
    server: str = ""

    @property
    def address(self) -> Address:
        return Address(self.host, self.port)

    @property
    def reliable(self) -> bool:
        """Whether the transport repeats what is lost, so that transactions need not."""
        return self.transport != "udp"

    def __str__(self) -> str:
        return f"{bracketed(self.host)}:{self.port}" + (f";transport={self.transport}" if self.reliable else "")


def bracketed(host: str) -> str:
    """`host` as it stands in a URI or a Via: IPv6 in brackets."""
    return f"[{host}]" if ":" in host else host


def is_numeric(host: str) -> bool:
    """Whether `host` is an IP address, not a name: nothing to look up, to show by SNI, or that a wildcard covers."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
