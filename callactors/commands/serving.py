"""A process that takes calls: everything `run`, `demo` and the tests start, in the order it must start and end.

Ends inside out: no new call, the calls' nurseries, the BYEs they left with the endpoint, then the ledger's last commit.
"""

from __future__ import annotations

import random
import resource
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager, nullcontext
from pathlib import Path

import attrs
import trio

from callactors import __version__
from callactors.calls.burial import send_byes
from callactors.calls.dialer import Dialer, caps
from callactors.calls.house import (
    PhraseBook,
    formats_of,
    location_of,
    make_brain,
    model_lines,
    needs_brain,
    phrases_without_brain,
    playbooks,
    rehearse,
    said_often,
    texts_of,
)
from callactors.calls.models import ModelLine
from callactors.calls.offered import Vouched, dialled_of
from callactors.calls.playbook import Playbook
from callactors.calls.prober import Prober
from callactors.calls.readings import Readings
from callactors.calls.registrar import Registrar
from callactors.calls.seats import Alone, Seats, SharedLimits
from callactors.calls.signing import Signing
from callactors.calls.switchboard import Switchboard
from callactors.calls.trunk_board import TrunkBoard
from callactors.calls.vouching import Vouching, load_rules
from callactors.commands.listening import open_wires
from callactors.config import Config, neighbours
from callactors.errors import Unusable
from callactors.meters.log import call_event, log
from callactors.meters.page import Meters
from callactors.meters.pulse import Pulse
from callactors.net.capture_file import CaptureFile
from callactors.net.handed import HandedWire
from callactors.net.kernel_timer import fine_sleep
from callactors.net.media_plane import MediaPlane
from callactors.net.offload import in_thread
from callactors.net.resolver import Resolver
from callactors.net.sip_endpoint import SipEndpoint
from callactors.routing.cause import Cause
from callactors.sip.address import Address
from callactors.sip.events import Invited
from callactors.sip.gate import Gate
from callactors.sip.message import Request
from callactors.speech.brain import Brain
from callactors.stores.ledger import open_ledger
from callactors.stores.ledger_writer import LedgerWriter
from callactors.web.app import Health, make_app
from callactors.web.server import run_web

Tell = Callable[..., None]
SETTLE = 2.0  # seconds the last BYEs may take to be answered when the process ends


@attrs.frozen
class Lent:
    """What a worker has from its parent, and a process that is a whole house opens itself.

    Registrations, probes, orphans and the web face are the parent's. `key` is the gate's, for its nonces.
    """

    ledger: LedgerWriter
    wire: HandedWire
    seats: Seats
    key: bytes
    capture: str  # file name


@attrs.frozen
class Serving:
    """A process that takes calls, and where."""

    config: Config
    sip: Address
    web: Address | None
    switchboard: Switchboard
    endpoint: SipEndpoint
    plane: MediaPlane
    ledger: LedgerWriter
    brain: Brain | None
    meters: Meters


def tell(event: str, call: str = "", **facts: object) -> None:
    """One line a call event."""
    call_event(call, event, **facts)


