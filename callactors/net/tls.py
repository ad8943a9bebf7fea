"""TLS for SIP (RFC 3261 section 26.3, RFC 5922): contexts, and the names a peer's verified certificate bears.

- A chain that does not lead to the CAs we were given ends the handshake, in both directions.
- Names are compared here, not by OpenSSL: SIP certificates bear `sip:` URIs, and a trunk may be known by several names.
- A certificate's leftmost label may be `*` (carriers issue such ones; RFC 5922 section 7.2 would forbid it).
"""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from callactors.errors import Unusable
from callactors.sip.address import Hop


@attrs.frozen
class Secure:
    """How a TLS connection of ours is made, and which names its server must bear, one of them at least."""

    context: ssl.SSLContext
    wanted: tuple[str, ...]


def server_context(cert: str, key: str, ca: str | None = None) -> ssl.SSLContext:
    """For a listener. With `ca` clients are asked for a certificate, and one they show must lead there.

    Raises Unusable, naming the file.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    _load(context, cert, key)
    if ca is not None:
        context.verify_mode = ssl.CERT_OPTIONAL
        _trust(context, ca)
    return context


def client_context(ca: str | None = None, cert: str | None = None, key: str | None = None) -> ssl.SSLContext:
    """For connections of ours: `ca` in place of the system's, `cert` and `key` where the server wants to know us.

    Raises Unusable, naming the file.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False  # `bears` does it, for URIs too
    if ca is None:
        context.load_default_certs()
    else:
        _trust(context, ca)
    if cert is not None:
        _load(context, cert, key or cert)
    return context


def public_server(hop: Hop, context: ssl.SSLContext) -> Secure:
    """A server that bears the name we looked up, or its address."""
    return Secure(context, (hop.server or hop.host,))


def names_of(certificate: Mapping[str, Any] | None) -> tuple[str, ...]:  # Any: ssl's own dictionary
    """The hosts a verified certificate speaks for: SIP URIs without a user, DNS names, addresses; lower case."""
    found: list[str] = []
    for kind, value in (certificate or {}).get("subjectAltName", ()):
        if kind == "URI" and value.lower().startswith(("sip:", "sips:")) and "@" not in value:
            found.append(value.partition(":")[2].partition(";")[0].lower())
        elif kind == "DNS":
            found.append(value.lower())
        elif kind == "IP Address":
            found.append(str(ipaddress.ip_address(value.strip())))
    return tuple(dict.fromkeys(found))


def bears(names: Iterable[str], wanted: Iterable[str]) -> bool:
    """Whether one of a certificate's names is one of those wanted."""
    known = {name.lower().rstrip(".") for name in names}
    for host in (one.lower().rstrip(".") for one in wanted):
        if host in known or (not _is_address(host) and "*." + host.partition(".")[2] in known):
            return True
    return False


def server_name(hop: Hop) -> str | None:
    """What we tell the server we have come for (SNI): a name, never an address."""
    return hop.server if hop.server and not _is_address(hop.server) else None


def _load(context: ssl.SSLContext, cert: str, key: str) -> None:
    try:
        context.load_cert_chain(cert, key)
    except (OSError, ssl.SSLError) as error:
        problem = f"{cert} and {key} are no certificate and its key: {_why(error)}"
        raise Unusable(f"{problem}; PEM files are meant") from error


def _trust(context: ssl.SSLContext, ca: str) -> None:
    try:
        context.load_verify_locations(ca)
    except (OSError, ssl.SSLError) as error:
        raise Unusable(f"{ca} holds no certificates to trust: {_why(error)}; a PEM file is meant") from error


def _why(error: OSError) -> str:
    return error.strerror or str(error)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
