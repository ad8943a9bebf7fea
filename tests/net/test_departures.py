"""Packets made ahead: which leave at a tick, what is taken back, and who has to make the next ones when."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from callactors.net.departures import SLOT, Departures, Place


@attrs.define(eq=False)
class Stream:
    """One that makes `size` packets whenever it is due; with 0 it makes none."""

    board: Board
    phase: int
    size: int = 3
    place: Place[Stream] = attrs.field(init=False)
    due: list[int] = attrs.field(factory=list)
    left: list[tuple[int, int]] = attrs.field(factory=list)  # tick, number
    made: int = 0
    errors: list[OSError] = attrs.field(factory=list)
    send: Callable[[bytes], object] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.place = self.board.departures.join(self, self.phase)
        self.send = self._sent

    def _sent(self, data: bytes) -> None:
        self.left.append((self.board.tick, int.from_bytes(data, "big")))

    def speak(self) -> None:
        self.due.append(self.board.tick)
        if self.size:
            self.place.fly(self.send, [number.to_bytes(4, "big") for number in range(self.made, self.made + self.size)])
            self.made += self.size

    def take_back(self) -> None:
        self.made -= self.place.take_back()

    def not_sent(self, error: OSError) -> None:
        self.errors.append(error)


@attrs.define(eq=False)
class Board:
    """A clock of streams."""

    departures: Departures[Stream] = attrs.field(factory=Departures)
    tick: int = -1

    def go(self, ticks: int) -> None:
        for _ in range(ticks):
            self.tick += 1
            self.departures.leave(self.tick)
            for stream in self.departures.due(self.tick):
                stream.speak()
            self.departures.depart()


def test_a_packet_leaves_every_slot_and_the_stream_is_due_behind_the_last_one() -> None:
    board = Board()
    stream = Stream(board, phase=2)
    board.go(30)
    assert stream.due == [2, 14, 26]
    assert stream.left == [(2 + SLOT * n, n) for n in range(7)]


def test_who_makes_none_is_due_in_every_slot() -> None:
    board = Board()
    stream = Stream(board, phase=1, size=0)
    board.go(12)
    assert stream.due == [1, 5, 9]


@pytest.mark.parametrize("after", range(1, 13))
def test_what_has_not_left_is_taken_back_and_the_next_slot_is_for_something_else(after: int) -> None:
    board = Board()
    stream = Stream(board, phase=0)
    board.go(after)
    gone = len(stream.left)
    stream.take_back()
    assert stream.made == gone
    board.go(12)
    assert [number for _, number in stream.left] == list(range(len(stream.left)))
    assert [tick for tick, _ in stream.left] == [SLOT * n for n in range(len(stream.left))]


def test_a_packet_the_system_does_not_take_holds_up_nobody() -> None:
    board = Board()
    broken, other = Stream(board, phase=0), Stream(board, phase=0)

    def refuse(data: bytes) -> None:
        raise ConnectionRefusedError

    broken.send = refuse
    board.go(12)
    assert [type(error) for error in broken.errors] == [ConnectionRefusedError] * 3
    assert len(other.left) == 3


def test_a_stream_that_is_closed_neither_leaves_nor_is_due() -> None:
    board = Board()
    flying, waiting = Stream(board, phase=0), Stream(board, phase=0, size=0)
    board.go(2)
    flying.place.close()
    waiting.place.close()
    board.go(20)
    assert (flying.left, flying.due, waiting.due) == ([(0, 0)], [0], [0])


@pytest.mark.parametrize("skipped", [1, 2, 4, 5, 400])
def test_ticks_that_do_not_come_leave_everybody_due_in_their_next_slot(skipped: int) -> None:
    board = Board()
    streams = [Stream(board, phase=phase, size=size) for phase in range(SLOT) for size in (0, 3)]
    board.go(6)
    for stream in streams:
        stream.take_back()
    board.tick += skipped
    board.departures.skip_to(board.tick + 1)
    before = [len(stream.due) for stream in streams]
    board.go(SLOT)
    assert [len(stream.due) for stream in streams] == [one + 1 for one in before]
    assert all(stream.due[-1] % SLOT == stream.phase for stream in streams)


class AnyOrder(RuleBasedStateMachine):
    """Whatever streams do: each sends one packet a slot, in order, and none twice."""

    def __init__(self) -> None:
        super().__init__()
        self.board = Board()
        self.streams: list[Stream] = []

    @rule(phase=st.integers(0, SLOT - 1), size=st.integers(1, 5))
    def opens(self, phase: int, size: int) -> None:
        if len(self.streams) < 6:
            self.streams.append(Stream(self.board, phase, size))

    @rule(ticks=st.integers(1, 9))
    def time_passes(self, ticks: int) -> None:
        self.board.go(ticks)

    @rule(which=st.integers(0, 5), size=st.integers(1, 5))
    def changes_its_mind(self, which: int, size: int) -> None:
        if which < len(self.streams):
            self.streams[which].take_back()
            self.streams[which].size = size

    @rule(which=st.integers(0, 5))
    def closes(self, which: int) -> None:
        if which < len(self.streams):
            self.streams.pop(which).place.close()

    @invariant()
    def one_packet_a_slot(self) -> None:
        for stream in self.streams:
            assert [number for _, number in stream.left] == list(range(len(stream.left)))
            if stream.left:
                first = stream.left[0][0]
                assert [tick for tick, _ in stream.left] == list(range(first, self.board.tick + 1, SLOT))


TestAnyOrder = AnyOrder.TestCase
