"""A house that takes calls, in one process and in memory: everything real but the model and the voice.

- Real: SIP and RTP sockets on loopback, endpoint, media plane, ledger, stores, the salon's tools, switchboard, calls.
- The model is a script (testing/scripted_model); each phrase of the house is a tone of its own, so that ears can tell
  which of them a caller heard. Blocking work runs in place: everything may live on Trio's autojump clock.
"""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager, closing
from pathlib import Path
from random import Random
from typing import Any

import attrs
import trio

from callactors.actors.model_connection import ModelConnection
from callactors.audio.codecs import FORMATS
from callactors.audio.convert import convert
from callactors.audio.format import AudioFormat
from callactors.audio.tone import sine
from callactors.calls.dialer import Dialer
from callactors.calls.house import location_of, playbooks
from callactors.calls.models import ModelLine, cheapest
from callactors.calls.playbook import Playbook
from callactors.calls.switchboard import Switchboard
from callactors.config import Config, load
from callactors.net import offload
from callactors.net.media_plane import MediaPlane
from callactors.net.resolver import Resolver
from callactors.net.sip_endpoint import SipEndpoint, Tap
from callactors.net.udp import Wire
from callactors.realtime import events as e
from callactors.realtime.items import Item, Part, Response
from callactors.stores.ledger import Ledger, open_ledger
from callactors.testing.scripted_model import Peer, Script, ScriptedModel

HOST = "127.0.0.1"
PHRASE_MS = 400  # how long every phrase of the house is
DELTA_MS = 200
PITCHES = {  # Hz: what the caller hears, by name; multiples of 50, so that 20 ms tell them apart
    "greeting": 400,
    "filler": 500,
    "consent": 550,
    "holding": 600,
    "transfer": 700,
    "back": 800,
    "still_there": 900,
    "goodbye": 1000,
    "model_lost": 1100,
    "busy": 1200,
    "emergency": 1350,
    "cut_off": 1400,
    "keys_only": 1450,
    "briefing": 1300,
    "agent": 1500,
    "agent again": 1650,
    "caller": 1800,
}

CONFIG = """\
version: 1
node: t1
listen: {{sip: [{{udp: "127.0.0.1:5060"}}], rtp: 24000-24399}}
trunks:
  loopback: {{from: [127.0.0.0/8], media_from: [127.0.0.0/8]{loopback}}}
{trunks}
numbers: [{{match: "100", trunk: loopback, scenario: salon}}]
directory: {{front_desk: {{{desk}}}}}
stores: {{url: "sqlite:///{data}/stores.db"}}
ledger: {{path: {data}/ledger.db}}
models:
{models}
{more}
"""

DESK = 'sip: "sip:desk@127.0.0.1:5070", trunk: loopback'

Facts = dict[str, Any]
Told = tuple[str, dict[str, object]]
Adapt = Callable[[Playbook], Playbook]


def settings(
    data: Path,
    models: Sequence[str] = ("main",),
    more: str = "",
    trunks: str = "",
    desk: str = DESK,
    loopback: str = "",
) -> Config:
    """The house's configuration, read from text as a user's is. `more` is YAML of whole sections.

    `trunks` are more trunks: lines of YAML, indented by two. `desk` is the entry of the front desk,
    `loopback` more keys of the trunk of that name, each after a comma.
    """
    lines = "\n".join(f'  {name}: {{kind: realtime, url: "ws://127.0.0.1:9/"}}' for name in models)
    return load(
        CONFIG.format(data=data, models=lines, more=more, trunks=trunks, desk=desk, loopback=loopback),
        "callactors.yaml",
        {},
    )


# -- the model --------------------------------------------------------------------------------------------------------


@attrs.frozen
class _Overheard:
    """A model connection that keeps what the caller said to the model."""

    line: ModelConnection
    heard: bytearray

    async def send(self, event: e.ClientEvent) -> None:
        if isinstance(event, e.InputAudioBufferAppend):
            self.heard.extend(event.audio)
        await self.line.send(event)

    def append(self, audio: bytes) -> bool:
        taken = self.line.append(audio)
        if taken:
            self.heard.extend(audio)
        return taken

    async def pour(self, take: Callable[[e.ServerEvent], bool]) -> None:
        await self.line.pour(take)

    async def receive(self) -> e.ServerEvent:
        return await self.line.receive()


