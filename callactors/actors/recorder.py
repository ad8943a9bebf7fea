"""A call on tape: caller left, agent right, aligned to what each side really heard.

- Every two seconds: take what the tape holds, lay it out (audio/reel), hand what can no longer change to the deck.
- The file begins with the first sound, at the rate of its leg; a leg that takes over goes on where its clock says.
- A pause is silence on both sides; nothing said in it ever reaches the disk (parts/muting).
- A disk that fails, or does not answer, ends the recording with an event, never the call. `finally` only hands over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Protocol

import attrs
import trio

from callactors.actors.messages import CallerAudio, PauseRecording, RecordingWanted, ResumeRecording
from callactors.actors.parts.muting import Muting
from callactors.actors.parts.tape import Order, Sound, Tape
from callactors.audio.format import AudioFormat
from callactors.audio.reel import WIDTH, Reel
from callactors.stores.deck import Deck, Work

POSITIONS = 8000  # a second, in every format
TICK = 2.0  # seconds between two looks at the tape: what a killed process may lose, with SETTLE
SETTLE = 1.0  # seconds kept back: a batch may come this late and still find its place, a pause still mute it
HOLE = 10.0  # seconds of nothing on either side that are left out of memory

WIDTHS = {format: format.rate * format.width // POSITIONS for format in AudioFormat}  # bytes a position
UNASKED = "not asked for"


class Spool(Protocol):
    """The file (stores/spool). Everything may raise OSError, and runs in a thread; `facts` are for the record."""

    @property
    def facts(self) -> dict[str, object]: ...
    def open(self) -> None: ...
    def append(self, audio: bytes) -> None: ...
    def hole(self, count: int) -> None: ...
    def finish(self) -> None: ...
    def close(self) -> None: ...


@attrs.define(eq=False)
class Recorder:
    """Records one call. `spool(rate)` is its file; `tell(kind, **facts)` takes the events of its record."""

    tape: Tape
    deck: Deck
    spool: Callable[[int], Spool]
    tell: Callable[..., None] = lambda kind, **facts: None
    finished: Callable[[], None] = lambda: None  # the file is whole and closed
    failed: str | None = attrs.field(default=None, init=False)
    _muting: Muting = attrs.field(factory=Muting, init=False)
    _reel: Reel | None = attrs.field(default=None, init=False)
    _file: Spool | None = attrs.field(default=None, init=False)
    _waiting: int = attrs.field(default=0, init=False)  # what the deck has of ours
    _origin: int = attrs.field(default=0, init=False)  # the place at which the file begins
    _began: dict[int, int] = attrs.field(factory=dict, init=False)  # leg: the position at which its media begins
    _epoch: float = attrs.field(default=0.0, init=False)  # when position 0 was

    def __attrs_post_init__(self) -> None:
        if not self.tape.on:
            self._muting.pause(UNASKED, float("-inf"))

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        task_status.started()
        try:
            while self.failed is None:
                await trio.sleep(TICK)
                self._look()
        finally:
            self._end()

    def _look(self) -> None:
        """Lay out what has come, and have written what is settled."""
        if self._waiting:  # the disk is slow: the tape keeps a minute
            return
        self._listen()
        reel = self._reel
        if reel is not None:
            settled = reel.end - round(SETTLE * reel.rate)
            if settled - reel.taken >= reel.rate:  # a second of it
                self._write(reel, settled)

    def _listen(self) -> None:
        orders, sounds = self.tape.take()
        for order in orders:
            self._obey(order)
        for first, at, audio in _runs(sounds):
            self._lay(first, at, audio)

    def _obey(self, order: Order) -> None:
        match order:
            case PauseRecording():
                self._muting.pause(order.reason, order.at)
                self.tell("recording_paused", reason=order.reason)
            case ResumeRecording():
                if self._muting.resume(order.reason, order.at):
                    self.tell("recording_resumed", reason=order.reason)
            case RecordingWanted(wanted=True):
                self._muting.resume(UNASKED, order.at)
            case RecordingWanted():
                self._muting.pause(UNASKED, order.at)

    # -- the reel ------------------------------------------------------------------------------------------------

    def _lay(self, first: Sound, at: float, audio: bytes) -> None:
        """One run of sounds; `at` is when its end was told."""
        position = self._beginning(first) + first.position
        self._epoch = min(self._epoch, at - (position + len(audio) // WIDTHS[first.format]) / POSITIONS)
        reel = self._reel or self._begin(first, position)
        place = position * reel.rate // POSITIONS
        if place - reel.end > HOLE * reel.rate:
            self._leave_out(reel, place)
        reel.lay(0 if isinstance(first, CallerAudio) else 1, place, audio, first.format)

    def _begin(self, first: Sound, position: int) -> Reel:
        """The first sound: now there is something to open a file for. What was asked for late has no silence before."""
        reel = self._reel = Reel(first.format.rate)
        if self.tape.mode != "always":
            self._origin = position * reel.rate // POSITIONS
            reel.skip(self._origin)
        self._file = self.spool(reel.rate)
        self._do(self._file.open)
        self.tell("recording", **self._file.facts)
        return reel

    def _beginning(self, sound: Sound) -> int:
        if not self._began:
            self._began[sound.leg], self._epoch = 0, sound.at - sound.position / POSITIONS
        if sound.leg not in self._began:
            by_clock = round((sound.at - self._epoch) * POSITIONS) - sound.position
            end = 0 if self._reel is None else self._reel.end * POSITIONS // self._reel.rate
            self._began[sound.leg] = max(by_clock, end)
        return self._began[sound.leg]

    # -- the file ------------------------------------------------------------------------------------------------

    def _do(self, work: Work) -> None:
        self._waiting += 1
        self.deck.put(work, self._done)

    def _done(self, error: OSError | None) -> None:
        self._waiting -= 1
        if error is not None and self.failed is None:
            self.failed = str(error)
            self.tape.stop()
            self.tell("recording_failed", error=self.failed)

    def _write(self, reel: Reel, until: int) -> None:
        assert self._file is not None  # it came with the reel
        muted = tuple(self._muting.places(self._epoch, reel.rate, reel.taken, until))
        if until > reel.taken:
            self._do(partial(self._file.append, reel.take(until, muted)))

    def _leave_out(self, reel: Reel, until: int) -> None:
        """After a long hold an hour of silence costs neither memory nor disk."""
        assert self._file is not None
        end = reel.end
        self._write(reel, end)
        reel.skip(until)
        self._do(partial(self._file.hole, WIDTH * (until - end)))

    def _end(self) -> None:
        """The rest, handed over; whatever comes of it, the file is closed."""
        if self.failed is None:
            self._listen()
        self.tape.stop()
        reel, file = self._reel, self._file
        if reel is None or file is None:
            return
        if self.failed is None:
            self._write(reel, reel.end)
            self._do(file.finish)
            self.tell("recording_ended", **self._facts(reel))
        self.deck.put(file.close, self._closed)

    def _closed(self, error: OSError | None) -> None:
        self._waiting += 1
        self._done(error)
        if self.failed is None:
            self.finished()

    def _facts(self, reel: Reel) -> dict[str, object]:
        """How long it is and where it was paused, in seconds of the file; how many sounds a slow disk has cost."""
        spans = self._muting.places(self._epoch, reel.rate, self._origin, reel.end)
        paused = [[round((place - self._origin) / reel.rate, 2) for place in span] for span in spans]
        lost = {"sounds_lost": self.tape.dropped} if self.tape.dropped else {}
        return {"seconds": round((reel.end - self._origin) / reel.rate, 2), "paused": paused, **lost}


def _runs(sounds: list[Sound]) -> Iterator[tuple[Sound, float, bytes]]:
    """Sounds that follow each other on one side without a gap, as one: (the first, `at` of the last, audio)."""
    runs: dict[type, _Run] = {}
    for sound in sounds:
        run = runs.get(type(sound))
        if run is None or run.end != sound.position or run.leg != sound.leg or run.format is not sound.format:
            yield from (runs.pop(side).whole() for side in _ended_by(sound, runs))
            run = runs[type(sound)] = _Run(sound, sound.leg, sound.format, sound.position)
        run.pieces.append(sound.audio)
        run.end += len(sound.audio) // run.width
        run.at = sound.at
    for run in runs.values():
        yield run.whole()


def _ended_by(sound: Sound, runs: Mapping[type, _Run]) -> list[type]:
    """Its own side's run, and both where another leg takes over: what that one said comes before."""
    return [side for side, run in runs.items() if side is type(sound) or run.leg != sound.leg]


@attrs.define
class _Run:
    first: Sound
    leg: int
    format: AudioFormat
    end: int
    at: float = 0.0
    pieces: list[bytes] = attrs.field(factory=list)
    width: int = attrs.field(init=False)  # bytes a position

    def __attrs_post_init__(self) -> None:
        self.width = WIDTHS[self.format]

    def whole(self) -> tuple[Sound, float, bytes]:
        return self.first, self.at, b"".join(self.pieces)
