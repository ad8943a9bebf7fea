"""INVITEs that a worker was handed and has not answered for good: nobody else can, once it has died.

- One is kept from the moment it is handed out until a row says that it was refused, has ended, or was answered SURE
  seconds ago: the row is written before the 200 leaves. KEPT seconds at most, and MOST of them.
- `opened` ones have a record, and their callers may have heard them ring.
"""

from __future__ import annotations

from collections import OrderedDict
from math import inf

import attrs

from callactors.sip.address import Hop
from callactors.stores.ledger_rows import AttemptRow, CallRefused, Row

MOST = 4_096
KEPT = 180.0
SURE = 0.25


@attrs.define(eq=False)
class Invite:
    """One of them. `tries` is how many workers it was handed to, `call` its record's name."""

    call_id: str
    worker: int
    data: bytes
    source: Hop
    at: float
    tries: int = 1
    call: str = ""
    answered: float = inf

    @property
    def opened(self) -> bool:
        return bool(self.call)


@attrs.define(eq=False)
class Unanswered:
    """One for the parent."""

    _kept: OrderedDict[str, Invite] = attrs.field(factory=OrderedDict, init=False)
    _calls: dict[str, str] = attrs.field(factory=dict, init=False)  # our call's name: its Call-ID

    def note(self, call_id: str, worker: int, data: bytes, source: Hop, now: float, tries: int = 1) -> None:
        """This INVITE, or a repetition of it, was handed to that worker."""
        known = self._kept.get(call_id)
        if known is not None and known.worker == worker:
            known.data, known.source = data, source
            return
        self._drop(call_id)
        self._kept[call_id] = Invite(call_id, worker, data, source, now, tries)
        while len(self._kept) > MOST or self._over(next(iter(self._kept.values())), now):
            self._drop(next(iter(self._kept)))

    def see(self, row: Row, now: float) -> None:
        """A worker's row."""
        if isinstance(row, CallRefused):
            self._drop(row.sip_call_id or "")
        elif isinstance(row, AttemptRow) and row.n == 0:
            self._see_attempt(row, now)

    def lose(self, worker: int, now: float) -> list[Invite]:
        """That worker has died: what it leaves, oldest first, and keeps no more."""
        left = [one for one in self._kept.values() if one.worker == worker]
        for one in left:
            self._drop(one.call_id)
        return [one for one in left if not self._over(one, now)]

    def __len__(self) -> int:
        return len(self._kept)

    def _see_attempt(self, row: AttemptRow, now: float) -> None:
        call_id = self._calls.get(row.call, "") if row.facts is None else row.facts.sip_call_id
        invite = self._kept.get(call_id)
        if invite is None:
            return
        invite.call, self._calls[row.call] = row.call, call_id
        if row.answered is not None:
            invite.answered = now
        if row.ended is not None:
            self._drop(call_id)

    def _over(self, invite: Invite, now: float) -> bool:
        return now - invite.at > KEPT or now - invite.answered > SURE

    def _drop(self, call_id: str) -> None:
        invite = self._kept.pop(call_id, None)
        if invite is not None:
            self._calls.pop(invite.call, None)
