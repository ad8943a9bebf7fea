"""From `listen` and `trunks` to one wire: the listeners, and how we make a TLS connection to which trunk.

Certificates are read once, at the start; a file that cannot be used is said there.
"""

from __future__ import annotations

import ssl

from callactors.calls.contain import contain
from callactors.config import Config, neighbours
from callactors.config.schema import SipListener
from callactors.errors import MalformedMessage, Unusable
from callactors.meters.log import log
from callactors.net.tls import Secure, client_context, server_context
from callactors.net.wires import Listener, Wires, Work
from callactors.sip.address import Address, Hop, Transport
from callactors.sip.uri import SipUri, parse_uri


def open_wires(config: Config) -> Wires:
    """Every listener of the file, bound. Raises Unusable: an address that is taken, a certificate nobody can use."""
    listeners = [_listener(one) for one in config.listen.sip]
    calling = Calling(config)
    try:
        return Wires(
            listeners,
            listed=lambda host: config.trunk_of(host) is not None,
            secure=calling.secure,
            contained=_contained,
            trouble=lambda hop, problem: log().warning("sip.no_connection", peer=str(hop), problem=problem),
        )
    except OSError as error:
        where = ", ".join(str(listener.address) for listener in listeners)
        remedy = "stop what uses it, or choose another address with --sip HOST:PORT"
        raise Unusable(f"SIP cannot listen on {where}: {error.strerror}; {remedy}") from error


async def _contained(serve: Work) -> None:
    await contain("connection", serve, lambda error: None)


class Calling:
    """How TLS connections of ours are made: a context a trunk, one for all others. Raises Unusable."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._any = client_context()
        self._contexts: dict[str, ssl.SSLContext] = {}
        self._hosts: dict[str, str] = {}  # a trunk's own hosts, as its `to` names them
        for name, trunk in config.trunks.items():
            if trunk.tls is not None:
                self._contexts[name] = client_context(trunk.tls.ca, trunk.tls.cert, trunk.tls.key)
            for uri in trunk.to:
                self._hosts.setdefault(_host(uri), name)

    def secure(self, hop: Hop) -> Secure:
        """The server must bear the trunk's `identity`, else the name we looked up, a host of `to`, or its address.

        An address the trunk's list has, but no `to` names, is one of its pool: it bears the names of the trunk.
        """
        trunk = self._hosts.get(hop.server) or self._hosts.get(hop.host) or self._config.trunk_of(hop.host) or ""
        wanted = neighbours.identity(self._config, trunk)
        if not wanted:
            own = [host for host, owner in self._hosts.items() if owner == trunk]
            wanted = (hop.server,) if hop.server else (hop.host, *own)
        return Secure(self._contexts.get(trunk, self._any), wanted)


def _listener(settings: SipListener) -> Listener:
    transport: Transport = "tls" if settings.tls else "tcp" if settings.tcp else "udp"
    address = Address(*settings.address)
    if settings.tls is None:
        return Listener(transport, address)
    return Listener(transport, address, server_context(settings.cert or "", settings.key or "", settings.ca))


def _host(uri: str) -> str:
    try:
        parsed = parse_uri(uri)
    except MalformedMessage:
        return ""
    return parsed.host if isinstance(parsed, SipUri) else ""
