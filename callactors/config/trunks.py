"""What must hold of a trunk: somebody can be told by it, its addresses are its own, and what it names fits together."""

from __future__ import annotations

import re
from collections.abc import Iterator

from callactors.audio.codecs import missing, speakable
from callactors.config.config import Config
from callactors.config.problems import quoted
from callactors.config.trunk_schema import LOOPBACK_4, LOOPBACK_6, TrunkSettings
from callactors.config.values import Seconds
from callactors.errors import ConfigError, MalformedMessage
from callactors.routing.e164 import known_country
from callactors.routing.trunk import Network
from callactors.sip.uri import SipUri, parse_uri

_SHORTEST = 90  # seconds: Min-SE of RFC 4028 section 5


def check(config: Config) -> Iterator[ConfigError]:
    """Every problem of every trunk, and between two of them."""
    yield from _owners(config)
    for name, trunk in config.trunks.items():
        path = f"trunks.{name}"
        for part in (_known, _media, _ways, _strangers, _register, _tls, _identity, _numbers):
            yield from part(config, path, trunk)


def _owners(config: Config) -> Iterator[ConfigError]:
    networks: dict[Network, str] = {}
    users: dict[str, str] = {}
    for name, trunk in config.trunks.items():
        for index, network in enumerate(trunk.sources):
            other = networks.setdefault(network, name)
            if other != name:
                problem, remedy = f"{network} is {other}'s already", "a source address belongs to one trunk"
                yield config.marks.error(f"trunks.{name}.from[{index}]", problem, remedy)
        if trunk.challenge is not None:
            other = users.setdefault(trunk.challenge.user, name)
            if other != name:
                problem, remedy = f"{quoted(trunk.challenge.user)} is {other}'s already", "a user belongs to one trunk"
                yield config.marks.error(f"trunks.{name}.challenge.user", problem, remedy)


def _known(config: Config, path: str, trunk: TrunkSettings) -> Iterator[ConfigError]:
    named = trunk.sources or trunk.challenge is not None or (trunk.tls is not None and trunk.tls.identity)
    if not named:
        problem = "is empty"
        remedy = "the networks this trunk's packets come from are meant; or a challenge, or a tls.identity"
        yield config.marks.error(f"{path}.from", problem, remedy)
    if not trunk.codecs:
        yield config.marks.error(f"{path}.codecs", "is empty", "[pcmu, pcma] is meant")
    elif not speakable(trunk.codecs):
        problem = f"has no codec that this machine can speak: {missing(trunk.codecs[0])}"
        yield config.marks.error(f"{path}.codecs", problem, "add pcmu or pcma")
    if trunk.country is not None and not known_country(trunk.country):
        problem = f"{quoted(trunk.country)} is no country with numbers of its own"
        yield config.marks.error(f"{path}.country", problem, "two letters of ISO 3166 are meant, as US or DE")


def _media(config: Config, path: str, trunk: TrunkSettings) -> Iterator[ConfigError]:
    if trunk.is_loopback:
        return
    key, networks = ("from", trunk.sources) if trunk.media_from is None else ("media_from", trunk.media_from)
    for index, network in enumerate(networks):
        if network.overlaps(LOOPBACK_4) or network.overlaps(LOOPBACK_6):
            problem = f"{network} would take media from and send it to this machine"
            remedy = "loopback media is for trunks whose every `from` lies in 127.0.0.0/8 or is ::1"
            yield config.marks.error(f"{path}.{key}[{index}]", problem, remedy)


def _ways(config: Config, path: str, trunk: TrunkSettings) -> Iterator[ConfigError]:
    for index, text in enumerate(trunk.to):
        if wrong := _unreachable(text):
            place = f"{path}.to[{index}]" if len(trunk.to) > 1 else f"{path}.to"
            yield config.marks.error(place, f"{quoted(text)} {wrong}", "as sip:sbc.example.net;transport=tcp")
    probe = trunk.probe
    if probe is not None and probe.fail > probe.of:
        yield config.marks.error(f"{path}.probe.fail", f"{probe.fail} of {probe.of} can never fail", "")
    timer = trunk.session_timer
    if timer is None:
        return
    if timer.min_se < _SHORTEST:
        yield config.marks.error(f"{path}.session_timer.min_se", f"is under {_SHORTEST} seconds", "RFC 4028 section 5")
    if timer.expires < timer.min_se:
        problem = f"{timer.expires:g} is under min_se, {timer.min_se:g}"
        yield config.marks.error(f"{path}.session_timer.expires", problem, "")


