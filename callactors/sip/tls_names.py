"""Whom a verified certificate speaks for (RFC 5922 section 7). Pure: the certificate is what ssl's getpeercert gives.

A certificate's leftmost label may be `*`: carriers issue such ones, though section 7.2 would forbid it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from typing import Any

from callactors.sip.address import is_numeric


def names_of(certificate: Mapping[str, Any] | None) -> tuple[str, ...]:  # Any: ssl's own dictionary
    """Its SIP URIs without a user, DNS names and addresses, as hosts in lower case."""
    found: list[str] = []
    for kind, value in (certificate or {}).get("subjectAltName", ()):
        if kind == "URI" and value.lower().startswith(("sip:", "sips:")) and "@" not in value:
            found.append(value.partition(":")[2].partition(";")[0].lower())
        elif kind == "DNS":
            found.append(value.lower())
        elif kind == "IP Address" and is_numeric(value.strip()):
            found.append(str(ipaddress.ip_address(value.strip())))
    return tuple(dict.fromkeys(found))


def bears(names: Iterable[str], wanted: Iterable[str]) -> bool:
    """Whether one of a certificate's names is one of those wanted."""
    known = {name.lower().rstrip(".") for name in names}
    for host in (one.lower().rstrip(".") for one in wanted):
        if host in known or (not is_numeric(host) and "*." + host.partition(".")[2] in known):
            return True
    return False
