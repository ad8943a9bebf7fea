"""A far end's own wire over TCP or TLS, for a UserAgent or a SipEndpoint of a test: `wire=stream_wire(...)`."""

from __future__ import annotations

import ssl
from pathlib import Path

from callactors.net.tls import Secure, client_context, server_context
from callactors.net.wires import Listener, Wires
from callactors.sip.address import Address, Hop, Transport


def stream_wire(
    host: str, transport: Transport = "tcp", *, certificate: Path | None = None, ca: Path | None = None, port: int = 0
) -> Wires:
    """One listener. For tls: `certificate` (with its key) shown in both directions, `ca` trusted in both.

    A server must bear the Hop's `server`, or its address. Raises OSError when the port is taken.
    """
    listening: ssl.SSLContext | None = None
    if transport == "tls":
        listening = server_context(str(certificate), str(certificate), None if ca is None else str(ca))
    calling = client_context(None if ca is None else str(ca), None if certificate is None else str(certificate))

    def secure(hop: Hop) -> Secure:
        return Secure(calling, (hop.server or hop.host,))

    return Wires([Listener(transport, Address(host, port), listening)], secure=secure)
