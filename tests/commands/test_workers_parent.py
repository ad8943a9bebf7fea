"""The parent of a house whose workers are played by the test: the lanes, sockets and ledger are real."""

from __future__ import annotations

import re
import socket
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio

from callactors import config as configuration
from callactors.calls.prober import Probed
from callactors.commands.workers import parent as parents
from callactors.commands.workers.house import House
from callactors.commands.workers.parent import Parent
from callactors.commands.workers.words import Began, Drain, Handed, Ready, Standing, ToWorker, TrunkProbed, Unable
from callactors.commands.workers.zygote import Fate
from callactors.errors import LedgerBroken, Unusable
from callactors.net.lane import Lane
from callactors.net.udp import UdpSocket
from callactors.sip.address import Hop
from callactors.sip.dialog import DialogFacts
from callactors.stores.ledger import Ledger, open_ledger
from callactors.stores.ledger_remote import LedgerState, RemoteLedger
from callactors.stores.ledger_rows import AttemptRow, CallOpened

INVITE = (
    "INVITE sip:us@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bK-{n}\r\nMax-Forwards: 70\r\n"
    "From: <sip:a@127.0.0.1>;tag=t{n}\r\nTo: <sip:us@127.0.0.1>\r\nCall-ID: c{n}\r\nCSeq: 1 INVITE\r\n"
    "Contact: <sip:a@127.0.0.1:{port}>\r\nContent-Length: 0\r\n\r\n"
)


@attrs.define(eq=False)
class Played:
    """One process of a worker: what it hears, and its way to the parent."""

    number: int
    lane: Lane[ToWorker]
    heard: list[Any] = attrs.field(factory=list)

    async def hear(self) -> None:
        async for word in self.lane.receive():
            self.heard.append(word)
            if isinstance(word, Drain):
                self.lane.close()

    def begin(self, boot: str = "b") -> None:
        self.lane.send(Began(boot, 0))  # no process of ours is one: nothing can be killed

    def all(self, kind: type) -> list[Any]:
        return [word for word in self.heard if isinstance(word, kind)]


class Stage:
    """In the zygote's place: forks nothing, and remembers every process that was asked for."""

    def __init__(self, nursery: trio.Nursery, act: Any) -> None:
        self.processes: list[Played] = []
        self.pid, self.gone = 0, trio.Event()
        self._nursery, self._act = nursery, act

    def fork(self, worker: int) -> socket.socket:
        ours, theirs = socket.socketpair()
        played = Played(worker, Lane(theirs, ToWorker))
        self.processes.append(played)
        self._nursery.start_soon(played.hear)
        self._act(played)
        return ours

    async def fates(self) -> AsyncGenerator[Fate, None]:
        await self.gone.wait()
        none: tuple[Fate, ...] = ()
        for fate in none:
            yield fate


def willing(played: Played) -> None:
    played.begin()
    played.lane.send(Ready())


@asynccontextmanager
async def opened(folder: Path, act: Any = willing, count: int = 2) -> AsyncIterator[tuple[Parent, Stage]]:
    config = configuration.override(configuration.default(), sip="127.0.0.1:0", web="off", data=str(folder))
    house = House.open(config, None, count)
    try:
        async with trio.open_nursery() as nursery, open_ledger(folder / "ledger.db", config.node) as ledger:
            stage = Stage(nursery, act)
            parent = Parent(house, stage, ledger)  # type: ignore[arg-type]  # a stage is no zygote, and does as one
            async with parent.open():
                yield parent, stage
            for played in stage.processes:
                played.lane.close()
            nursery.cancel_scope.cancel()
    finally:
        house.close()


async def until(what: Any) -> None:
    with trio.fail_after(5):
        while not what():  # noqa: ASYNC110  # what comes over a lane sets no Event of the test's
            await trio.sleep(0.01)


async def test_new_calls_are_handed_out_by_turns_with_the_public_socket_they_came_to(tmp_path: Path) -> None:
    phone = UdpSocket("127.0.0.1", 0)
    async with opened(tmp_path) as (parent, stage):
        for n in range(4):
            phone.send(INVITE.format(n=n, port=phone.address.port).encode(), Hop(*parent.front.endpoint.address))
        await until(lambda: sum(len(played.all(Handed)) for played in stage.processes) == 4)
        assert [len(played.all(Handed)) for played in stage.processes] == [2, 2]
        assert {word.source.flow for played in stage.processes for word in played.all(Handed)} == {-1}
    phone.close()


async def test_a_start_that_fails_is_said_with_the_workers_own_words(tmp_path: Path) -> None:
    def act(played: Played) -> None:
        played.begin()
        played.lane.send(Unable("its tools are missing"))
        played.lane.close()

    assert await refused(tmp_path, act) == "worker 0: its tools are missing"