def _unreachable(text: str) -> str:
    """Why a URI is no way to a carrier; empty when it is one."""
    try:
        uri = parse_uri(text)
    except MalformedMessage as error:
        return f"is not a SIP URI: {error.problem}"
    if not isinstance(uri, SipUri) or uri.headers:
        return "is not a SIP URI without headers"
    transport = uri.parameter("transport")
    return "" if transport in (None, "udp", "tcp", "tls") else "names no transport of ours"


def _strangers(config: Config, path: str, trunk: TrunkSettings) -> Iterator[ConfigError]:
    if trunk.challenge is not None and not trunk.challenge.algorithms:
        yield config.marks.error(f"{path}.challenge.algorithms", "is empty", "[SHA-256, MD5] is meant")


def _register(config: Config, path: str, trunk: TrunkSettings) -> Iterator[ConfigError]:
    wanted = trunk.register
    if wanted is None:
        return
    if trunk.auth is None:
        yield config.marks.error(f"{path}.register", "has nobody to register", "add auth: {user: ..., password: ...}")
    if wanted.registrar is None and not trunk.to:
        yield config.marks.error(f"{path}.register", "has nowhere to register", "add registrar, or the trunk's `to`")
    if wanted.registrar is not None and (wrong := _unreachable(wanted.registrar)):
        yield config.marks.error(f"{path}.register.registrar", f"{quoted(wanted.registrar)} {wrong}", "")
    if not Seconds(30) <= wanted.expires <= Seconds(86_400):
        yield config.marks.error(f"{path}.register.expires", "is not from 30 s to a day", "300 is usual")


def _tls(config: Config, path: str, trunk: TrunkSettings) -> Iterator[ConfigError]:
    tls = trunk.tls
    if tls is None:
        return
    if (tls.cert is None) != (tls.key is None):
        problem = "a certificate and its key go together"
        yield config.marks.error(f"{path}.tls", problem, "add both cert and key, two PEM files")
    inbound = [listener for listener in config.listen.sip if listener.tls is not None]
    encrypted = any(text.lower().startswith("sips:") or "transport=tls" in text.lower() for text in trunk.to)
    if tls.identity and not trunk.sources and not inbound and not encrypted:
        remedy = "add a tls listener, or a sips: `to`"
        yield config.marks.error(f"{path}.tls.identity", "nobody can show it: there is no TLS here", remedy)


def _identity(config: Config, path: str, trunk: TrunkSettings) -> Iterator[ConfigError]:
    shaken = trunk.identity
    if shaken is None:
        return
    place = f"{path}.identity"
    if shaken.sign is not None:
        for word in ("key", "certificate_url"):
            if getattr(shaken, word) is None:
                yield config.marks.error(f"{place}.{word}", "is missing", "signing needs key and certificate_url")
    url = shaken.certificate_url
    if url is not None and not re.fullmatch(r"https://[^\s/@]+/\S+", url):
        yield config.marks.error(f"{place}.certificate_url", "is not an https address", "https://HOST/PATH is meant")
    if shaken.verify == "off":
        return
    for word, what in (("anchors", "certificates to trust"), ("hosts", "hosts certificates are fetched from")):
        if not getattr(shaken, word):
            yield config.marks.error(f"{place}.{word}", "is missing", f"verify needs {what}")


def _numbers(config: Config, path: str, trunk: TrunkSettings) -> Iterator[ConfigError]:
    if len(set(trunk.caller_ids)) < len(trunk.caller_ids):
        yield config.marks.error(f"{path}.caller_ids", "names a number twice", "")
