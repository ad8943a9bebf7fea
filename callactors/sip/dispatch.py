"""Which worker a SIP message is for, by what we wrote into tags and branches ourselves; sans-IO. Rules of this file:

- A worker's node is `NODE.N` (`a1.0`); it begins every tag, branch and Call-ID that worker makes (sip/core.py).
- A response goes by the branch of its Via, a request by our tag in To, else in Replaces, else by its Call-ID: an INVITE
  sent again, its CANCEL and the ACK of its refusal find the worker that had the first.
- Only an INVITE that nobody knows is new, and goes to the least busy one. All else outside a dialog (OPTIONS, rubbish)
  is the parent's own to answer: HOME.
- Headers are only looked at, never parsed: who lies in one leads his own message astray, and no other.
"""

from __future__ import annotations

import re
from collections import OrderedDict, deque
from collections.abc import Sequence
from typing import NamedTuple

from callactors.sip.core import token

HOME = -1
MOST = 50_000  # Call-IDs remembered
MEMORY = 600.0  # seconds a Call-ID is remembered after its last message outside a dialog
PENDING = 3.0  # seconds until an INVITE that a worker was handed is no call of its any more, nor will be one

_HEAD = 16_384  # bytes in which the headers that matter must stand
_CALL_ID = re.compile(rb"^(?:call-id|i)[ \t]*:[ \t]*(\S+)", re.IGNORECASE | re.MULTILINE)
_VIA = re.compile(rb"^(?:via|v)[ \t]*:([^\r\n]*(?:\r?\n[ \t][^\r\n]*)*)", re.IGNORECASE | re.MULTILINE)
_TO = re.compile(rb"^(?:to|t)[ \t]*:([^\r\n]*(?:\r?\n[ \t][^\r\n]*)*)", re.IGNORECASE | re.MULTILINE)
_REPLACES = re.compile(rb"^replaces[ \t]*:([^\r\n]*(?:\r?\n[ \t][^\r\n]*)*)", re.IGNORECASE | re.MULTILINE)


class Load(NamedTuple):
    """One worker as it is now. Not `usable`: it starts, it has died, or it drains; `full`: it would refuse a call.

    `decided` is how many INVITEs it has decided about since it began.
    """

    calls: int
    usable: bool = True
    full: bool = False
    decided: int = 0


class Dispatch:
    """One for the parent. `node` is its own, `count` how many workers there are."""

    def __init__(self, node: str, count: int) -> None:
        name = re.escape(token(node).encode())
        self._tag = re.compile(rb"tag[ \t]*=[ \t]*" + name + rb"\.(\d+)-")
        self._branch = re.compile(rb"branch[ \t]*=[ \t]*z9hG4bK-" + name + rb"\.(\d+)-")
        self._count = count
        self._known: OrderedDict[bytes, tuple[int, float]] = OrderedDict()
        self._handed: list[deque[float]] = [deque() for _ in range(count)]  # when each got what it has not decided
        self._decided, self._last = [0] * count, [-1.0] * count

    def worker(self, data: bytes, loads: Sequence[Load], now: float, *, listed: bool = True) -> int:
        """The worker this message is for, HOME for the parent. `listed`: its source may bring calls at all."""
        head = data[:_HEAD]
        if head[:8].upper() == b"SIP/2.0 ":
            return self._named(self._branch, _VIA.search(head))
        inside = self._named(self._tag, _TO.search(head))
        if inside != HOME or (inside := self._named(self._tag, _REPLACES.search(head))) != HOME:
            return inside if loads[inside].usable else HOME
        method = head[:7].upper()
        if not listed or not method.startswith((b"INVITE ", b"CANCEL ", b"ACK ")):
            return HOME
        found = _CALL_ID.search(head)
        return HOME if found is None else self._by_call_id(found[1], method.startswith(b"INVITE"), loads, now)

    def opens(self, data: bytes) -> str:
        """The Call-ID of an INVITE that would be a call of its own; empty for any other message."""
        head = data[:_HEAD]
        if head[:7].upper() != b"INVITE " or (found := _CALL_ID.search(head)) is None:
            return ""
        inside = [self._named(self._tag, pattern.search(head)) for pattern in (_TO, _REPLACES)]
        return found[1].decode("utf-8", "replace") if inside == [HOME, HOME] else ""

    def forget(self, worker: int) -> None:
        """It has died: what it was handed is nobody's."""
        for call_id in [call_id for call_id, (known, _) in self._known.items() if known == worker]:
            del self._known[call_id]
        self._handed[worker].clear()
        self._decided[worker] = 0

    def __len__(self) -> int:
        return len(self._known)

    def _named(self, ours: re.Pattern[bytes], header: re.Match[bytes] | None) -> int:
        found = None if header is None else ours.search(header[1])
        number = HOME if found is None or len(found[1]) > 4 else int(found[1])
        return number if number < self._count else HOME

    def _by_call_id(self, call_id: bytes, invites: bool, loads: Sequence[Load], now: float) -> int:
        known, at = self._known.get(call_id, (HOME, now))
        if known != HOME and (now - at > MEMORY or not loads[known].usable):
            known = HOME
        if known == HOME and invites:
            known = self._least_busy(loads, now)
        if known != HOME:
            self._known[call_id] = known, now
            self._known.move_to_end(call_id)
            while len(self._known) > MOST:
                self._known.popitem(last=False)
        return known

    def _least_busy(self, loads: Sequence[Load], now: float) -> int:
        """The one with the fewest calls, with those it has been handed and not seen; of equals, whose turn it is.

        One that is full only when all are: it says why. HOME when none is usable.
        """
        usable = [worker for worker, load in enumerate(loads) if load.usable]
        usable = [worker for worker in usable if not loads[worker].full] or usable
        if not usable:
            return HOME
        chosen = min(usable, key=lambda one: (loads[one].calls + self._pending(one, loads[one], now), self._last[one]))
        self._handed[chosen].append(now)
        self._last[chosen] = now
        return chosen

    def _pending(self, worker: int, load: Load, now: float) -> int:
        """INVITEs it was handed, and has not decided about: its own count cannot have them."""
        handed = self._handed[worker]
        for _ in range(load.decided - self._decided[worker]):
            if handed:
                handed.popleft()
        self._decided[worker] = load.decided
        while handed and now - handed[0] > PENDING:
            handed.popleft()
        return len(handed)