async def test_a_start_that_ends_without_a_word_is_no_endless_wait(tmp_path: Path) -> None:
    said = await refused(tmp_path, lambda played: played.lane.close())
    assert said == "worker 0: its process ended before it was ready"


async def refused(folder: Path, act: Any) -> str:
    """Why such a house cannot start."""
    with trio.fail_after(10), pytest.raises(ExceptionGroup) as problem:
        async with opened(folder, act):
            pass
    [said] = leaves(problem.value)
    assert isinstance(said, Unusable)
    return str(said)


def leaves(group: BaseException) -> list[BaseException]:
    if isinstance(group, BaseExceptionGroup):
        return [leaf for one in group.exceptions for leaf in leaves(one)]
    return [group]


async def test_nobody_is_ready_so_a_call_is_refused_with_its_row_and_readiness_says_why(tmp_path: Path) -> None:
    phone = UdpSocket("127.0.0.1", 0)
    async with opened(tmp_path, count=1) as (parent, _):
        parent.hands[0].ready = False
        assert parent.full() == "workers: none is ready"
        phone.send(INVITE.format(n=1, port=phone.address.port).encode(), Hop(*parent.front.endpoint.address))
        with trio.fail_after(3):
            answers = [data for data, _ in await phone.receive()]
        while not any(b"SIP/2.0 503" in answer for answer in answers):
            answers += [data for data, _ in await phone.receive()]
        assert any(b"Retry-After" in answer for answer in answers)
        await parent.ledger.flush()
        assert parent.ledger.statistics().written == 1
        parent.hands[0].ready = True
    phone.close()


async def test_a_worker_that_dies_is_forked_anew_and_its_open_calls_are_closed(tmp_path: Path) -> None:
    async with opened(tmp_path, count=1) as (parent, stage):
        first = stage.processes[0]
        desk = RemoteLedger(tmp_path / "ledger.db", "a1.0", first.lane.send)
        desk.queue(CallOpened(call="c1", direction="inbound", started=1))
        first.lane.close()
        await until(lambda: len(stage.processes) == 2 and parent.ready() == 1)
        assert (parent.started, parent.crashed) == (2, 1)
        assert await parent.ledger.orphans() == []
        [row] = await parent.ledger._read(lambda db: db.execute("SELECT node, cause FROM calls").fetchall())
        assert row == ("a1.0", "crash")


async def test_an_invite_that_a_dead_worker_had_not_heard_out_is_anothers_once_and_one_that_rang_is_refused(
    tmp_path: Path,
) -> None:
    phone = UdpSocket("127.0.0.1", 0)
    async with opened(tmp_path) as (parent, stage):
        for n in range(2):
            phone.send(INVITE.format(n=n, port=phone.address.port).encode(), Hop(*parent.front.endpoint.address))
        one, two = stage.processes
        await until(lambda: one.all(Handed) and two.all(Handed))
        desk = RemoteLedger(tmp_path / "ledger.db", "a1.0", one.lane.send)
        for row in rows_of_a_call_that_rings(one.all(Handed)[0].data):
            desk.queue(row)
        one.lane.close()
        refused = await hear(phone, b"SIP/2.0 503")
        assert b"Retry-After" in refused
        assert call_id(refused) == call_id(one.all(Handed)[0].data)
        assert len(two.all(Handed)) == 1
        await until(lambda: len(stage.processes) == 3 and parent.ready() == 2)
        two.lane.close()
        again = stage.processes[2]
        await until(lambda: again.all(Handed))
        assert [word.data for word in again.all(Handed)] == [word.data for word in two.all(Handed)]
        await until(lambda: len(stage.processes) == 4 and parent.ready() == 2)
        again.lane.close()
        assert call_id(await hear(phone, b"SIP/2.0 503")) == call_id(two.all(Handed)[0].data)
        await parent.ledger.flush()
        found = await parent.ledger._read(lambda db: db.execute("SELECT cause, ended_by FROM calls").fetchall())
        assert found == [("crash", "us")] * 2
        page = parent.meters.page().decode()
        assert 'callactors_calls_ended_total{cause="crash",direction="inbound",trunk="loopback"} 1.0' in page
    phone.close()


async def test_a_worker_that_dies_while_the_disk_is_full_has_its_records_closed_once_it_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path, count=1) as (parent, stage):
        desk = RemoteLedger(tmp_path / "ledger.db", "a1.0", stage.processes[0].lane.send)
        desk.queue(CallOpened(call="c1", direction="inbound", started=1))
        await until(lambda: parent.ledger.statistics().written == 1)
        with monkeypatch.context() as full:
            full.setattr(Ledger, "flush", broken)
            stage.processes[0].lane.close()
            await until(lambda: len(stage.processes) == 2 and parent.ready() == 1)
        await until(lambda: b'calls_ended_total{cause="crash"' in parent.meters.page())
        [row] = await parent.ledger._read(lambda db: db.execute("SELECT cause FROM calls").fetchall())
        assert row == ("crash",)


