"""Response times as a listener would measure them, from a recording's two channels: nothing but level and time.

- A channel is cut into windows of 10 ms; speech is what lies above a threshold, which follows the channel's own noise.
- A stretch ends with a pause of PAUSE; less than SHORTEST of sound is a click, not speech.
- An answer is the agent's first sound after the caller's last one. An agent who speaks over a caller and falls silent
  before them has yielded; the time from the caller's first sound to the agent's last is the reaction.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import attrs
import numpy as np
import numpy.typing as npt

from callactors.audio.g711 import Samples
from callactors.audio.levels import WINDOW, by_windows, speech_threshold
from callactors.testing.ears import percentile

PAUSE = 0.7  # seconds of quiet that end a stretch
BREATH = 0.3  # seconds of quiet after which an agent that was spoken over has stopped
SHORTEST = 0.060  # seconds of sound
NOISE_SHARE = 0.2  # of the windows; what is softest in a conversation is its noise
SLOW = 3.0  # seconds after which an agent that goes on has not yielded
OVER = 0.2  # seconds a caller must speak over the agent to have cut in


@attrs.frozen
class Speech:
    """From `start` to `end`, seconds of the recording."""

    start: float
    end: float


@attrs.frozen
class Answer:
    """The caller fell silent at `asked`, the agent began at `answered`: seconds of the recording."""

    asked: float
    answered: float

    @property
    def ms(self) -> int:
        return round(1000 * (self.answered - self.asked))


@attrs.frozen
class CutIn:
    """The caller began at `at` while the agent spoke, who fell silent at `stopped`; None when they went on."""

    at: float
    stopped: float | None

    @property
    def ms(self) -> int | None:
        return None if self.stopped is None else round(1000 * (self.stopped - self.at))


@attrs.frozen
class Measured:
    """A conversation of two channels. `unanswered` are the ends of the caller's speech that nobody answered."""

    seconds: float
    caller: tuple[Speech, ...]
    agent: tuple[Speech, ...]
    answers: tuple[Answer, ...]
    unanswered: tuple[float, ...]
    cut_ins: tuple[CutIn, ...]
    thresholds: tuple[float, float]  # dBFS, of caller and agent

    def percentiles(self) -> dict[str, float | None]:
        """Of the response times, ms."""
        times = [answer.ms for answer in self.answers]
        return {f"p{share}": percentile(times, share / 100) for share in (50, 90, 95, 99)}


def measure(caller: Samples, agent: Samples, rate: int, pause: float = PAUSE) -> Measured:
    """Both channels of one recording, `rate` samples a second."""
    levels = [by_windows(channel, rate) for channel in (caller, agent)]
    limits = [speech_threshold(channel, NOISE_SHARE) for channel in levels]
    loud = [sounding(channel > limit) for channel, limit in zip(levels, limits, strict=True)]
    asked, said = speech(loud[0], pause), speech(loud[1], pause)
    answers = tuple(_answers(asked, loud[1]))
    answered = {answer.asked for answer in answers}
    return Measured(
        seconds=len(caller) / rate,
        caller=asked,
        agent=said,
        answers=answers,
        unanswered=tuple(one.end for one in asked if one.end not in answered),
        cut_ins=tuple(_cut_ins(asked, speech(loud[1], BREATH))),
        thresholds=(limits[0], limits[1]),
    )


def sounding(loud: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """The same without clicks: sound that has less than SHORTEST of its kind within SHORTEST before and after it."""
    least = round(SHORTEST / WINDOW)
    if not len(loud):
        return loud
    around = np.convolve(loud.astype(np.int64), np.ones(2 * least + 1, dtype=np.int64))[least : least + len(loud)]
    return loud & (around >= least)


def speech(loud: npt.NDArray[np.bool_], pause: float) -> tuple[Speech, ...]:
    """Every stretch of speech; shorter pauses belong to it."""
    windows = np.flatnonzero(loud)
    if not len(windows):
        return ()
    breaks = np.flatnonzero(np.diff(windows) - 1 >= round(pause / WINDOW))
    starts, ends = [windows[0], *windows[breaks + 1]], [*windows[breaks], windows[-1]]
    pairs = zip(starts, ends, strict=True)
    return tuple(Speech(round(int(a) * WINDOW, 3), round((int(b) + 1) * WINDOW, 3)) for a, b in pairs)


def _answers(asked: Sequence[Speech], agent: npt.NDArray[np.bool_]) -> Iterator[Answer]:
    """Each end of the caller's speech, and the agent's next sound before they go on.

    An agent who speaks already when the caller ends (over their last word) has not answered them.
    """
    windows = np.flatnonzero(agent)
    for place, one in enumerate(asked):
        first, last = round(one.end / WINDOW), len(agent)
        if place + 1 < len(asked):
            last = round(asked[place + 1].start / WINDOW)
        within = windows[(windows >= first) & (windows < last)]
        if len(within) and not agent[max(0, first - 2) : first].any():
            yield Answer(one.end, round(int(within[0]) * WINDOW, 3))


def _cut_ins(caller: Sequence[Speech], agent: Sequence[Speech]) -> Iterator[CutIn]:
    """Where the caller spoke over the agent, and whether they yielded."""
    for one in caller:
        for said in agent:
            if said.start < one.start < said.end and min(one.end, said.end) - one.start >= min(
                OVER, one.end - one.start
            ):
                yield CutIn(one.start, said.end if said.end - one.start <= SLOW else None)


Kind = Literal["answer", "cut in", "unanswered"]


def story(heard: Measured) -> list[tuple[float, Kind, int | None]]:
    """Everything that can be told, in order of time: when, what, and how many ms it took."""
    found: list[tuple[float, Kind, int | None]] = [(one.asked, "answer", one.ms) for one in heard.answers]
    found += [(one.at, "cut in", one.ms) for one in heard.cut_ins]
    found += [(at, "unanswered", None) for at in heard.unanswered]
    return sorted(found, key=lambda one: one[0])
