"""The single values a file of ours may hold, each read from its text: secrets, addresses, networks, seconds, ports.

A reader takes the text and returns the value or raises Unreadable, which says what is wrong and what was meant.
"""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Callable
from typing import NewType, TypeVar

from callactors.routing.trunk import Network
from callactors.sip.address import Address

Seconds = NewType("Seconds", float)
PortRange = range  # of `listen.rtp`: every port of it may be used
Host = NewType("Host", str)  # a numeric address
Uri = NewType("Uri", str)  # sip: or sips:
Number = NewType("Number", str)  # E.164 with its plus
Name = NewType("Name", str)  # what we name things with: safe in a path, a tag and a log line
FileName = NewType("FileName", str)  # a relative path that stays below its folder
CodecName = NewType("CodecName", str)  # one of CODECS

CODECS = ("pcmu", "pcma", "opus", "g722")
_CALLED = {"ulaw": "pcmu", "alaw": "pcma", "g711": "pcmu", "g711u": "pcmu", "g711a": "pcma", "mulaw": "pcmu"}

T = TypeVar("T")

_DURATION = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+) ?(ms|s|m|h|)")
_UNITS = {"": 1.0, "s": 1.0, "ms": 0.001, "m": 60.0, "h": 3600.0}
_TRUE, _FALSE = ("true", "yes", "on"), ("false", "no", "off")


class Unreadable(ValueError):
    """This text is not such a value. `remedy` shows one that is."""

    def __init__(self, problem: str, remedy: str = "") -> None:
        self.problem, self.remedy = problem, remedy
        super().__init__(problem)


class Secret:
    """A text that no repr, format or log shows. `reveal()` is for the one place that sends it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return "Secret(***)"

    def __str__(self) -> str:
        return "***"

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)


def secret(text: str) -> Secret:
    if not text:
        raise Unreadable("is empty", 'write "${NAME}" and set NAME in the environment')
    return Secret(text)


def boolean(text: str) -> bool:
    if text.lower() in _TRUE + _FALSE:
        return text.lower() in _TRUE
    raise Unreadable("is neither true nor false")


def whole(text: str) -> int:
    """Decimal digits with an optional minus; at most 18 of them."""
    if not re.fullmatch(r"-?[0-9]{1,18}", text):
        raise Unreadable("is not a whole number")
    return int(text)


def decimal(text: str) -> float:
    if not re.fullmatch(r"-?([0-9]{1,18}(\.[0-9]{0,18})?|\.[0-9]{1,18})", text):
        raise Unreadable("is not a number")
    return float(text)


def seconds(text: str) -> Seconds:
    """`30`, `2.5`, `500ms`, `90s`, `5m`, `1h`; at most a week."""
    match = _DURATION.fullmatch(text)
    if not match:
        raise Unreadable("is not a duration", "seconds are meant: 30, 2.5, 500ms, 5m, 1h")
    value = float(match[1]) * _UNITS[match[2]]
    if not math.isfinite(value) or value > 604_800:
        raise Unreadable("is longer than a week", "seconds are meant")
    return Seconds(value)


def address(text: str) -> Address:
    """`127.0.0.1:5060` or `[::1]:5060`; port 0 is any free one."""
    remedy = "HOST:PORT is meant, as 127.0.0.1:5060"
    host, colon, port = text.rpartition(":")
    if not colon:
        raise Unreadable("has no port", remedy)
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    return Address(_numeric(host, remedy), _port(port, remedy))


def _numeric(host: str, remedy: str) -> str:
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        raise Unreadable("is not a numeric address", remedy) from None


def _port(text: str, remedy: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", text) or int(text) > 65_535:
        raise Unreadable("has no port from 0 to 65535", remedy)
    return int(text)


def host(text: str) -> Host:
    return Host(_numeric(text, "a numeric address is meant, as 203.0.113.7"))


def ports(text: str) -> PortRange:
    """`20000-29999`: both ends are included."""
    first, dash, last = text.partition("-")
    remedy = "FIRST-LAST is meant, as 20000-29999"
    if not dash:
        raise Unreadable("is not a range of ports", remedy)
    low, high = _port(first, remedy), _port(last, remedy)
    if low < 1 or high <= low:
        raise Unreadable("holds no even/odd pair of ports", remedy)
    return range(low, high + 1)


def network(text: str) -> Network:
    try:
        return ipaddress.ip_network(text)
    except ValueError as error:
        problem = "has host bits set" if "host bits" in str(error) else "is not a network"
        raise Unreadable(problem, "an address or CIDR is meant, as 54.172.60.0/30") from None


def uri(text: str) -> Uri:
    if not re.fullmatch(r"sips?:[^\s<>\"]+", text, re.IGNORECASE):
        raise Unreadable("is not a SIP URI", "sip:USER@HOST is meant")
    return Uri(text)


def number(text: str) -> Number:
    if not re.fullmatch(r"\+[1-9][0-9]{1,14}", text):
        raise Unreadable("is not an E.164 number", 'a plus and digits are meant, as "+13125550142"')
    return Number(text)


def name(text: str) -> Name:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}", text):
        raise Unreadable("is not a name", "letters, digits, _ and - are meant")
    return Name(text)


def file_name(text: str) -> FileName:
    parts = text.split("/")
    if len(text) > 200 or not all(re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_. -]*", part) for part in parts):
        raise Unreadable("is not a file below its folder", "a plain name is meant, as reception.md")
    return FileName(text)


def codec_name(text: str) -> CodecName:
    if text.lower().startswith("g729"):
        problem = "is not spoken: its one free implementation is GPL-3.0, and the others want a licence per channel"
        raise Unreadable(problem, "whoever offers g729 offers pcmu or pcma too")
    if text not in CODECS:
        plain = text.lower().replace("-", "")
        meant = plain if plain in CODECS else _CALLED.get(plain)
        raise Unreadable(f"is not one of {', '.join(CODECS)}", f"did you mean {meant}?" if meant else "")
    return CodecName(text)


READERS: dict[object, Callable[[str], object]] = {
    Secret: secret,
    bool: boolean,
    int: whole,
    float: decimal,
    Seconds: seconds,
    Address: address,
    Host: host,
    range: ports,
    Network: network,
    Uri: uri,
    Number: number,
    Name: name,
    FileName: file_name,
    CodecName: codec_name,
}
