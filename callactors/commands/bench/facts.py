"""What the programs of the media bench tell each other, as JSON: one struct a question, one an answer. Times in seconds
of the machine's monotonic clock, which all of them share, unless the name says ms."""

from __future__ import annotations

from typing import Literal

import msgspec

Audio = Literal["pcm16", "pcmu"]


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What the generator is to do: `calls` calls to `port` on 127.0.0.1, `rate` a second, then a window of `seconds`.

    `pids` are the programs whose CPU and memory the window is about.
    """

    port: int
    calls: int
    seconds: float
    warm: float = 6.0  # seconds from the last answer to the window
    rate: float = 50.0
    opus: bool = False
    srtp: bool = False
    pids: tuple[int, ...] = ()
    empty_kb: int = 0  # the memory of `pids` before they had seen a call


class Spread(msgspec.Struct, frozen=True):
    """Milliseconds: how a time was spread."""

    p50: float = 0.0
    p95: float = 0.0
    p99: float = 0.0
    max: float = 0.0
    count: int = 0


class Sounded(msgspec.Struct, frozen=True):
    """One utterance as a caller heard it begin: which session keyed which count into it, and when."""

    number: int
    count: int
    at: float


class Marked(msgspec.Struct, frozen=True):
    """A loud packet of a caller's: when it left, and those before and after it (it is in the middle)."""

    times: tuple[float, ...]


class CallHeard(msgspec.Struct, frozen=True):
    """What one call of the generator's knows for the latencies."""

    sounded: tuple[Sounded, ...]
    marked: tuple[Marked, ...]


class Loaded(msgspec.Struct, frozen=True, kw_only=True):
    """What the generator measured in its window."""

    offered: int
    up: int
    refused: dict[str, int]  # status: how many
    gone: int  # calls the far end hung up
    window: tuple[float, float]
    cpu_s: float
    rss_kb: int  # at the end of the window, less `empty_kb`
    received: int
    expected: int
    late: int  # packets more than 20 ms late
    gap_ms: Spread
    setup_ms: Spread
    sender_ms: Spread  # how late our own packets left
    heard: tuple[CallHeard, ...] = ()


class Script(msgspec.Struct, frozen=True, kw_only=True):
    """How the model peer speaks: utterances of `shortest` to `longest` seconds, `talk` of the time, 200 ms deltas."""

    shortest: float = 2.0
    longest: float = 4.0
    talk: float = 0.5
    speed: float = 5.0
    certificate: str = ""
    key: str = ""


class Said(msgspec.Struct, frozen=True):
    """The first delta of an utterance was sent."""

    number: int
    count: int
    at: float


class Appended(msgspec.Struct, frozen=True):
    """An append held a caller's loud packet, with so many packets before and after it."""

    number: int
    at: float
    before: int
    after: int


class PeerReport(msgspec.Struct, frozen=True, kw_only=True):
    """What the model peer saw since it was last asked."""

    sessions: int
    appends: int
    late_ms: Spread  # how late its own deltas were
    cpu_s: float
    said: tuple[Said, ...] = ()
    appended: tuple[Appended, ...] = ()


def spread(values: list[float]) -> Spread:
    """The spread of some seconds, in milliseconds."""
    if not values:
        return Spread()
    ordered = sorted(values)
    last = len(ordered) - 1
    p50, p95, p99, most = (round(1000 * ordered[round(share * last)], 2) for share in (0.5, 0.95, 0.99, 1.0))
    return Spread(p50, p95, p99, most, len(ordered))
