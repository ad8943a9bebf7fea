"""Registers with the trunks that want it, keeps the registrations alive, and takes them back at the end.

- One task a trunk. A registrar's hops are tried in DNS order; when all have failed, the pause grows, with jitter.
  An error of ours is such a failure, and ends neither the task nor the process.
- The end is synchronous: the REGISTER that takes a binding back leaves, the process's last seconds see it answered.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from random import Random

import attrs
import trio

from callactors.calls.contain import contain
from callactors.calls.ways import Locate
from callactors.config import Config
from callactors.config.trunk_schema import TrunkSettings
from callactors.errors import MalformedMessage, UnsafeText
from callactors.net.sip_endpoint import SipEndpoint
from callactors.sip.address import Hop
from callactors.sip.events import Replied
from callactors.sip.registration import Registration
from callactors.sip.uri import SipUri, parse_uri

Tell = Callable[..., None]  # (event, trunk, **facts)


@attrs.define(eq=False)
class Registrar:
    """Every registration of this process."""

    config: Config
    endpoint: SipEndpoint
    resolver: Locate
    random: Random
    tell: Tell = lambda event, trunk, **facts: None
    registrations: dict[str, Registration] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        made = {name: self._registration(trunk) for name, trunk in self.config.trunks.items()}
        self.registrations = {name: one for name, one in made.items() if one is not None}

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Until cancelled; started at once, registered when the registrars say so."""
        async with trio.open_nursery() as nursery:
            for trunk, registration in self.registrations.items():
                nursery.start_soon(self._keep, trunk, registration)
            task_status.started()

    def _registration(self, trunk: TrunkSettings) -> Registration | None:
        if trunk.register is None:
            return None
        uri = _sip(trunk.register.registrar or next(iter(trunk.to), ""))
        user = trunk.register.user or (trunk.auth.user if trunk.auth else "")
        if uri is None or not user:
            return None
        return Registration(uri, user, int(trunk.register.expires), f"{self.random.getrandbits(128):032x}")

    async def _keep(self, trunk: str, registration: Registration) -> None:
        """Register, refresh, and register again, until cancelled; then take it back."""
        hop: Hop | None = None
        try:
            while True:
                hop = await contain("registrar", partial(self._register, trunk, registration, hop), lambda error: None)
                if hop is None:
                    await trio.sleep(registration.pause(self.random))
                else:
                    await trio.sleep(registration.refresh_in())
        finally:
            if hop is not None and registration.state == "held":
                self._ask(trunk, registration, hop, expires=0)
            registration.state = "ended"

    async def _register(self, trunk: str, registration: Registration, last: Hop | None) -> Hop | None:
        """One round over the hops, the one that took us last time first; the one that took us, or None."""
        held = registration.state == "held"
        hops = await self.resolver.hops(registration.registrar)
        for hop in dict.fromkeys([*([last] if last in hops else []), *hops]):
            if await self._at(trunk, registration, hop):
                if not held:
                    self.tell("registered", trunk, hop=str(hop), expires=registration.granted)
                return hop
        if held or registration.failures in (0, 5):  # not a line for every try
            self.tell("not_registered", trunk, status=registration.status, hops=len(hops))
        registration.state = "failed"
        return None

    async def _at(self, trunk: str, registration: Registration, hop: Hop) -> bool:
        """Whether this hop took us."""
        again = True
        for _ in range(3):  # 423 may be said more than once
            if again:
                answer = await self._answer(trunk, registration, hop)
                if answer is None:
                    return False
                again = registration.replied(answer.status, answer.headers, answer.cseq)
        return registration.state == "held"

    async def _answer(self, trunk: str, registration: Registration, hop: Hop) -> Replied | None:
        session = self._ask(trunk, registration, hop)
        return None if session is None else await self.endpoint.wait_replied(session)

    def _ask(self, trunk: str, registration: Registration, hop: Hop, expires: int | None = None) -> int | None:
        registration.cseq += 1  # now: one that is never answered was sent all the same
        try:
            return self.endpoint.ask(
                "REGISTER",
                registration.uri,
                to=hop,
                trunk=trunk,
                caller=registration.party,
                callee=registration.party,
                headers=registration.headers(self.endpoint.contact(hop), expires),
                credentials=self.config.account(trunk),
                call_id=registration.call_id,
                cseq=registration.cseq,
            )
        except (MalformedMessage, UnsafeText) as error:
            self.tell("not_registered", trunk, problem=str(error))
            return None


def _sip(text: str) -> SipUri | None:
    try:
        uri = parse_uri(text)
    except MalformedMessage:
        return None
    return uri if isinstance(uri, SipUri) else None