async def broken(ledger: Ledger) -> None:
    raise LedgerBroken("the disk is full")


def rows_of_a_call_that_rings(invite: bytes) -> list[CallOpened | AttemptRow]:
    facts = DialogFacts(
        sip_call_id=call_id(invite).decode(),
        local_tag="a1.0-1",
        remote_tag="t",
        cseq=1,
        local_uri="sip:us@127.0.0.1",
        remote_uri="sip:a@127.0.0.1",
        local_address="127.0.0.1:5061",
        remote_address="127.0.0.1:5060",
        route_set=(),
        remote_target="sip:a@127.0.0.1",
    )
    return [
        CallOpened(call="c1", direction="inbound", started=1, trunk="loopback"),
        AttemptRow(call="c1", n=0, leg=0, trunk="loopback", facts=facts, rang=2),
    ]


def call_id(message: bytes) -> bytes:
    found = re.search(rb"Call-ID: (\S+)", message)
    assert found is not None
    return found[1]


async def hear(phone: UdpSocket, beginning: bytes) -> bytes:
    """The next message that begins so."""
    with trio.fail_after(5):
        while True:
            for data, _ in await phone.receive():
                if data.startswith(beginning):
                    return data


async def test_new_calls_go_past_a_worker_that_is_silent(tmp_path: Path) -> None:
    async with opened(tmp_path) as (parent, _):
        parent.hands[0].heard -= parents.QUIET + 1
        assert [load.full for load in parent.loads()] == [True, False]
        assert [load.usable for load in parent.loads()] == [True, True]


async def test_without_its_zygote_a_house_serves_until_a_worker_is_lost_and_then_drains(tmp_path: Path) -> None:
    async def lose_the_zygote_and_a_worker() -> None:
        async with opened(tmp_path) as (parent, stage):
            stage.gone.set()
            await until(lambda: parent._barren)
            assert parent.full() == ""
            stage.processes[0].lane.close()
            await until(lambda: stage.processes[1].all(Drain))
            assert (parent.full(), len(stage.processes)) == ("draining", 2)
            await trio.sleep_forever()

    with trio.fail_after(10), pytest.raises(ExceptionGroup) as problem:
        await lose_the_zygote_and_a_worker()
    [said] = leaves(problem.value)
    assert "so was the process that forks them" in str(said)


async def test_one_that_dies_before_it_is_ready_is_not_forked_over_and_over(tmp_path: Path) -> None:
    def act(played: Played) -> None:
        if lives:
            played.begin()
            played.lane.close()
        else:
            lives.append(1)
            willing(played)

    lives: list[int] = []
    async with opened(tmp_path, act, count=1) as (parent, stage):
        stage.processes[0].lane.close()
        await until(lambda: len(stage.processes) == 3)
        await trio.sleep(0.3)
        assert parent.started <= 3


async def test_why_nobody_takes_calls_is_what_the_workers_say(tmp_path: Path) -> None:
    async with opened(tmp_path) as (parent, stage):
        assert parent.full() == ""
        for played in stage.processes:
            played.lane.send(Standing("limits.cpu is 0.9"))
        await until(parent.full)
        assert parent.full() == "limits.cpu is 0.9"


async def test_workers_hear_of_a_broken_ledger_and_of_trunks_that_were_probed(tmp_path: Path) -> None:
    async with opened(tmp_path) as (parent, stage):
        parent.ledger.broken = "the disk is full"
        await until(lambda: all(played.all(LedgerState) for played in stage.processes))
        parent.ledger.broken = None
        parent.front._probed(Probed("loopback", Hop("127.0.0.9", 5060), None, 4.0))
        await until(lambda: all(played.all(TrunkProbed) for played in stage.processes))
        assert {word.failed for played in stage.processes for word in played.all(TrunkProbed)} == {True}


async def test_one_that_says_nothing_for_long_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    killed: list[int] = []
    monkeypatch.setattr(parents, "SILENT", 0.2)
    monkeypatch.setattr(parents, "_kill", lambda hand: killed.append(hand.number))
    async with opened(tmp_path) as (_, stage):
        stage.processes[1].lane.send(Standing(""))
        await until(lambda: 0 in killed)


async def test_a_drain_ends_when_the_last_worker_has(tmp_path: Path) -> None:
    async with opened(tmp_path) as (parent, stage):
        with trio.fail_after(2):
            await parent.drain()
        assert all(played.all(Drain) == [Drain()] for played in stage.processes)
        assert parent.full() == "draining"
        assert len(stage.processes) == 2
