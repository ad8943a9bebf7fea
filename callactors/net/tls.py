"""TLS for SIP (RFC 3261 section 26.3): contexts for listeners and for connections of ours.

- A chain that does not lead to the CAs we were given ends the handshake, in both directions.
- Names are compared by sip/tls_names, not by OpenSSL: SIP certificates bear `sip:` URIs, and a trunk may be known by
  several names.
"""

from __future__ import annotations

import ssl

import attrs

from callactors.errors import Unusable
from callactors.sip.address import Hop, is_numeric


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
    context.check_hostname = False  # sip/tls_names does it, for URIs too
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


def server_name(hop: Hop) -> str | None:
    """What we tell the server we have come for (SNI): a name, never an address."""
    return hop.server if hop.server and not is_numeric(hop.server) else None


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
