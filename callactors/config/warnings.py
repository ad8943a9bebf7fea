"""What a configuration may do and its owner should know of: told by `check` and at start, and stops nothing."""

from __future__ import annotations

from collections.abc import Iterator

from callactors.audio.codecs import REMEDIES, missing
from callactors.config import recordings
from callactors.config.config import Config
from callactors.errors import ConfigError, MalformedMessage
from callactors.sip.uri import SipUri, parse_uri


def warn(config: Config) -> Iterator[ConfigError]:
    """Every doubt about a configuration that is fine otherwise."""
    yield from _emergency(config)
    yield from _bare(config)
    yield from _unheard(config)
    yield from _unspoken(config)
    yield from _readable_keys(config)
    yield from recordings.warn(config)
    yield from _narrow(config)


def _narrow(config: Config) -> Iterator[ConfigError]:
    """More calls than there are ports for them: the rest would be refused, whatever `limits.calls` says."""
    calls, pairs = config.limits.calls, len(config.listen.rtp) // 2
    if calls is not None and pairs < calls:
        problem = f"{calls} calls have {pairs} pairs of ports to be heard by"
        yield config.marks.error("limits.calls", problem, f"widen listen.rtp, or say {pairs}")


def _emergency(config: Config) -> Iterator[ConfigError]:
    """A scenario that serves the public has to do something with a call for help."""
    told: set[str] = set()
    for index, line in enumerate(config.numbers):
        trunk = config.trunks.get(line.trunk)
        if trunk is None or trunk.is_loopback or line.trunk in told:
            continue
        told.add(line.trunk)
        path = f"numbers[{index}]"
        if config.emergency is None:
            problem = f"{line.scenario or 'this file'} serves the public by {line.trunk} without emergency calls"
            remedy = "add emergency: {trunk: NAME}; until then such a caller is told to use another phone"
            yield config.marks.error(path, problem, remedy)
        elif trunk.country is None:
            problem = f"{line.trunk} has no country: only 911, 112 and emergency.numbers are known as emergency calls"
            yield config.marks.error(f"trunks.{line.trunk}", problem, f"add trunks.{line.trunk}.country")


def _bare(config: Config) -> Iterator[ConfigError]:
    if config.emergency is None:
        return
    if config.emergency.location is None:
        problem = "emergency calls carry no location"
        yield config.marks.error("emergency", problem, "add location: a PIDF-LO file (RFC 6442)")
    trunk = config.trunks.get(config.emergency.trunk)
    if trunk is not None and not trunk.caller_ids:
        problem = f"emergency calls by {config.emergency.trunk} show no number that help could call back"
        remedy = f"add trunks.{config.emergency.trunk}.caller_ids; a caller's own number is shown if it is among them"
        yield config.marks.error("emergency.trunk", problem, remedy)


def _unheard(config: Config) -> Iterator[ConfigError]:
    """Who is called by a transport we do not listen on cannot call back once that connection is closed."""
    heard = {word for listener in config.listen.sip for word in ("udp", "tcp", "tls") if getattr(listener, word)}
    for name, trunk in config.trunks.items():
        for index, uri in enumerate(trunk.to):
            transport = _transport(uri)
            if transport not in heard:
                problem = f"calls by {transport} tell {name} to answer by {transport}, and nothing listens there"
                yield config.marks.error(f"trunks.{name}.to[{index}]", problem, f"add a {transport} line to listen.sip")


def _readable_keys(config: Config) -> Iterator[ConfigError]:
    """The keys of SRTP stand in the SIP messages (RFC 4568 section 7): whoever reads those can listen."""
    tls_heard = any(listener.tls for listener in config.listen.sip)
    for name, trunk in config.trunks.items():
        if trunk.srtp == "off" or trunk.is_loopback:
            continue
        if any(_transport(uri) != "tls" for uri in trunk.to):
            problem, remedy = f"calls by {name} show their SRTP keys in clear SIP", "write `to` with ;transport=tls"
            yield config.marks.error(f"trunks.{name}.srtp", problem, remedy)
        elif not tls_heard:
            problem = f"calls from {name} can only come with their SRTP keys in clear SIP"
            yield config.marks.error(f"trunks.{name}.srtp", problem, "add a tls line to listen.sip")


def _unspoken(config: Config) -> Iterator[ConfigError]:
    """A codec that is missing on this machine is not offered."""
    for name, trunk in config.trunks.items():
        for index, codec in enumerate(trunk.codecs):
            if reason := missing(codec):
                problem = f"{codec} is not offered: {reason}"
                yield config.marks.error(f"trunks.{name}.codecs[{index}]", problem, REMEDIES[codec])


def _transport(text: str) -> str:
    try:
        uri = parse_uri(text)
    except MalformedMessage:
        return "udp"  # somebody else's complaint
    if isinstance(uri, SipUri) and uri.scheme == "sips":
        return "tls"
    return (uri.parameter("transport") or "udp").lower() if isinstance(uri, SipUri) else "udp"
