"""From Wanted to Ways: what may be dialled, by which trunks, at which of their addresses, showing which number.

The second carrier's DNS is asked only once the first carrier has failed. Rules of who may be dialled by which trunk:
- A number needs a prefix of `permit` or a name in `directory`; a URI needs a name in `directory`. Emergency needs none.
- Nobody is dialled at an emergency number for any other purpose, and an emergency call takes no ordinary route.
- The hop is always one of a trunk's `to`: no URI, wherever it came from, sends a packet to anybody else.
"""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Protocol

import attrs

from callactors.config import Config
from callactors.config.trunk_schema import TrunkSettings
from callactors.errors import MalformedMessage, Theirs
from callactors.routing.cause import Cause
from callactors.routing.route import Choice, choices, permitted
from callactors.routing.way import Wanted, Way
from callactors.sip.address import Hop
from callactors.sip.headers import NameAddr
from callactors.sip.uri import SipUri, TelUri, escape_user, parse_uri

MOST_HOPS = 4  # addresses of one trunk tried for one call
NOBODY = "callactors"  # the user of From where a trunk has no caller id


class Locate(Protocol):
    async def hops(self, uri: SipUri) -> list[Hop]: ...


class Nowhere(Theirs):
    """There is no way to try at all; `cause` says why."""

    def __init__(self, cause: Cause) -> None:
        self.cause = cause
        super().__init__(cause.value)


class WayFinder:
    """One for the process: it alternates between a trunk's addresses."""

    def __init__(self, config: Config, resolver: Locate, random: Random) -> None:
        self._config, self._resolver, self._random = config, resolver, random
        self._turns: Counter[str] = Counter()
        self._named = frozenset(entry.uri for entry in config.directory.values())

    def trunks(self, wanted: Wanted) -> list[Choice]:
        """The trunks to try, best first. Raises Nowhere."""
        number = self._number(wanted)
        named = self._trunk_of(wanted)
        routes = () if wanted.purpose == "emergency" else self._config.routes
        found = [Choice(named)] if named else choices(number or "", routes, self._random)
        usable = [one for one in found if one.trunk not in wanted.avoid and self._takes_calls(one.trunk)]
        if not usable:
            raise Nowhere(Cause.NO_ROUTE)
        if wanted.purpose != "emergency" and any(self.is_for_help(wanted, one.trunk) for one in usable):
            raise Nowhere(Cause.NOT_PERMITTED)
        showing = [one for one in usable if self._may_show(one.trunk, wanted)]
        if not showing:
            raise Nowhere(Cause.CALLER_ID)
        return showing

    async def ways(self, wanted: Wanted, choice: Choice) -> list[Way]:
        """One trunk's addresses, in order; none when DNS knows none."""
        number, caller = self._number(wanted), self.caller(choice.trunk, wanted.caller)
        found: dict[Hop, Way] = {}
        for target in self._turned(choice.trunk):
            for hop in await self._resolver.hops(target):
                found.setdefault(hop, self._way(wanted, number, choice, target, hop, caller))
        return list(found.values())[:MOST_HOPS]

    def nowhere(self, wanted: Wanted, choice: Choice) -> Way:
        """What stands in the record for a trunk that was never asked: its first `to`, as it is written."""
        number, caller = self._number(wanted), self.caller(choice.trunk, wanted.caller)
        target = self.targets(choice.trunk)[0]
        return self._way(wanted, number, choice, target, Hop(target.host, target.port or 0), caller)

    def _number(self, wanted: Wanted) -> str | None:
        """The number dialled, where it is one. Raises Nowhere for what nobody permits."""
        number = wanted.number
        if number is None:
            uri = _read(wanted.uri or "")
            number = uri.digits if isinstance(uri, TelUri) else None
            if not isinstance(uri, TelUri | SipUri):
                raise Nowhere(Cause.NOT_PERMITTED)
        names = {wanted.uri, f"tel:{number}"} - {None}
        known = wanted.purpose == "emergency" or names & self._named
        if known or (number is not None and permitted(number, self._config.permit)):
            return number
        raise Nowhere(Cause.NOT_PERMITTED)

    def is_for_help(self, wanted: Wanted, trunk: str | None) -> bool:
        """Whether this would be an emergency call in the trunk's country, or anywhere we know."""
        uri = _read(wanted.uri or "")
        user = uri.user_decoded if isinstance(uri, SipUri | TelUri) else wanted.uri
        return self._config.emergency_number(wanted.number or user or "", trunk) is not None

    def _takes_calls(self, trunk: str) -> bool:
        return trunk in self._config.trunks and bool(self.targets(trunk))

    def _trunk_of(self, wanted: Wanted) -> str | None:
        """The trunk this goes by whatever the routes say."""
        emergency = self._config.emergency
        if wanted.trunk is None and wanted.purpose == "emergency" and emergency is not None:
            return emergency.trunk
        return wanted.trunk

    def _may_show(self, trunk: str, wanted: Wanted) -> bool:
        allowed = self._config.trunks[trunk].caller_ids
        return wanted.caller is None or wanted.caller in allowed or wanted.purpose == "emergency"

    def targets(self, trunk: str) -> list[SipUri]:
        """A trunk's `to`, as it stands in the file."""
        read = (_read(text) for text in self._config.trunks[trunk].to)
        return [uri for uri in read if isinstance(uri, SipUri)]

    def _turned(self, trunk: str) -> list[SipUri]:
        """The same, another one first each time: an SBC pair shares the calls."""
        targets = self.targets(trunk)
        turn = self._turns[trunk] % len(targets)
        self._turns[trunk] += 1
        return targets[turn:] + targets[:turn]

    def caller(self, trunk: str, number: str | None = None) -> NameAddr:
        """Whom a request of ours is from: this number if the trunk may show it, else its first, else its user."""
        settings = self._config.trunks[trunk]
        shown = number if number in settings.caller_ids else next(iter(settings.caller_ids), None)
        user = shown or (settings.auth.user if settings.auth else NOBODY)
        return NameAddr("", SipUri("sip", escape_user(user), None, self._home(trunk, settings)))

    def _home(self, trunk: str, settings: TrunkSettings) -> str:
        """The host of From: the registrar's domain where we register, else our own address."""
        return self.targets(trunk)[0].host if settings.register else self._config.listen.advertised

    def _way(
        self, wanted: Wanted, number: str | None, choice: Choice, target: SipUri, hop: Hop, caller: NameAddr
    ) -> Way:
        return Way(
            trunk=choice.trunk,
            hop=hop,
            uri=_request_uri(wanted, number, choice.trunk, target),
            caller=caller,
            headers=wanted.headers,
            location=wanted.location,
            credentials=self._config.account(choice.trunk),
            rate=choice.rate,
        )


def _request_uri(wanted: Wanted, number: str | None, trunk: str, target: SipUri) -> SipUri:
    """Whom the INVITE asks for: the number at the trunk, or the URI, its host made real where it is a trunk's name."""
    if number is not None:
        return attrs.evolve(target, user=escape_user(number), password=None, headers=())
    uri = _read(wanted.uri or "")
    assert isinstance(uri, SipUri)  # the trunk was found by it, or it is a name of the directory
    if uri.host == trunk:
        return attrs.evolve(target, user=uri.user, password=None, headers=())
    return attrs.evolve(uri, headers=())


def _read(text: str) -> object:
    try:
        return parse_uri(text)
    except MalformedMessage:
        return None
