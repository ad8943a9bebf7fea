"""The four transaction machines, as rows of (what happens, state after, what is sent); RFC 3261 section 17."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from callactors.sip.client_invite import ClientInvite
from callactors.sip.client_other import ClientOther
from callactors.sip.deadlines import Repeater, Timers
from callactors.sip.headers import Headers
from callactors.sip.message import Response
from callactors.sip.server_invite import ServerInvite
from callactors.sip.server_other import ServerOther

Step = int | float | str  # a status, seconds to wait, or a word


class Bench:
    """One machine, its clock, and what it did."""

    def __init__(self, make: Callable[[Bench], ClientInvite | ClientOther | ServerInvite | ServerOther]) -> None:
        self.timers, self.now = Timers(), 0.0
        self.sent: list[str] = []
        self.told: list[str] = []
        self.machine = make(self)

    def send(self, data: bytes) -> None:
        self.sent.append(data.decode())

    def wait(self, seconds: float) -> None:
        until = self.now + seconds
        while (when := self.timers.next()) is not None and when <= until:
            self.now = when
            self.timers.expire(when)
        self.now = until

    def got(self, response: Response, now: float) -> None:
        self.told.append(str(response.status))

    def timed_out(self, now: float) -> None:
        self.told.append("timeout")

    def lost(self, now: float) -> None:
        self.told.append("lost")

    def ended(self) -> None:
        self.told.append("ended")


def server(bench: Bench, step: Step) -> None:
    machine = bench.machine
    assert isinstance(machine, ServerInvite | ServerOther)
    if step == "again":
        machine.repeated()
    elif step == "ack":
        machine.acked(bench.now)
    elif isinstance(step, int):
        machine.respond(step, str(step).encode(), bench.now)
    else:
        bench.wait(float(step))


def client(bench: Bench, step: Step) -> None:
    machine = bench.machine
    assert isinstance(machine, ClientInvite | ClientOther)
    if step == "lose":
        machine.lose(bench.now)
    elif isinstance(step, int):
        machine.receive(Response(step, "", Headers()), bench.now)
    else:
        bench.wait(float(step))


def run(bench: Bench, play: Callable[[Bench, Step], None], steps: list[Step]) -> tuple[str, list[str], list[str]]:
    for step in steps:
        play(bench, step)
    return bench.machine.state, bench.sent, bench.told


SERVER_INVITE: list[tuple[list[Step], str, list[str], list[str]]] = [
    (["again"], "proceeding", [], []),
    ([100, "again", 180, "again"], "proceeding", ["100", "100", "180", "180"], []),
    ([486, 0.6, 1.0, 2.0, 4.0, 4.0], "completed", ["486"] * 6, []),
    ([486, "again"], "completed", ["486", "486"], []),
    ([486, "ack", "again", 3.0], "confirmed", ["486"], []),
    ([486, "ack", 5.0], "terminated", ["486"], ["ended"]),
    ([486, 32.0], "terminated", ["486"] * 11, ["ended"]),
    ([200, 10.0, "again"], "accepted", ["200", "200"], []),
    ([200, "ack", 32.0], "terminated", ["200"], ["ended"]),
    ([200, 486, 180], "accepted", ["200"], []),
]


@pytest.mark.parametrize(("steps", "state", "sent", "told"), SERVER_INVITE)
def test_the_invite_server_follows_its_table(steps: list[Step], state: str, sent: list[str], told: list[str]) -> None:
    bench = Bench(lambda b: ServerInvite(b.send, b.timers, b.ended))
    assert run(bench, server, steps) == (state, sent, told)


SERVER_OTHER: list[tuple[list[Step], str, list[str], list[str]]] = [
    (["again", "ack"], "trying", [], []),
    ([182, "again"], "proceeding", ["182", "182"], []),
    ([200, "again", 404, 10.0], "completed", ["200", "200"], []),
    ([200, 32.0], "terminated", ["200"], ["ended"]),
    ([32.0, 200], "terminated", [], ["ended"]),
]


@pytest.mark.parametrize(("steps", "state", "sent", "told"), SERVER_OTHER)
def test_the_other_server_follows_its_table(steps: list[Step], state: str, sent: list[str], told: list[str]) -> None:
    bench = Bench(lambda b: ServerOther(b.send, b.timers, b.ended, 0.0))
    assert run(bench, server, steps) == (state, sent, told)


CLIENT_INVITE: list[tuple[list[Step], str, list[str], list[str]]] = [
    ([0.4], "calling", ["INVITE"], []),
    ([0.5, 1.0, 2.0], "calling", ["INVITE"] * 4, []),
    ([32.0], "terminated", ["INVITE"] * 7, ["ended", "timeout"]),
    ([100, 180, 100.0], "proceeding", ["INVITE"], ["100", "180"]),
    ([180, 486, 486, 180], "completed", ["INVITE", "ACK", "ACK"], ["180", "486"]),
    ([486, 32.0, 486], "terminated", ["INVITE", "ACK"], ["486", "ended"]),
    ([200, 200, 486, 180], "accepted", ["INVITE"], ["200", "200"]),
    ([200, 32.0, 200], "terminated", ["INVITE"], ["200", "ended"]),
]


@pytest.mark.parametrize(("steps", "state", "sent", "told"), CLIENT_INVITE)
def test_the_invite_client_follows_its_table(steps: list[Step], state: str, sent: list[str], told: list[str]) -> None:
    bench = Bench(
        lambda b: ClientInvite(
            b"INVITE",
            b.send,
            b.timers,
            0.0,
            acknowledge=lambda response: b"ACK",
            on_response=b.got,
            on_timeout=b.timed_out,
            ended=b.ended,
        )
    )
    assert run(bench, client, steps) == (state, sent, told)


CLIENT_OTHER: list[tuple[list[Step], str, list[str], list[str]]] = [
    ([0.5, 1.0, 2.0, 4.0, 4.0], "trying", ["BYE"] * 6, []),
    ([0.1, 100, 0.5, 4.0], "proceeding", ["BYE"] * 3, []),
    ([32.0], "terminated", ["BYE"] * 11, ["ended", "timeout"]),
    ([100, 32.0], "terminated", ["BYE"] * 9, ["ended", "timeout"]),
    ([200, 200, 100, 4.0], "completed", ["BYE"], ["200"]),
    ([481, 5.0], "terminated", ["BYE"], ["481", "ended"]),
]


@pytest.mark.parametrize(("steps", "state", "sent", "told"), CLIENT_OTHER)
def test_the_other_client_follows_its_table(steps: list[Step], state: str, sent: list[str], told: list[str]) -> None:
    bench = Bench(
        lambda b: ClientOther(b"BYE", b.send, b.timers, 0.0, on_response=b.got, on_timeout=b.timed_out, ended=b.ended)
    )
    assert run(bench, client, steps) == (state, sent, told)


def invite(bench: Bench) -> ClientInvite:
    """Over a reliable transport."""
    return ClientInvite(
        b"INVITE", bench.send, bench.timers, 0.0, acknowledge=lambda response: b"ACK", on_response=bench.got,
        on_timeout=bench.timed_out, ended=bench.ended, reliable=True, on_lost=bench.lost,
    )  # fmt: skip


def bye(bench: Bench) -> ClientOther:
    """Over a reliable transport."""
    return ClientOther(
        b"BYE", bench.send, bench.timers, 0.0, on_response=bench.got, on_timeout=bench.timed_out, ended=bench.ended,
        reliable=True, on_lost=bench.lost,
    )  # fmt: skip


RELIABLE: list[tuple[Callable[[Bench], ClientInvite | ClientOther], list[Step], str, list[str], list[str]]] = [
    (invite, [32.0], "terminated", ["INVITE"], ["ended", "timeout"]),
    (invite, [486, 0.0], "terminated", ["INVITE", "ACK"], ["486", "ended"]),
    (invite, [200, 31.0, 200], "accepted", ["INVITE"], ["200", "200"]),
    (invite, ["lose"], "terminated", ["INVITE"], ["ended", "lost"]),
    (invite, [180, "lose", 200], "terminated", ["INVITE"], ["180", "ended", "lost"]),
    (invite, [200, "lose"], "accepted", ["INVITE"], ["200"]),
    (bye, [32.0], "terminated", ["BYE"], ["ended", "timeout"]),
    (bye, [100, 31.0], "proceeding", ["BYE"], []),
    (bye, [200, 0.0], "terminated", ["BYE"], ["200", "ended"]),
    (bye, ["lose", 200], "terminated", ["BYE"], ["ended", "lost"]),
]


@pytest.mark.parametrize(("make", "steps", "state", "sent", "told"), RELIABLE)
def test_over_a_reliable_transport_a_client_repeats_nothing_and_waits_for_no_repeats(
    make: Callable[[Bench], ClientInvite | ClientOther],
    steps: list[Step],
    state: str,
    sent: list[str],
    told: list[str],
) -> None:
    assert run(Bench(make), client, steps) == (state, sent, told)


RELIABLE_SERVERS: list[tuple[type[ServerInvite | ServerOther], list[Step], str, list[str], list[str]]] = [
    (ServerInvite, [486, 31.0], "completed", ["486"], []),
    (ServerInvite, [486, 32.0], "terminated", ["486"], ["ended"]),
    (ServerInvite, [486, "ack", 0.0], "terminated", ["486"], ["ended"]),
    (ServerOther, [200, 0.0], "terminated", ["200"], ["ended"]),
]


@pytest.mark.parametrize(("kind", "steps", "state", "sent", "told"), RELIABLE_SERVERS)
def test_over_a_reliable_transport_a_server_repeats_nothing_and_absorbs_no_repeats(
    kind: type[ServerInvite | ServerOther], steps: list[Step], state: str, sent: list[str], told: list[str]
) -> None:
    def make(bench: Bench) -> ServerInvite | ServerOther:
        if kind is ServerInvite:
            return ServerInvite(bench.send, bench.timers, bench.ended, reliable=True)
        return ServerOther(bench.send, bench.timers, bench.ended, 0.0, reliable=True)

    assert run(Bench(make), server, steps) == (state, sent, told)


def test_an_abandoned_machine_sends_nothing_and_ends_once() -> None:
    bench = Bench(lambda b: ServerInvite(b.send, b.timers, b.ended))
    server(bench, 486)
    bench.machine.abandon()
    bench.machine.abandon()
    bench.wait(60.0)
    assert (bench.sent, bench.told, bench.timers.next()) == (["486"], ["ended"], None)


def test_after_a_cancel_an_invite_waits_no_longer_than_told() -> None:
    bench = Bench(
        lambda b: ClientInvite(
            b"INVITE",
            b.send,
            b.timers,
            0.0,
            acknowledge=lambda response: b"ACK",
            on_response=b.got,
            on_timeout=b.timed_out,
            ended=b.ended,
        )
    )
    client(bench, 180)
    assert isinstance(bench.machine, ClientInvite)
    bench.machine.give_up_at(32.0)
    bench.wait(32.0)
    assert bench.told == ["180", "ended", "timeout"]


def test_timers_run_in_order_and_a_cancelled_one_never() -> None:
    timers, order = Timers(), []
    timers.at(2.0, lambda now: order.append("second"))
    timers.at(1.0, lambda now: order.append("first"))
    timers.at(1.5, lambda now: order.append("never")).cancel()
    assert timers.next() == 1.0
    timers.expire(5.0)
    assert (order, timers.next()) == (["first", "second"], None)


def test_a_repeater_doubles_to_its_cap() -> None:
    timers, times, now = Timers(), [], 0.0
    repeater = Repeater(timers, now, lambda: times.append(now))
    while (when := timers.next()) is not None and when <= 16.0:
        now = when
        timers.expire(now)
    repeater.stop()
    assert times == [0.5, 1.5, 3.5, 7.5, 11.5, 15.5]
