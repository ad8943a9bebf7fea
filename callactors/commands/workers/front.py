"""The parent's SIP: each message of the public sockets goes to the worker it is for, the rest is answered here.

- A house registers, probes and buries once: here. OPTIONS are answered here, and the answer is true of all workers.
- An INVITE that no worker can take is refused here, with its row: 503 and Retry-After. So is one whose worker has died
  while it rang.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import attrs
import trio

from callactors import __version__
from callactors.calls.burial import send_byes
from callactors.calls.dialer import Dialer
from callactors.calls.prober import Probed, Prober
from callactors.calls.registrar import Registrar
from callactors.calls.trunk_board import TrunkBoard
from callactors.commands.serving import tell
from callactors.commands.workers.house import House
from callactors.commands.workers.unanswered import Invite, Unanswered
from callactors.commands.workers.words import Handed, HopLost, ToWorker, TrunkProbed
from callactors.config import neighbours
from callactors.errors import LedgerBroken
from callactors.meters.log import log
from callactors.net.capture_file import CaptureFile
from callactors.net.handed import FrontWire
from callactors.net.resolver import Resolver
from callactors.net.sip_endpoint import SipEndpoint
from callactors.routing.cause import Cause
from callactors.sip.address import Address, Hop
from callactors.sip.dispatch import HOME, Dispatch, Load
from callactors.sip.events import Invited
from callactors.sip.gate import RETRY_AFTER, Gate
from callactors.stores.ids import uuid7
from callactors.stores.ledger import Ledger
from callactors.stores.ledger_orphans import Orphan
from callactors.stores.ledger_rows import CallRefused, Row

TRIES = 2  # workers that an INVITE is handed to: one that kills them is not to kill all


class Staff(Protocol):
    """The workers, as the front knows them."""

    def loads(self) -> Sequence[Load]:
        """Each as it is now."""

    def send(self, worker: int, word: ToWorker) -> None:
        """To one that is usable, or was a moment ago."""

    def full(self) -> str:
        """Why nobody takes a call; "" when somebody does."""


@attrs.define(eq=False)
class Front:
    """One for the house."""

    house: House
    ledger: Ledger
    staff: Staff
    endpoint: SipEndpoint = attrs.field(init=False)
    board: TrunkBoard = attrs.field(init=False)
    dispatch: Dispatch = attrs.field(init=False)
    capture: CaptureFile = attrs.field(init=False)
    gate: Gate = attrs.field(init=False)
    _wire: FrontWire = attrs.field(init=False)
    _prober: Prober = attrs.field(init=False)
    _registrar: Registrar = attrs.field(init=False)
    _unanswered: Unanswered = attrs.field(factory=Unanswered, init=False)
    _left: Invite | None = attrs.field(default=None, init=False)  # the one that is refused just now
    _doors: bool = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        config, dice = self.house.config, random.SystemRandom()
        self.dispatch = Dispatch(config.node, self.house.count)
        self._doors = bool(config.doors())
        self._wire = FrontWire(self.house.wires, self._claims, self._lost)
        self.capture = CaptureFile(Path(config.data_dir) / "sip.log", self.ledger.wall)
        self.gate = Gate(config.doors(), key=self.house.key, random=dice, urgent=lambda request, trunk: False)
        self.endpoint = self._listen(dice)
        resolver = Resolver.of(config, dice)
        self.board = TrunkBoard(Path(config.data_dir), lambda: self._now() / 1000)
        dialer = Dialer(config, resolver, dice)
        self._prober = Prober(dialer, self.endpoint, dice, self.board, self._probed)
        self._registrar = Registrar(config, self.endpoint, resolver, dice, self._registered)

    async def run(self, services: trio.Nursery) -> Address:
        """Serve the public sockets from here on; where."""
        await services.start(self.capture.run)
        where: Address = await services.start(self.endpoint.run)
        return where

    async def open(self, services: trio.Nursery, calls: trio.Nursery) -> None:
        """Let calls come: there is somebody to take them."""
        if self.house.config.numbers:
            await calls.start(self._registrar.run)
        await services.start(self.board.run)
        services.start_soon(self._prober.run)

    def bury(self, orphans: Sequence[Orphan], cause: Cause) -> None:
        """A BYE to every peer of these calls."""
        send_byes(orphans, cause, self.endpoint, self.house.config, tell)

    def see(self, row: Row) -> None:
        """A worker's row."""
        self._unanswered.see(row, trio.current_time())

    def lose(self, worker: int) -> None:
        """It has died. Whom it had not heard out another worker hears, once; whoever heard it ring is told 503."""
        self.dispatch.forget(worker)
        for left in self._unanswered.lose(worker, trio.current_time()):
            again = not left.opened and left.tries < TRIES
            if not (again and self._claims(left.data, left.source, left.tries + 1)):
                self._left = left
                self.endpoint.take(left.data, left.source)
                self._left = None

    # -- messages ------------------------------------------------------------------------------------------------

    def _listen(self, dice: random.Random) -> SipEndpoint:
        config, names = self.house.config, self.house.wires.names
        return SipEndpoint(
            *self._wire.address,
            wire=self._wire,
            node=config.node,
            trunk_of=lambda source: neighbours.trunk_of(config, source, names(source.flow)),
            admits=lambda source, trunk: neighbours.admits(config, trunk, source, names(source.flow)),
            on_invite=self._invited,
            gate=self.gate,
            random=dice,
            advertise=config.listen.advertise,
            policy_of=config.policy,
            accepting=lambda: not self.staff.full(),
            user_agent=f"callactors/{__version__}",
            tap=self.capture.tap,
        )

    def _claims(self, data: bytes, source: Hop, tries: int = 1) -> bool:
        """Whether this message was a worker's, who has it now."""
        names, now = self.house.wires.names(source.flow), trio.current_time()
        known = neighbours.trunk_of(self.house.config, source, names) is not None
        worker = self.dispatch.worker(data, self.staff.loads(), now, listed=known or self._doors)
        if worker == HOME:
            return False
        self.staff.send(worker, Handed(data, self._wire.handed(source), names))
        if (known or b"uthorization" in data) and (call_id := self.dispatch.opens(data)):
            self._unanswered.note(call_id, worker, data, source, now, tries)
        return True

    def _lost(self, hop: Hop, broken: bool) -> None:
        self._everybody(HopLost(hop, broken))

    def _everybody(self, word: ToWorker) -> None:
        for worker, load in enumerate(self.staff.loads()):
            if load.usable:
                self.staff.send(worker, word)

    def _invited(self, invite: Invited) -> None:
        """One that no worker was there for, or whose worker has died."""
        self.endpoint.reject(invite.session, 503, None, (RETRY_AFTER,))
        cause, why = Cause.OVERLOAD, self.staff.full() or "workers: none was ready"
        if self._left is not None:
            cause, why = Cause.CRASH, "its worker died"
        if self._left is None or not self._left.opened:
            self._note_refusal(invite, cause, why)

    def _note_refusal(self, invite: Invited, cause: Cause, why: str) -> None:
        now = self._now()
        tell("refused", cause=cause.value, why=why)
        row = CallRefused(
            call=uuid7(now),
            at=now,
            cause=cause,
            sip_code=503,
            trunk=invite.trunk,
            sip_call_id=invite.request.headers.get("Call-ID"),
            reason=why,
        )
        try:
            self.ledger.queue(row)
        except LedgerBroken as error:
            tell("row_lost", error=str(error))

    # -- trunks --------------------------------------------------------------------------------------------------

    def _probed(self, probed: Probed) -> None:
        self._everybody(TrunkProbed(probed.trunk, probed.hop, not probed.alive))

    def _registered(self, event: str, trunk: str, **facts: str | int) -> None:
        log().info(f"trunk.{event}", trunk=trunk, **facts)
        self.board.note(trunk, "registration", state=event, **facts)

    def _now(self) -> int:
        return self.ledger.wall(trio.current_time())