def raise_descriptor_limit() -> int:
    """Lift RLIMIT_NOFILE to what the system allows: two sockets a call and one a model. Returns the new limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def make_folder(data: Path) -> None:
    """The data folder. Blocking. Raises Unusable."""
    try:
        data.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        remedy = "name a folder you may write with --data DIR"
        raise Unusable(f"{data} cannot hold our data: {error.strerror}; {remedy}") from error


@asynccontextmanager
async def serving(
    config: Config,
    *,
    agents: Path | None = None,
    brain: Brain | None = None,
    tell: Tell = tell,
    scenarios: Sequence[str] = (),
    lent: Lent | None = None,
) -> AsyncIterator[Serving]:
    """Start everything; usable inside the `async with`.

    `scenarios` are made ready beside those that `numbers` name: calls we place may speak by them.
    `brain` lends one that already runs; `tell(event, call=..., **facts)` is told what happens in every call.
    """
    data = Path(config.data_dir)
    with ExitStack() as closing:
        await in_thread(make_folder, data)
        async with _ledger_of(config, lent) as ledger:
            books = await in_thread(playbooks, config, agents, closing, scenarios)
            phrases, lines = PhraseBook(formats_of(config)), dict[str, ModelLine]()
            calls = _Calls(config, ledger, books, lines, phrases, tell, lent)  # binds first: loading takes seconds
            closing.callback(calls.endpoint.close)
            async with trio.open_nursery() as services:
                calls.brain = await _prepare(config, books, phrases, brain, services)
                lines.update(model_lines(config, calls.brain, calls.plane.lanes))
                try:
                    async with calls.open(services) as up:
                        yield up
                finally:
                    with trio.move_on_after(SETTLE, shield=True):
                        await calls.endpoint.wait_settled()
                    services.cancel_scope.cancel()


def _ledger_of(config: Config, lent: Lent | None) -> AbstractAsyncContextManager[LedgerWriter]:
    return open_ledger(Path(config.ledger.path), config.node) if lent is None else nullcontext(lent.ledger)


async def _prepare(
    config: Config, books: Mapping[str, Playbook], phrases: PhraseBook, lent: Brain | None, services: trio.Nursery
) -> Brain | None:
    """The brain, lent or our own, where one is needed; and everything said on every call, as audio."""
    if lent is None and not needs_brain(config):
        await phrases_without_brain(config, phrases, texts_of(books))
        return None
    brain = lent or await services.start(make_brain(config).run)
    await phrases.fill(brain, texts_of(books))
    if needs_brain(config):
        await rehearse(brain, said_often(books), phrases.formats)
    return brain


class _Calls:
    """The part of a process that knows what a call is."""

    def __init__(
        self,
        config: Config,
        ledger: LedgerWriter,
        books: Mapping[str, Playbook],
        lines: Mapping[str, ModelLine],
        phrases: PhraseBook,
        tell: Tell,
        lent: Lent | None = None,
    ) -> None:
        """`lines` and `phrases` may be filled until `open`. Raises Unusable when the SIP address is taken."""
        self.config, self.ledger, self.lent = config, ledger, lent
        self.brain: Brain | None = None
        listen, dice = config.listen, random.SystemRandom()
        self.capture = CaptureFile(Path(config.data_dir) / (lent.capture if lent else "sip.log"), ledger.wall)
        timers = config.timers
        hosts = [listener.address.host for listener in listen.sip]
        self.plane = MediaPlane(
            hosts[0],
            listen.rtp,
            dice,
            first_rtp=timers.first_rtp,
            rtp_silence=timers.rtp_silence,
            other=next((host for host in hosts if (":" in host) != (":" in hosts[0])), None),
        )
        self.vouching = Vouching(load_rules(config), self._wall, self._is_urgent, self._admit)
        self.meters = Meters(trio.current_time)
        self.pulse = Pulse(self._media_lag, self.meters.series.lag.observe)
        self.gate = self._gate(dice)
        self.endpoint = self._listen(dice)
        resolver, signing = Resolver.of(config, dice), Signing.load(config, dice, self._wall)
        self.dialer = Dialer(config, resolver, dice, used=self.endpoint.calls, dress=signing.dress)
        if lent is not None:
            self.dialer.limits = SharedLimits(caps(config), self.endpoint.calls, lent.seats)
        self.registrar = Registrar(config, self.endpoint, resolver, dice, self._tell_of_registration)
        self.board = TrunkBoard(Path(config.data_dir), lambda: ledger.wall(trio.current_time()) / 1000)
        self.prober = Prober(self.dialer, self.endpoint, dice, self.board)
        self.switchboard = Switchboard(
            config, self.endpoint, self.plane, ledger, books, lines, phrases.cached, tell, self.dialer,
            location_of(config), self.pulse.vitals, lent.seats if lent else Alone(),
        )  # fmt: skip
        self._meter()

    def _meter(self) -> None:
        """Everything that is counted is counted from here on."""
        self.ledger.seen = self.meters.see
        readings = Readings(self.switchboard, self.pulse, self.meters.tally, self.gate.counters, self.board.facts)
        self.meters.watch(readings.read)

    def _media_lag(self) -> float:
        """Seconds; the media clock stands still while no stream is open."""
        plane = self.plane.statistics()
        return plane.lag if plane.open_streams else 0.0

    def _listen(self, dice: random.Random) -> SipEndpoint:
        config = self.config
        wires = open_wires(config) if self.lent is None else self.lent.wire
        return SipEndpoint(
            *wires.address,
            wire=wires,
            node=config.node,
            trunk_of=lambda source: neighbours.trunk_of(config, source, wires.names(source.flow)),
            admits=lambda source, trunk: neighbours.admits(config, trunk, source, wires.names(source.flow)),
            on_invite=self.vouching.invited,
            gate=self.gate,
            random=dice,
            advertise=config.listen.advertise,
            policy_of=config.policy,
            accepting=lambda: not self.switchboard.full(),
            user_agent=f"callactors/{__version__}",
            tap=self.capture.tap,
        )

    def _gate(self, dice: random.Random) -> Gate:
        config = self.config
        return Gate(
            config.doors(),
            key=self.lent.key if self.lent else dice.randbytes(32),
            random=dice,
            urgent=self._is_for_help,
            alarm=lambda alarm: log().warning(f"source.{alarm.what}", host=alarm.host, trunk=alarm.trunk),
        )

    def _admit(self, invite: Invited, vouched: Vouched | None) -> None:
        self.switchboard.invited(invite, vouched)

    def _is_urgent(self, invite: Invited) -> bool:
        return self._is_for_help(invite.request, invite.trunk)

    def _is_for_help(self, request: Request, trunk: str) -> bool:
        return self.config.emergency_number(dialled_of(request.uri), trunk) is not None

    def _tell_of_registration(self, event: str, trunk: str, **facts: str | int) -> None:
        log().info(f"trunk.{event}", trunk=trunk, **facts)
        self.board.note(trunk, "registration", state=event, **facts)

    def _wall(self) -> float:
        """Seconds since 1970."""
        return self.ledger.wall(trio.current_time()) / 1000

    @asynccontextmanager
    async def open(self, services: trio.Nursery) -> AsyncIterator[Serving]:
        """Answer calls inside the `async with`; leaving it ends every call, and the services may follow."""
        await services.start(self.capture.run)
        await services.start(self._keep_time)
        async with trio.open_nursery() as calls:
            await calls.start(self.switchboard.run)
            await services.start(self.vouching.run)
            sip = await services.start(self.endpoint.run)
            if self.lent is None:
                await self._open_house(services, calls)
            web = await self._open_web(services)
            await services.start(self.pulse.run)  # last: what it took to get here is no sign of what calls cost
            yield Serving(
                self.config, sip, web, self.switchboard, self.endpoint, self.plane, self.ledger, self.brain,
                self.meters,
            )  # fmt: skip
            calls.cancel_scope.cancel()

    async def _keep_time(self, task_status: trio.TaskStatus[None]) -> None:
        with fine_sleep() as sleep_until:
            await self.plane.run(sleep_until, task_status=task_status)

    async def _open_house(self, services: trio.Nursery, calls: trio.Nursery) -> None:
        """What a house does once, however many workers it has."""
        if self.config.numbers:  # a registration brings calls, and a process that only places them wants none
            await calls.start(self.registrar.run)
        await services.start(self.board.run)
        services.start_soon(self.prober.run)
        await self._bury_orphans()

    async def _bury_orphans(self) -> None:
        """Calls that a killed process of this node left open: a BYE to each peer, and the record closed."""
        orphans = await self.ledger.orphans()
        send_byes(orphans, Cause.KILLED, self.endpoint, self.config, tell)
        await self.ledger.close_orphans(orphans)
        self.meters.tally.bury(orphans, Cause.KILLED)

    async def _open_web(self, services: trio.Nursery) -> Address | None:
        where = self.config.listen.web
        if where is None:
            return None
        app = make_app(self._health, self._ready, self.meters.page)
        port = await services.start(run_web, app, where.host, where.port)
        return Address(where.host, port)

    def _health(self) -> Health:
        return Health(status="alive", calls=len(self.switchboard.calls))

    def _ready(self) -> Health:
        reason = self.switchboard.full()
        return Health(status="busy" if reason else "ready", calls=len(self.switchboard.calls), reason=reason)
