"""The rules of calls we place, read from the configuration and the lists it names.

The lists are read again for every call: somebody who says "never again" is not called in the next minute.
A list that cannot be read or understood refuses every call: half a do-not-call list protects nobody.
"""

from __future__ import annotations

from pathlib import Path

from callactors.config import Config
from callactors.errors import ConfigError
from callactors.routing.rules import Rules, Window, numbers_of, read_window
from callactors.scenario.library import read


def read_rules(config: Config, trunk: str | None = None) -> Rules:
    """Blocking. `trunk` says how a national number is meant. Raises ConfigError with file and line."""
    outbound, emergency = config.outbound, config.emergency
    country = _country(config, trunk)
    return Rules(
        permit=config.permit,
        hours=None if outbound.hours is None else _window(config, outbound.hours),
        consent=None if outbound.consent is None else _list(config, outbound.consent, country),
        do_not_call=frozenset() if outbound.do_not_call is None else _list(config, outbound.do_not_call, country),
        emergency=emergency.numbers if emergency is not None else (),
        country=country,
    )


def _country(config: Config, trunk: str | None) -> str | None:
    """The trunk's; without one, the country all trunks agree on."""
    if trunk is not None and trunk in config.trunks:
        return config.trunks[trunk].country
    countries = {settings.country for settings in config.trunks.values() if settings.country is not None}
    return countries.pop() if len(countries) == 1 else None


def _window(config: Config, text: str) -> Window:
    try:
        return read_window(text)
    except ValueError as error:
        raise config.marks.error("outbound.hours", str(error), "") from None


def _list(config: Config, name: str, country: str | None) -> frozenset[str]:
    """A file beside callactors.yaml."""
    path = Path(config.marks.file or ".").parent / name
    try:
        return numbers_of(read(path), country)
    except ValueError as error:
        line, _, problem = str(error).removeprefix("line ").partition(": ")
        raise ConfigError(str(path), int(line), "", problem) from None
