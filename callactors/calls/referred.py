"""A REFER that comes to us (RFC 3515): whom it may name, the call it asks for, and what its sender is told of that.

- `refers: directory` allows the names of `directory` only, `permitted` also numbers with a prefix of `permit`.
- An emergency number is nobody's to refer us to. Whatever is not allowed is 603, and the call goes on.
- Once they answer, the conversation goes on with them on the new leg; the old one has its final NOTIFY, then its BYE.
- Whoever refers and hangs up at once is not waited for: the call lives while the other phone rings.
"""

from __future__ import annotations

import attrs
import trio

from callactors.actors.messages import By, CallEnded, CallRinging, LegEnded, LegReferred
from callactors.actors.sip_leg import SipLeg
from callactors.calls.dialer import Unreached
from callactors.calls.living import Living
from callactors.calls.outside import Outside
from callactors.config import Config
from callactors.errors import MalformedMessage
from callactors.routing.cause import Cause
from callactors.routing.e164 import normalise
from callactors.routing.route import permitted
from callactors.routing.trunk import Trunk
from callactors.routing.way import Wanted
from callactors.sip.replaces import parse_replaces
from callactors.sip.uri import SipUri, TelUri, parse_uri

NOBODY_THERE = 480  # what a referral that no network answered is reported as


def wanted_by(message: LegReferred, trunk: Trunk, config: Config) -> Wanted | None:
    """What this REFER may have us dial; None when that is nothing."""
    try:
        uri = parse_uri(message.uri)
        headers = _headers(message)
    except MalformedMessage:
        return None
    if trunk.refers == "never" or not isinstance(uri, SipUri | TelUri):
        return None
    bare = attrs.evolve(uri, headers=()) if isinstance(uri, SipUri) else uri
    for entry in config.directory.values():
        if parse_uri(entry.uri).matches(bare):
            return Wanted(purpose="referred", uri=entry.uri, trunk=entry.trunk, headers=headers)
    if trunk.refers != "permitted":
        return None
    number = normalise(uri.user_decoded, config.trunks[trunk.name].country)
    if number is None or not permitted(number, config.permit):
        return None
    forced = None if config.routes else trunk.name
    return Wanted(purpose="referred", number=number, trunk=forced, headers=headers)


def _headers(message: LegReferred) -> tuple[tuple[str, str], ...]:
    """What the new INVITE says of the REFER. Raises MalformedMessage for a Replaces that cannot be read."""
    found: list[tuple[str, str]] = []
    if message.replaces is not None:
        parse_replaces(message.replaces)
        found.append(("Replaces", message.replaces))
    if message.referred_by is not None:
        found.append(("Referred-By", f"<{message.referred_by}>"))
    return tuple(found)


@attrs.define(eq=False)
class Referral:
    """The REFERs one call gets, one at a time."""

    call: Living
    outside: Outside
    under_way: bool = attrs.field(default=False, init=False)
    _rang: bool = attrs.field(default=False, init=False)
    _left: LegEnded | None = attrs.field(default=None, init=False)  # the one who referred hung up meanwhile

    def asked(self, message: LegReferred) -> None:
        """A LegReferred of the current leg: dial, or 603."""
        leg = self.call.line.current
        if leg is None:
            return
        wanted = None if self.under_way else wanted_by(message, leg.trunk, self.outside.config)
        if wanted is None or self.outside.dialer.finder.is_for_help(wanted, wanted.trunk):
            self.call.record.event("refer_denied", uri=message.uri[:200])
            leg.respond_refer(message.request_id, 603)
            return
        self.under_way, self._left, self._rang = True, None, False
        self.call.record.event("referred", uri=message.uri[:200])
        leg.respond_refer(message.request_id, 202)
        leg.notify(100, "Trying", False)
        self.call.spawn(self._dial, leg, wanted)

    def rings(self, message: CallRinging) -> None:
        """Whoever we were referred to is being alerted."""
        leg = self.call.line.current
        if self.under_way and leg is not None and self._left is None and not self._rang:
            self._rang = True
            leg.notify(180, "Ringing", False)

    def left(self, ended: LegEnded) -> bool:
        """The current leg has ended; whether the call waits all the same, because somebody else is being dialled."""
        if self.under_way:
            self._left = ended
        return self.under_way

    async def _dial(self, old: SipLeg, wanted: Wanted) -> None:
        try:
            reached = await self.outside.reach(self.call, wanted, conversing=True)
        finally:
            self.under_way = False
        if isinstance(reached, SipLeg) and reached.ended:  # they picked up and put down
            self.call.record.left(reached.number, Cause.CALLEE_HUNG_UP)
            reached = Unreached(Cause.CALLEE_HUNG_UP)
        if isinstance(reached, Unreached):
            return await self._failed(old, reached)
        self._tell(old, 200, "OK")
        self.call.replace_leg(reached, Cause.TRANSFERRED)

    async def _failed(self, old: SipLeg, unreached: Unreached) -> None:
        status = unreached.tried[-1].status if unreached.tried else None
        self._tell(old, status or NOBODY_THERE, "Failed")
        if self._left is not None:
            by: By = self._left.by
            await self.call.boxes.desk.send(CallEnded(at=trio.current_time(), cause=self._left.cause, by=by))

    def _tell(self, old: SipLeg, status: int, reason: str) -> None:
        if self._left is None:
            old.notify(status, reason, True)
