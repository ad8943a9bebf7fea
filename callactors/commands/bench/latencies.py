"""Two witnesses, one clock: what the callers heard and what the model saw, joined to the latencies between them.

- A delta's way: from the peer's sending an utterance's first delta to the kernel's stamp on its first RTP packet.
- An append's way: from the first and from the last packet of its batch leaving the caller to its arrival at the peer.
- Who belongs to whom the utterances say: a session's number is keyed into each (keyed.py).
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence

import attrs

from callactors.commands.bench.facts import Appended, CallHeard, Loaded, Marked, PeerReport, Spread, spread

BELIEVED = 1.0  # seconds: what took longer is not the same utterance, or packet
MIDDLE = 3  # the loud packet in Marked.times


@attrs.frozen
class Latencies:
    """Milliseconds."""

    delta_to_rtp: Spread
    batch_to_append: Spread  # the batch's last packet
    first_to_append: Spread  # the batch's first packet


def latencies(loaded: Loaded, peer: PeerReport) -> Latencies:
    """Of the window alone."""
    since, until = loaded.window
    said = {(one.number, one.count, round(one.at)): one.at for one in peer.said}
    appended: dict[int, list[Appended]] = {}
    for one in peer.appended:
        if since <= one.at < until:
            appended.setdefault(one.number, []).append(one)
    deltas: list[float] = []
    batches: list[tuple[float, float]] = []
    for call in loaded.heard:
        heard = list(_answers(call, said))
        deltas += [took for _, at, took in heard if since <= at < until]
        for number, _ in Counter(number for number, _, _ in heard).most_common(1):
            batches += _batches(call.marked, appended.get(number, []))
    return Latencies(spread(deltas), spread([last for _, last in batches]), spread([first for first, _ in batches]))


def _answers(call: CallHeard, said: dict[tuple[int, int, int], float]) -> Iterator[tuple[int, float, float]]:
    """Session number, when it was heard, and how long that took."""
    for one in call.sounded:
        for second in (round(one.at) - 1, round(one.at), round(one.at) + 1):
            at = said.get((one.number, one.count, second))
            if at is not None and 0 <= one.at - at < BELIEVED:
                yield one.number, one.at, one.at - at


def _batches(marked: Sequence[Marked], appended: Sequence[Appended]) -> Iterator[tuple[float, float]]:
    """From the first and from the last packet of each batch to its append."""
    loud = [mark.times[MIDDLE] for mark in marked]
    for append in appended:
        place = bisect_right(loud, append.at) - 1
        fits = place >= 0 and append.before <= MIDDLE and 0 <= append.after <= MIDDLE
        if fits and append.at - loud[place] < BELIEVED / 2:
            times = marked[place].times
            yield append.at - times[MIDDLE - append.before], append.at - times[MIDDLE + append.after]
