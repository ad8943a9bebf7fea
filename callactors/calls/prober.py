"""OPTIONS to the trunks that want it, so that a dead address is known before a call finds out (RFC 3261 section 11).

- Whoever answers is alive, whatever the answer, but for 408, 502, 503 and 504: those say "not now".
- Each trunk is asked `probe.every` seconds apart, give or take a tenth, so that a cluster's probes spread out.
- A round that breaks on an error of ours is one line of the log; the next one comes all the same.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from random import Random

import attrs
import trio

from callactors.calls.contain import contain
from callactors.calls.dialer import Dialer
from callactors.calls.trunk_board import TrunkBoard
from callactors.config.trunk_schema import Probe
from callactors.net.sip_endpoint import SipEndpoint
from callactors.sip.address import Hop
from callactors.sip.events import Replied
from callactors.sip.uri import SipUri

PATIENCE = 4.0  # seconds until an answer
NOT_NOW = frozenset({408, 502, 503, 504})
JITTER = 0.1


@attrs.frozen
class Probed:
    """What one address said: a SIP status, or None when nothing came; `seconds` is how long that took.

    `unreachable`: the transport failed, so that nobody was asked.
    """

    trunk: str
    hop: Hop
    status: int | None
    seconds: float
    unreachable: bool = False

    @property
    def alive(self) -> bool:
        return self.status is not None and self.status not in NOT_NOW


@attrs.define(eq=False)
class Prober:
    """One for the process: feeds the dialer's breakers, and shows what it knows on the board."""

    dialer: Dialer
    endpoint: SipEndpoint
    random: Random
    board: TrunkBoard | None = None
    told: Callable[[Probed], None] = lambda probed: None  # of every answer, and of every one that did not come

    async def run(self) -> None:
        """Probe until cancelled."""
        async with trio.open_nursery() as nursery:
            for name, trunk in self.dialer.config.trunks.items():
                if trunk.probe is not None and self.dialer.finder.targets(name):
                    nursery.start_soon(self._keep_probing, name, trunk.probe)

    async def probe(self, trunk: str) -> list[Probed]:
        """Ask every address of a trunk, all at once; none when DNS knows none."""
        found: dict[Hop, SipUri] = {}
        for target in self.dialer.finder.targets(trunk):
            for hop in await self.dialer.resolver.hops(target):
                found.setdefault(hop, target)
        answers: list[Probed] = []
        async with trio.open_nursery() as nursery:
            for hop, target in found.items():
                nursery.start_soon(self._ask, trunk, hop, target, answers)
        return sorted(answers, key=lambda one: list(found).index(one.hop))

    async def _keep_probing(self, trunk: str, probe: Probe) -> None:
        while True:
            await trio.sleep(probe.every * self.random.uniform(1 - JITTER, 1 + JITTER))
            await contain("prober", partial(self._look, trunk), lambda error: None)

    async def _look(self, trunk: str) -> None:
        answers = await self.probe(trunk)
        for probed in answers:
            self._tell(probed)
        if self.board is not None and not answers:
            self.board.note(trunk, "address", state="not found")

    def _tell(self, probed: Probed) -> None:
        self.told(probed)
        now, breakers = trio.current_time(), self.dialer.breakers
        breakers.report(probed.trunk, probed.hop, not probed.alive, now)
        if self.board is not None:
            state = breakers.state(probed.trunk, probed.hop, now)
            self.board.note(probed.trunk, str(probed.hop), state=state, status=probed.status)

    async def _ask(self, trunk: str, hop: Hop, target: SipUri, answers: list[Probed]) -> None:
        began = trio.current_time()
        asked = self.endpoint.ask(
            "OPTIONS",
            attrs.evolve(target, user=None, password=None, headers=()),
            to=hop,
            trunk=trunk,
            caller=self.dialer.finder.caller(trunk),
            headers=[("Accept", "application/sdp")],
            credentials=self.dialer.config.account(trunk),
        )
        reply: Replied | None = None
        with trio.move_on_after(PATIENCE):
            reply = await self.endpoint.wait_replied(asked)
        broken = reply is not None and reply.unreachable
        status = None if reply is None or broken else reply.status
        answers.append(Probed(trunk, hop, status, trio.current_time() - began, broken))