@attrs.define(eq=False)
class Mind:
    """A scripted model a test directs: `session()` is the next session's server side, after its handshake.

    Without a script of its own it greets the client and then does what the test asks of the Peer.
    """

    script: Script | None = None
    refuse: int | None = None
    sounds: list[bytearray] = attrs.field(factory=list)  # G.711 of the caller as the model got it, by session
    model: ScriptedModel = attrs.field(init=False)
    _greeted: trio.MemorySendChannel[Peer] = attrs.field(init=False)
    _sessions: trio.MemoryReceiveChannel[Peer] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._greeted, self._sessions = trio.open_memory_channel[Peer](1000)
        self.model = ScriptedModel(self.script or self._wait_for_orders, refuse=self.refuse)

    async def _wait_for_orders(self, peer: Peer) -> None:
        await peer.greet()
        await self._greeted.send(peer)
        await peer.stay()

    @property
    def sound(self) -> bytes:
        """What every session has heard, one behind the other."""
        return b"".join(self.sounds)

    async def session(self) -> Peer:
        with trio.fail_after(30):
            return await self._sessions.receive()

    def connect(self) -> AbstractAsyncContextManager[ModelConnection]:
        return self._connected()

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[ModelConnection]:
        async with self.model.connect() as line:
            self.sounds.append(bytearray())
            yield _Overheard(line, self.sounds[-1])

    def line(self, name: str) -> ModelLine:
        """As the switchboard wants it: speaking what costs the leg least."""
        return ModelLine(name, self.connect, cheapest)


async def agent_says(peer: Peer, text: str, ms: int = 1000, *, sounds: str = "agent") -> str:
    """A whole spoken response, audible as a tone of PITCHES. Returns the item's id."""
    response, item = await agent_begins(peer, text, ms, sounds=sounds)
    await peer.finish_reply(response, item, text)
    return item


async def agent_begins(peer: Peer, text: str, ms: int, *, sounds: str = "agent") -> tuple[str, str]:
    """The audio and words of a response that has not ended: (response, item)."""
    response, item = await peer.start_reply()
    await peer.tell(e.ResponseOutputAudioTranscriptDelta(response_id=response, item_id=item, delta=text))
    audio = convert(sine(PITCHES[sounds], ms).tobytes(), AudioFormat.PCM16_8K, peer.format)
    step = DELTA_MS * peer.format.bytes_per_ms
    for at in range(0, len(audio), step):
        delta = audio[at : at + step]
        await peer.tell(e.ResponseOutputAudioDelta(response_id=response, item_id=item, delta=delta))
    return response, item


async def agent_asks_with(peer: Peer, name: str, arguments: str) -> str:
    """A tool request whose arguments are this very text. Returns the call_id."""
    response, item, call = peer.name("resp"), peer.name("item"), peer.name("call")
    asked = Item(type="function_call", id=item, status="completed", name=name, call_id=call, arguments=arguments)
    await peer.tell(
        e.ResponseCreated(response=Response(id=response)),
        e.ResponseOutputItemDone(response_id=response, item=asked),
        e.ResponseDone(response=Response(id=response, status="completed")),
    )
    return call


async def agent_falls_silent(peer: Peer, response: str, item: str, text: str) -> None:
    """A response that ends as the server cancels it: barge-in."""
    part = Part(type="output_audio", transcript=text)
    message = Item(type="message", id=item, role="assistant", status="incomplete", content=(part,))
    await peer.tell(e.ResponseOutputItemDone(response_id=response, item=message))
    await peer.cancelled(response)


# -- the voice --------------------------------------------------------------------------------------------------------


@attrs.frozen
class Phrases:
    """The house's sentences as tones. `cached` is what a call asks; nothing in `missing` is there."""

    audio: Mapping[tuple[str, AudioFormat], bytes]

    def cached(self, text: str, format: AudioFormat) -> bytes | None:
        return self.audio.get((text, format))


def phrases_of(books: Mapping[str, Playbook], ms: int = PHRASE_MS) -> Phrases:
    """Every fixed sentence of every scenario as a tone of its pitch."""
    audio: dict[tuple[str, AudioFormat], bytes] = {}
    for book in books.values():
        scenario = book.scenario
        named = {"greeting": scenario.greeting(), **_fields(scenario.phrases_for())}
        for name, text in named.items():
            linear = sine(PITCHES[name], ms).tobytes()
            audio |= {(text, to): convert(linear, AudioFormat.PCM16_8K, to) for to in set(FORMATS.values())}
    return Phrases(audio)


def _fields(phrases: Any) -> dict[str, str]:
    return {name: getattr(phrases, name) for name in PITCHES if hasattr(phrases, name)}


# -- the house --------------------------------------------------------------------------------------------------------


@attrs.define(eq=False)
class House:
    """A process that takes calls, as a test sees it."""

    config: Config
    ledger: Ledger
    plane: MediaPlane
    endpoint: SipEndpoint
    switchboard: Switchboard
    minds: Mapping[str, Mind]
    told: list[Told]

    @property
    def mind(self) -> Mind:
        return next(iter(self.minds.values()))

    def events(self, name: str) -> list[dict[str, object]]:
        """What was told of events with this name."""
        return [facts for event, facts in self.told if event == name]

    async def record(self, number: int = 0) -> Facts:
        """The `number`-th call's rows, once it is closed: the calls row, and its parts by table."""
        with trio.fail_after(120):
            while True:
                await self.ledger.flush()
                found = self.records()
                if len(found) > number and found[number]["ended"] is not None:
                    return found[number]
                await trio.sleep(0.05)

    def records(self, last: int = -1) -> list[Facts]:
        """The `last` calls so far (all of them), oldest first; what is queued is not in it yet."""
        newest = "SELECT * FROM (SELECT * FROM calls ORDER BY id DESC LIMIT ?) ORDER BY id"
        with closing(sqlite3.connect(self.ledger.path)) as db:
            db.row_factory = sqlite3.Row
            return [_with_parts(db, dict(row)) for row in db.execute(newest, (last,))]

    def bookings(self) -> list[Facts]:
        """What stands in the salon's calendar."""
        return self._stored("SELECT * FROM bookings WHERE cancelled = 0 ORDER BY start")

    def customers(self) -> list[Facts]:
        """What stands in the CRM."""
        return self._stored("SELECT * FROM people")

    def _stored(self, query: str) -> list[Facts]:
        path = Path(self.config.ledger.path).with_name("stores.db")
        with closing(sqlite3.connect(path)) as db:
            db.row_factory = sqlite3.Row
            return [dict(row) for row in db.execute(query)]


