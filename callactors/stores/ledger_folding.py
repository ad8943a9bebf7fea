"""Refused calls, folded: above ten rows a second of one cause, a flood becomes one counted event.

Sans-IO: `now` is UTC epoch milliseconds. A second's fold is due once the second is over.
"""

from __future__ import annotations

import attrs

from callactors.routing.cause import Cause
from callactors.stores.ledger_rows import CallRefused, EventRow

ROWS_A_SECOND = 10


@attrs.define
class _Second:
    began: int
    rows: int = 0
    folded: int = 0


@attrs.define
class Folding:
    """Counts refusals by cause; its memory is one entry per cause."""

    _seconds: dict[Cause, _Second] = attrs.field(factory=dict, init=False)
    _due: list[EventRow] = attrs.field(factory=list, init=False)

    def admits(self, row: CallRefused, now: int) -> bool:
        """Whether this refusal gets a row of its own; if not, it has been counted."""
        second = self._seconds.get(row.cause)
        if second is None or now >= second.began + 1000 or now < second.began:
            self._finish(row.cause)
            second = self._seconds[row.cause] = _Second(now)
        if second.rows < ROWS_A_SECOND:
            second.rows += 1
            return True
        second.folded += 1
        return False

    def waiting(self) -> bool:
        """Whether a count is still to be written."""
        return bool(self._due) or any(second.folded for second in self._seconds.values())

    def due(self, now: int, *, everything: bool = False) -> list[EventRow]:
        """The events of the seconds that are over; `everything` at shutdown."""
        for cause, second in list(self._seconds.items()):
            if everything or now >= second.began + 1000:
                self._finish(cause)
        ready, self._due = self._due, []
        return ready

    def _finish(self, cause: Cause) -> None:
        second = self._seconds.pop(cause, None)
        if second is not None and second.folded:
            body = {"cause": cause.value, "count": second.folded}
            self._due.append(EventRow(call="", at=second.began, kind="refused", body=body))
