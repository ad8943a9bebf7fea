"""What must hold between the parts of callactors.yaml: names that exist, and who may reach us from where.

`*` and loopback media are for loopback trunks only: anybody else could make us serve, or send media to, ourselves.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator

from callactors.config import numbers
from callactors.config.config import Config
from callactors.config.problems import did_you_mean, quoted
from callactors.config.schema import RealtimeModel
from callactors.config.trunk_schema import LOOPBACK, TrunkSettings
from callactors.errors import ConfigError
from callactors.routing.trunk import Network

LOOPBACK_6 = ipaddress.ip_network("::1/128")


def check(config: Config) -> Iterator[ConfigError]:
    """Every problem between the parts."""
    yield from _listen(config)
    yield from _trunks(config)
    yield from _numbers(config)
    yield from _named_trunks(config)
    yield from _directory(config)
    yield from _models(config)


def _listen(config: Config) -> Iterator[ConfigError]:
    if not config.listen.sip:
        yield config.marks.error("listen.sip", "is empty", "one {udp: HOST:PORT} is meant")
    for index, listener in enumerate(config.listen.sip):
        path = f"listen.sip[{index}]"
        given = [word for word in ("udp", "tcp", "tls") if getattr(listener, word) is not None]
        if len(given) != 1:
            yield config.marks.error(path, "names no single transport", "one of udp, tcp, tls is meant")
            continue
        if given == ["tls"] and not (listener.cert and listener.key):
            yield config.marks.error(path, "tls without a certificate", "add cert and key, two PEM files")
        if ipaddress.ip_address(listener.address.host).is_unspecified and config.listen.advertise is None:
            remedy = "add listen.advertise, the address your carrier sends to"
            yield config.marks.error(path, f"{listener.address.host} is not an address peers can be told", remedy)


def _trunks(config: Config) -> Iterator[ConfigError]:
    owners: dict[Network, str] = {}
    for name, trunk in config.trunks.items():
        path = f"trunks.{name}"
        if not trunk.sources:
            yield config.marks.error(
                f"{path}.from", "is empty", "the networks this trunk's packets come from are meant"
            )
        if not trunk.codecs:
            yield config.marks.error(f"{path}.codecs", "is empty", "[pcmu, pcma] is meant")
        for index, network in enumerate(trunk.sources):
            other = owners.setdefault(network, name)
            if other != name:
                remedy = "a source address belongs to one trunk"
                yield config.marks.error(f"{path}.from[{index}]", f"{network} is {other}'s already", remedy)
        yield from _media(config, name, trunk)


def _media(config: Config, name: str, trunk: TrunkSettings) -> Iterator[ConfigError]:
    if trunk.is_loopback:
        return
    key, networks = ("from", trunk.sources) if trunk.media_from is None else ("media_from", trunk.media_from)
    for index, network in enumerate(networks):
        if network.overlaps(LOOPBACK) or network.overlaps(LOOPBACK_6):
            problem = f"{network} would take media from and send it to this machine"
            remedy = "loopback media is for trunks whose every `from` lies in 127.0.0.0/8"
            yield config.marks.error(f"trunks.{name}.{key}[{index}]", problem, remedy)


def _numbers(config: Config) -> Iterator[ConfigError]:
    for index, entry in enumerate(config.numbers):
        yield from numbers.entry(config, index, entry)
    yield from numbers.hidden(config)


def _named_trunks(config: Config) -> Iterator[ConfigError]:
    named = [(f"directory.{name}.trunk", entry.trunk) for name, entry in config.directory.items() if entry.trunk]
    for r, route in enumerate(config.routes):
        for p, level in enumerate(route.tries):
            named += [(f"routes[{r}].tries[{p}][{t}].trunk", item.trunk) for t, item in enumerate(level)]
    if config.emergency:
        named.append(("emergency.trunk", config.emergency.trunk))
    for path, name in named:
        if name not in config.trunks:
            yield _no_such(config, path, "trunk", name, config.trunks)
    for path, prefix in [(f"routes[{i}].to", route.to) for i, route in enumerate(config.routes)] + [
        (f"permit[{i}]", prefix) for i, prefix in enumerate(config.permit)
    ]:
        if not re.fullmatch(r"\+[0-9]{1,15}", prefix):
            yield config.marks.error(path, f"{quoted(prefix)} is not a prefix", 'a plus and digits are meant, as "+44"')


def _directory(config: Config) -> Iterator[ConfigError]:
    for name, entry in config.directory.items():
        if (entry.sip is None) == (entry.tel is None):
            yield config.marks.error(f"directory.{name}", "names nobody to dial", "one of sip and tel is meant")
        if entry.sip is not None and entry.trunk is None:
            yield config.marks.error(
                f"directory.{name}", "has no trunk", "a sip target needs the trunk that takes it there"
            )


def _models(config: Config) -> Iterator[ConfigError]:
    if not config.models:
        yield config.marks.error("models", "is empty", "as models: {offline: {kind: embedded}}")
    for name, model in config.models.items():
        if isinstance(model, RealtimeModel) and not re.fullmatch(r"wss?://[^\s/@]+(/\S*)?", model.url):
            problem, remedy = "is not a WebSocket address", "ws://HOST/PATH or wss://HOST/PATH is meant"
            yield config.marks.error(f"models.{name}.url", problem, remedy)


def _no_such(config: Config, path: str, what: str, name: str, known: Iterable[str]) -> ConfigError:
    return config.marks.error(path, f"there is no {what} {quoted(name)}", did_you_mean(name, known))