_PARTS = {
    "attempts": "n", "turns": "n", "tool_runs": "rowid", "transfers": "n", "quality": "leg, direction", "events": "seq",
}  # fmt: skip


def _with_parts(db: sqlite3.Connection, call: Facts) -> Facts:
    for table, order in _PARTS.items():
        rows = db.execute(f"SELECT * FROM {table} WHERE call = ? ORDER BY {order}", (call["id"],))
        call[table] = [dict(row) for row in rows]
    return call


@asynccontextmanager
async def open_house(
    data: Path,
    *minds: Mind,
    more: str = "",
    trunks: str = "",
    desk: str = DESK,
    loopback: str = "",
    adapt: Adapt = lambda book: book,
    phrase_ms: int = PHRASE_MS,
    open_for_calls: bool = True,
    tap: Tap | None = None,
    wire: Wire | None = None,
    seed: int = 1,
) -> AsyncIterator[House]:
    """A house with these models, in order of failover; leaving it ends every call, as a process's end does.

    `wire` takes the place of a UDP socket. `more` and `trunks` are YAML as `settings` has it, `adapt` changes the
    salon's playbook. A house that is not `open_for_calls` waits for somebody to run its switchboard. `tap` sees every
    SIP datagram of the house.
    """
    offload.INLINE.set(True)
    names = ["main", "second", "third"][: max(1, len(minds))]
    config = settings(data, names, more, trunks, desk, loopback)
    known = dict(zip(names, minds or (Mind(),), strict=True))
    with ExitStack() as stores:
        books = {name: adapt(book) for name, book in playbooks(config, None, stores).items()}
        phrases = phrases_of(books, phrase_ms)
        async with open_ledger(Path(config.ledger.path), config.node) as ledger, trio.open_nursery() as services:
            house = _build(config, ledger, books, phrases, known, Random(seed), tap, wire)
            async with _serving(house, services, open_for_calls):
                yield house


def _build(
    config: Config,
    ledger: Ledger,
    books: Mapping[str, Playbook],
    phrases: Phrases,
    minds: Mapping[str, Mind],
    random: Random,
    tap: Tap | None,
    wire: Wire | None,
) -> House:
    timers, told = config.timers, list[Told]()
    plane = MediaPlane(HOST, config.listen.rtp, random, first_rtp=timers.first_rtp, rtp_silence=timers.rtp_silence)
    endpoint = SipEndpoint(
        HOST,
        0,
        node=config.node,
        trunk_of=lambda source: config.trunk_of(source.host),
        on_invite=lambda invite: switchboard.invited(invite),
        random=random,
        policy_of=config.policy,
        accepting=lambda: not switchboard.full(),
        tap=tap,
        wire=wire,
    )
    lines = {name: mind.line(name) for name, mind in minds.items()}

    def tell(event: str, call: str = "", **facts: object) -> None:
        told.append((event, facts))

    dialer = Dialer(config, Resolver.of(config, random), random, used=endpoint.calls)
    switchboard = Switchboard(
        config, endpoint, plane, ledger, books, lines, phrases.cached, tell, dialer, location_of(config)
    )
    return House(config, ledger, plane, endpoint, switchboard, minds, told)


@asynccontextmanager
async def _serving(house: House, services: trio.Nursery, open_for_calls: bool) -> AsyncIterator[None]:
    """The order in which a process starts and ends."""
    await services.start(house.plane.run)
    try:
        async with trio.open_nursery() as calls:
            if open_for_calls:
                await calls.start(house.switchboard.run)
            await services.start(house.endpoint.run)
            yield
            calls.cancel_scope.cancel()
    finally:
        with trio.move_on_after(2.0, shield=True):
            await house.endpoint.wait_settled()
        services.cancel_scope.cancel()


async def until(what: Callable[[], object], seconds: float = 30.0) -> None:
    """Wait, in steps of 10 ms, until something holds. Raises trio.TooSlowError."""
    with trio.fail_after(seconds):
        while not what():  # noqa: ASYNC110 - counters of planes and endpoints announce nothing
            await trio.sleep(0.01)
