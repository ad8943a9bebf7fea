"""When packets leave that were made for slots to come, and who has to make the next ones. Rules of this file:

- Ticks are numbers, this owns no clock. A stream's slots are every SLOT-th tick, from its phase on.
- What was made in one tick leaves in step (a cohort), and nothing of a stream is touched but the packet: sends in a row
  cost less than sends with other work in between.
- Every stream is due at one tick: behind its packets, or at its next slot.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic, Protocol, TypeVar

SLOT = 4  # ticks from one slot of a stream to its next, 20 ms

Send = Callable[[bytes], object]


class Leaves(Protocol):
    """A stream."""

    def not_sent(self, error: OSError) -> None:
        """The system did not take a packet of it."""


S = TypeVar("S", bound=Leaves)


class _Cohort(Generic[S]):
    """Streams in step with each other: one packet of each leaves every slot."""

    __slots__ = ("gone", "packets", "size")

    def __init__(self, size: int) -> None:
        self.size, self.gone = size, 0
        self.packets: dict[S, tuple[Send, Sequence[bytes]]] = {}


class Place(Generic[S]):
    """One stream's among the departures."""

    __slots__ = ("_all", "_cohort", "_due", "_phase", "_stream")
    __deletable__ = ("_stream",)  # for who compiles this

    def __init__(self, departures: Departures[S], stream: S, phase: int, due: int) -> None:
        self._all, self._stream, self._phase, self._due = departures, stream, phase, due
        self._cohort: _Cohort[S] | None = None

    def fly(self, send: Send, packets: Sequence[bytes]) -> None:
        """These leave by `send`, one in this slot, one in each of the next; the stream is due behind them.

        Only while it is due.
        """
        self._cohort = self._all._begun(len(packets))
        self._cohort.packets[self._stream] = (send, packets)
        self._move(self._due + SLOT * (len(packets) - 1))

    def take_back(self) -> int:
        """What has not left yet does not; how many those are. If there are any the stream is due at its next slot."""
        cohort, self._cohort = self._cohort, None
        if cohort is None or cohort.gone == cohort.size:
            return 0
        del cohort.packets[self._stream]
        self._move(self._all._slot(self._phase))
        return cohort.size - cohort.gone

    def close(self) -> None:
        """It neither leaves nor is due any more."""
        self.take_back()
        del self._all._due[self._due][self._stream]
        del self._stream  # which holds this: neither would be freed

    def _move(self, tick: int) -> None:
        due = self._all._due
        del due[self._due][self._stream]
        due.setdefault(tick, {})[self._stream] = self
        self._due = tick


class Departures(Generic[S]):
    """Those of one clock: it calls `leave`, `due` and `depart` at every slot, and `skip_to` when it leaves some out."""

    def __init__(self) -> None:
        self._due: dict[int, dict[S, Place[S]]] = {}
        self._leaving: dict[int, list[_Cohort[S]]] = {}
        self._young: dict[int, _Cohort[S]] = {}  # by size: those that begin in this tick
        self._tick = -1  # what has left

    def join(self, stream: S, phase: int) -> Place[S]:
        """It is due at its next slot."""
        tick = self._slot(phase)
        place = Place(self, stream, phase, tick)
        self._due.setdefault(tick, {})[stream] = place
        return place

    def leave(self, tick: int) -> None:
        """Send what leaves at this tick."""
        self._tick = tick
        for cohort in self._leaving.pop(tick, ()):
            self._send(cohort)

    def due(self, tick: int) -> list[S]:
        """Those who have nothing made for this tick. Whoever does not `fly` now is due again in its next slot."""
        self._young = {}
        places = self._due.pop(tick, {})
        for place in places.values():
            place._due = tick + SLOT
        self._due.setdefault(tick + SLOT, {}).update(places)
        return list(places)

    def depart(self) -> None:
        """Those who fly since then send their first."""
        for cohort in self._young.values():
            self._send(cohort)

    def _send(self, cohort: _Cohort[S]) -> None:
        gone = cohort.gone
        for stream, (send, packets) in cohort.packets.items():
            try:
                send(packets[gone])
            except OSError as error:
                stream.not_sent(error)
        cohort.gone = gone + 1
        if cohort.gone < cohort.size and cohort.packets:
            self._leaving.setdefault(self._tick + SLOT, []).append(cohort)

    def skip_to(self, tick: int) -> None:
        """The ticks before this one do not come. Nobody has packets that were made for them."""
        places = [place for due in self._due.values() for place in due.values()]
        self._due, self._leaving, self._tick = {}, {}, tick - 1
        for place in places:
            place._due = self._slot(place._phase)
            self._due.setdefault(place._due, {})[place._stream] = place

    def _begun(self, size: int) -> _Cohort[S]:
        cohort = self._young.get(size)
        if cohort is None:
            cohort = self._young[size] = _Cohort(size)
        return cohort

    def _slot(self, phase: int) -> int:
        """The first one of this phase that has not passed."""
        tick = self._tick + 1
        return tick + (phase - tick) % SLOT
