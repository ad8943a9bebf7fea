"""Trunks and targets as values: who may call us, from which addresses, and what a name of `directory` dials.

A trunk is a peer known by its source addresses, by the name its verified certificate bears, or by its digest; what any
other header claims never counts.
"""

from __future__ import annotations

import ipaddress
from typing import Literal

import attrs
import msgspec

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Target(msgspec.Struct, frozen=True):
    """Somebody who can be dialled or transferred to: a name of `directory`, its URI, the trunk that takes it there."""

    name: str
    uri: str
    trunk: str


@attrs.frozen
class Trunk:
    """A configured way in or out."""

    name: str
    sources: tuple[Network, ...]  # `from`
    media_sources: tuple[Network, ...]  # `media_from`
    codecs: tuple[str, ...] = ("pcmu", "pcma")  # the order in which we offer them
    codec_order: Literal["theirs", "ours"] = "theirs"  # whose order decides when we answer
    responses: str = "rfc3581"  # or "source"
    to: tuple[str, ...] = ()  # URIs; several share its calls
    dtmf: Literal["rfc4733", "info", "inband"] = "rfc4733"
    srtp: Literal["off", "prefer", "require"] = "off"
    early_media: bool = False
    hold: Literal["silence", "music"] = "silence"
    refer: bool = True
    refers: Literal["never", "directory", "permitted"] = "never"  # whom it may REFER us to
    country: str | None = None  # how it dials: ISO 3166 alpha-2
    channels: int | None = None
    cps: float | None = None
    caller_ids: tuple[str, ...] = ()
    privacy: bool = True

    def takes_media_from(self, host: str) -> bool:
        """Whether RTP may come from and go to this address."""
        return _within(host, self.media_sources)

    def may_name_for_media(self, host: str) -> bool:
        """Whether a description may name this numeric address: this machine and its own link only if they are listed.

        Others may be named without being listed: carriers have more media servers than they publish.
        """
        return self.takes_media_from(host) or not _is_local(ipaddress.ip_address(host))


def _within(host: str, networks: tuple[Network, ...]) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return any(address in network for network in networks)


def _is_local(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback or (mapped or address).is_link_local
