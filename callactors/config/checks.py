"""What must hold between the parts of callactors.yaml: names that exist, and who may reach us from where.

`*` and loopback media are for loopback trunks only: anybody else could make us serve, or send media to, ourselves.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Iterator

from callactors.config import numbers, recordings, trunks
from callactors.config.config import Config
from callactors.config.problems import did_you_mean, quoted
from callactors.config.schema import Entry, RealtimeModel
from callactors.errors import ConfigError, MalformedMessage
from callactors.routing import hours, rules
from callactors.routing.emergency import emergency_number
from callactors.sip.uri import parse_uri


def check(config: Config) -> Iterator[ConfigError]:
    """Every problem between the parts."""
    yield from _listen(config)
    yield from trunks.check(config)
    yield from _numbers(config)
    yield from _named_trunks(config)
    yield from _prefixes(config)
    yield from _hours(config)
    yield from _emergency(config)
    yield from _directory(config)
    yield from _models(config)
    yield from recordings.check(config)


def _listen(config: Config) -> Iterator[ConfigError]:
    if not config.listen.sip:
        yield config.marks.error("listen.sip", "is empty", "one {udp: HOST:PORT} is meant")
    for index, listener in enumerate(config.listen.sip):
        path = f"listen.sip[{index}]"
        given = [word for word in ("udp", "tcp", "tls") if getattr(listener, word) is not None]
        if len(given) != 1:
            yield config.marks.error(path, "names no single transport", "one of udp, tcp, tls is meant")
            continue
        if given != ["tls"] and listener.ca:
            yield config.marks.error(f"{path}.ca", "client certificates are shown over tls only", "leave it out")
        if given == ["tls"] and not (listener.cert and listener.key):
            yield config.marks.error(path, "tls without a certificate", "add cert and key, two PEM files")
        if ipaddress.ip_address(listener.address.host).is_unspecified and config.listen.advertise is None:
            remedy = "add listen.advertise, the address your carrier sends to"
            yield config.marks.error(path, f"{listener.address.host} is not an address peers can be told", remedy)


def _numbers(config: Config) -> Iterator[ConfigError]:
    for index, entry in enumerate(config.numbers):
        yield from numbers.entry(config, index, entry)
    yield from numbers.hidden(config)


def _named_trunks(config: Config) -> Iterator[ConfigError]:
    for word, entry in config.directory.items():
        if entry.trunk and entry.trunk not in config.trunks:
            yield _no_such(config, f"directory.{word}.trunk", "trunk", entry.trunk, config.trunks)
    for path, name in _dialled_by(config):
        if name not in config.trunks:
            yield _no_such(config, path, "trunk", name, config.trunks)
        elif not config.trunks[name].to:
            yield config.marks.error(path, f"{name} has no `to`: nothing can be dialled by it", f"add trunks.{name}.to")


def _dialled_by(config: Config) -> Iterator[tuple[str, str]]:
    """Every trunk that calls are to be placed by, and where it says so."""
    for r, route in enumerate(config.routes):
        for p, level in enumerate(route.tries):
            yield from ((f"routes[{r}].tries[{p}][{t}].trunk", item.trunk) for t, item in enumerate(level))
    if config.emergency:
        yield "emergency.trunk", config.emergency.trunk


def _prefixes(config: Config) -> Iterator[ConfigError]:
    seen: dict[str, int] = {}
    for index, route in enumerate(config.routes):
        if not any(route.tries):
            yield config.marks.error(f"routes[{index}].tries", "is empty", "as [[{trunk: NAME}]]")
        first = seen.setdefault(route.to, index)
        if first != index:
            yield config.marks.error(f"routes[{index}].to", f"{quoted(route.to)} is routes[{first}]'s already", "")
    prefixes = [(f"routes[{i}].to", route.to) for i, route in enumerate(config.routes)]
    for path, prefix in prefixes + [(f"permit[{i}]", prefix) for i, prefix in enumerate(config.permit)]:
        if not re.fullmatch(r"\+[0-9]{1,15}", prefix):
            yield config.marks.error(path, f"{quoted(prefix)} is not a prefix", 'a plus and digits are meant, as "+44"')


def _hours(config: Config) -> Iterator[ConfigError]:
    for name, entry in config.hours.items():
        readers: list[tuple[str, str, Callable[[str], object]]] = [(f"hours.{name}.zone", entry.zone, hours.read_zone)]
        readers += [(f"hours.{name}.open[{i}]", text, hours.read_span) for i, text in enumerate(entry.open)]
        readers += [(f"hours.{name}.closed[{i}]", text, hours.read_day) for i, text in enumerate(entry.closed)]
        for path, text, read in readers:
            yield from _readable(config, path, text, read)
        if name == hours.ALWAYS or name.startswith("not "):
            yield config.marks.error(f"hours.{name}", "is a word of `when` already", "give it another name")
    if config.outbound.hours is not None:
        yield from _readable(config, "outbound.hours", config.outbound.hours, rules.read_window)


def _readable(config: Config, path: str, text: str, read: Callable[[str], object]) -> Iterator[ConfigError]:
    try:
        read(text)
    except ValueError as error:
        yield config.marks.error(path, f"{quoted(text)} cannot be read", str(error))


def _emergency(config: Config) -> Iterator[ConfigError]:
    for index, text in enumerate(config.emergency.numbers if config.emergency else ()):
        if not re.fullmatch(r"[0-9*#]{2,8}", text):
            problem, remedy = f"{quoted(text)} is not what a phone dials for help", 'digits are meant, as "9911"'
            yield config.marks.error(f"emergency.numbers[{index}]", problem, remedy)


def _directory(config: Config) -> Iterator[ConfigError]:
    for name, entry in config.directory.items():
        if (entry.sip is None) == (entry.tel is None):
            yield config.marks.error(f"directory.{name}", "names nobody to dial", "one of sip and tel is meant")
        if entry.sip is not None and entry.trunk is None:
            yield config.marks.error(
                f"directory.{name}", "has no trunk", "a sip target needs the trunk that takes it there"
            )
        if entry.sip is not None and _dials_help(config, entry):
            problem, remedy = "is an emergency number: nobody is transferred there", "leave it out"
            yield config.marks.error(f"directory.{name}.sip", problem, remedy)


def _dials_help(config: Config, entry: Entry) -> bool:
    try:
        user = parse_uri(entry.uri).user_decoded
    except MalformedMessage:
        return False
    trunk = config.trunks.get(entry.trunk or "")
    extra = config.emergency.numbers if config.emergency else ()
    return emergency_number(user, trunk.country if trunk else None, extra) is not None


def _models(config: Config) -> Iterator[ConfigError]:
    if not config.models:
        yield config.marks.error("models", "is empty", "as models: {offline: {kind: embedded}}")
    for name, model in config.models.items():
        if isinstance(model, RealtimeModel) and not re.fullmatch(r"wss?://[^\s/@]+(/\S*)?", model.url):
            problem, remedy = "is not a WebSocket address", "ws://HOST/PATH or wss://HOST/PATH is meant"
            yield config.marks.error(f"models.{name}.url", problem, remedy)


def _no_such(config: Config, path: str, what: str, name: str, known: Iterable[str]) -> ConfigError:
    return config.marks.error(path, f"there is no {what} {quoted(name)}", did_you_mean(name, known))
