"""What the command line says wins over callactors.yaml."""

from __future__ import annotations

import ipaddress

import msgspec

from callactors.config.config import Config, replace
from callactors.config.problems import quoted
from callactors.config.schema import EmbeddedModel, Ledger, Listen, SipListener, Stores
from callactors.config.values import Unreadable, address, name
from callactors.errors import ConfigError
from callactors.sip.address import Address

_DATA = "data/"
_SQLITE = "sqlite:///"


def override(
    config: Config,
    *,
    sip: str | None = None,
    web: str | None = None,
    scenario: str | None = None,
    data: str | None = None,
    model_dir: str | None = None,
) -> Config:
    """The configuration with options applied; None leaves a thing alone.

    `sip` and `web` are HOST:PORT, `web` may be "off"; `scenario` answers every number; `data` replaces the leading
    `data/` of ledger and stores and is where everything else is kept. Raises ConfigError naming the option.
    """
    listen = config.listen
    if sip is not None:
        listen = msgspec.structs.replace(listen, sip=(SipListener(udp=_address(sip, "--sip")),))
        listen = _advertised(listen)
    if web is not None:
        listen = msgspec.structs.replace(listen, web=None if web == "off" else _address(web, "--web"))
    config = replace(config, listen=listen)
    if scenario is not None:
        config = _with_scenario(config, scenario)
    if data is not None:
        config = _with_data(config, data)
    return config if model_dir is None else _with_model_dir(config, model_dir)


def _address(text: str, option: str) -> Address:
    try:
        return address(text)
    except Unreadable as error:
        raise ConfigError(option, 1, "", f"{quoted(text)} {error.problem}", error.remedy) from None


def _advertised(listen: Listen) -> Listen:
    """A loopback address is told as it is: its peers cannot reach the one that is advertised."""
    host = ipaddress.ip_address(listen.udp.host)
    if host.is_unspecified and listen.advertise is None:
        raise ConfigError("--sip", 1, "", f"{host} is not an address peers can be told", "add listen.advertise")
    return msgspec.structs.replace(listen, advertise=None) if host.is_loopback else listen


def _with_scenario(config: Config, scenario: str) -> Config:
    try:
        chosen = name(scenario)
    except Unreadable as error:
        raise ConfigError("--scenario", 1, "", f"{quoted(scenario)} {error.problem}", error.remedy) from None
    numbers = (msgspec.structs.replace(entry, scenario=chosen, language=None) for entry in config.numbers)
    return replace(config, numbers=tuple(numbers))


def _with_data(config: Config, data: str) -> Config:
    folder = data.rstrip("/") or "/"
    path, url = config.ledger.path, config.stores.url
    if path.startswith(_DATA):
        path = f"{folder}/{path.removeprefix(_DATA)}"
    if url.startswith(_SQLITE + _DATA):
        url = f"{_SQLITE}{folder}/{url.removeprefix(_SQLITE + _DATA)}"
    return replace(config, ledger=Ledger(path=path), stores=Stores(url=url), data_dir=folder)


def _with_model_dir(config: Config, model_dir: str) -> Config:
    models = {
        word: msgspec.structs.replace(model, model_dir=model_dir) if isinstance(model, EmbeddedModel) else model
        for word, model in config.models.items()
    }
    return replace(config, models=models)
