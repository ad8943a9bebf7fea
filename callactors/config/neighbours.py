"""Which trunk a SIP neighbour is, by its address and, for TLS, by the names its verified certificate bears.

- An address belongs to the trunk with the narrowest network; what headers claim never counts.
- A trunk with `tls.identity` is only who shows such a certificate: nothing over UDP or TCP, whatever the address.
- Flow 0 is somebody we have yet to connect to: there the address decides, and the connection checks the certificate.
"""

from __future__ import annotations

from callactors.config.config import Config
from callactors.sip.address import Hop
from callactors.sip.tls_names import bears


def trunk_of(config: Config, hop: Hop, names: tuple[str, ...]) -> str | None:
    """The trunk a packet on this hop belongs to; `names` are its connection's. None is a stranger."""
    trunk = config.trunk_of(hop.host)
    if trunk is not None:
        return trunk if admits(config, trunk, hop, names) else None
    return next((name for name in config.trunks if _is_known_by_name(config, name, names)), None)


def admits(config: Config, trunk: str, hop: Hop, names: tuple[str, ...]) -> bool:
    """Whether a packet on this hop may be the trunk's at all."""
    wanted = identity(config, trunk)
    if not wanted:
        return True
    return hop.transport == "tls" and (hop.flow == 0 or bears(names, wanted))


def identity(config: Config, trunk: str) -> tuple[str, ...]:
    """The names a trunk's certificate must bear, one at least; empty where its address is enough."""
    settings = config.trunks.get(trunk)
    return () if settings is None or settings.tls is None else settings.tls.identity


def _is_known_by_name(config: Config, trunk: str, names: tuple[str, ...]) -> bool:
    return not config.trunks[trunk].sources and bears(names, identity(config, trunk))
