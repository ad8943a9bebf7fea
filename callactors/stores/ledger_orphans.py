"""Calls whose process died: which they are, what a BYE to each needs, and how their records are closed.

- Same node or a worker of it (`a1.0` of `a1`), another boot: dead now, for node.lock is ours. Another node's: only when
  its lease passed 30 s ago.
- Only a call that is still open is closed, so nothing that ended by itself is ever rewritten.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

import attrs
import msgspec

from callactors.routing.cause import Cause
from callactors.sip.dialog import DialogFacts

GRACE = 30_000  # ms past another node's lease

_OURS = "(node = :node OR substr(node, 1, length(:node) + 1) = :node || '.')"  # of this node, or of its workers
_OPEN = f"""SELECT id, node, boot, started, answered, direction, trunk FROM calls WHERE ended IS NULL
  AND (({_OURS} AND boot <> :boot) OR (NOT {_OURS} AND lease_until < :now - :grace)) ORDER BY id"""
_OPEN_OF = """SELECT id, node, boot, started, answered, direction, trunk FROM calls
  WHERE ended IS NULL AND node = :node AND boot = :boot ORDER BY id"""
_FACTS = DialogFacts.__struct_fields__
# only who called may end an early dialog (RFC 3261 section 15): leg 0 of an inbound call is the caller's to give up
_RINGS = """rang IS NOT NULL AND remote_tag <> ''
  AND (leg > 0 OR (SELECT direction FROM calls WHERE id = call) = 'outbound')"""
_DIALOGS = f"""SELECT {", ".join(_FACTS)} FROM attempts
  WHERE call = ? AND ended IS NULL AND sip_call_id IS NOT NULL AND (answered IS NOT NULL OR {_RINGS}) ORDER BY n"""
_STILL = f"""id = :call AND boot = :boot AND ended IS NULL
  AND ({_OURS} OR lease_until < :now - :grace)"""  # another node's call may have been renewed since we looked
_CLOSE = (
    "UPDATE attempts SET ended = :now WHERE call = :call AND ended IS NULL"
    f" AND EXISTS (SELECT 1 FROM calls WHERE {_STILL})",
    "UPDATE tool_runs SET state = 'lost' WHERE call = :call AND state = 'started'"
    f" AND EXISTS (SELECT 1 FROM calls WHERE {_STILL})",
    f"UPDATE calls SET ended = :now, cause = :cause, ended_by = 'us' WHERE {_STILL}",
)


@attrs.frozen
class Orphan:
    """An open call of a dead process. `dialogs` are its answered legs, and those of ours that ring.

    Times are UTC epoch milliseconds.
    """

    call: str
    node: str
    boot: str
    started: int
    answered: int | None
    dialogs: tuple[DialogFacts, ...]
    direction: str = "inbound"
    trunk: str | None = None


def find(connection: sqlite3.Connection, node: str, boot: str, now: int) -> list[Orphan]:
    """Every orphan there is, oldest first."""
    bound = {"node": node, "boot": boot, "now": now, "grace": GRACE}
    return _orphans(connection, connection.execute(_OPEN, bound).fetchall())


def find_of(connection: sqlite3.Connection, node: str, boot: str) -> list[Orphan]:
    """Every open call of one process that is known to be dead."""
    return _orphans(connection, connection.execute(_OPEN_OF, {"node": node, "boot": boot}).fetchall())


def _orphans(connection: sqlite3.Connection, found: Sequence[Sequence[Any]]) -> list[Orphan]:
    return [
        Orphan(call, node, boot, started, answered, _dialogs(connection, call), direction, trunk)
        for call, node, boot, started, answered, direction, trunk in found
    ]


def _dialogs(connection: sqlite3.Connection, call: str) -> tuple[DialogFacts, ...]:
    return tuple(_facts(row) for row in connection.execute(_DIALOGS, (call,)))


def _facts(row: Sequence[object]) -> DialogFacts:
    fields = dict(zip(_FACTS, row, strict=True))
    fields["route_set"] = msgspec.json.decode(str(fields["route_set"] or "[]"))
    return msgspec.convert(fields, DialogFacts)


def close(
    connection: sqlite3.Connection, orphans: Sequence[Orphan], node: str, now: int, cause: Cause = Cause.KILLED
) -> int:
    """Close these, and only those still orphans; returns how many. One transaction."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        closed = sum(_close_one(connection, orphan, node, now, cause) for orphan in orphans)
        connection.execute("COMMIT")
    except BaseException:  # half a clean-up must not stay, whatever interrupted it
        connection.execute("ROLLBACK")
        raise
    return closed


def _close_one(connection: sqlite3.Connection, orphan: Orphan, node: str, now: int, cause: Cause) -> int:
    bound = {"call": orphan.call, "boot": orphan.boot, "node": node, "now": now, "grace": GRACE}
    bound |= {"cause": cause.value}
    return [connection.execute(statement, bound).rowcount for statement in _CLOSE][-1]
