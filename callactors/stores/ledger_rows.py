"""The ledger's rows: one frozen struct per fact, and the one table that turns each into SQL.

- Times are UTC epoch milliseconds (`Ledger.wall(at)`); strings may come from the wire and are bound, never pasted.
- Every row may be written twice: keyed tables are upserts whose later values win and whose None never erases.
- To add a row: a struct here, a line in `_SQL`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from callactors.routing.cause import Cause
from callactors.sip.dialog import DialogFacts

OUTCOMES = ("none", "crm_created", "booking_captured", "handed_off")  # each beats those before it

Values = dict[str, Any]  # what sqlite3 binds: str, int, float or None by column


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A fact for the ledger."""

    call: str


class CallOpened(Row, frozen=True, kw_only=True):
    """A call was admitted (`direction` is inbound or outbound). Its lease is the ledger's business."""

    direction: str
    started: int
    scenario: str | None = None
    caller: str | None = None
    called: str | None = None
    trunk: str | None = None


class CallAnsweredAt(Row, frozen=True, kw_only=True):
    answered: int


class CallReached(Row, frozen=True, kw_only=True):
    """By which trunk a call of ours was answered, and which number it showed."""

    trunk: str
    caller: str


class NeverAnswered(Row, frozen=True, kw_only=True):
    """The 200 that CallAnsweredAt announced never left: the caller gave up, or the ledger was broken."""


class CallClosed(Row, frozen=True, kw_only=True):
    """The call's last row. The first close wins: a record never changes its cause."""

    ended: int
    cause: Cause
    ended_by: str
    usd: float | None = None


class CallRefused(Row, frozen=True, kw_only=True):
    """An INVITE of a listed trunk that was turned away: a whole call and its only attempt in one row.

    More than ten a second of one cause are folded into one event that counts them.
    """

    at: int
    cause: Cause
    sip_code: int
    trunk: str | None = None
    caller: str | None = None
    called: str | None = None
    scenario: str | None = None
    direction: str = "inbound"
    sip_call_id: str | None = None
    reason: str | None = None


class OutcomeRow(Row, frozen=True, kw_only=True):
    """One of OUTCOMES was reached: an event of kind `outcome`, and the call's outcome if it is a later one."""

    at: int
    outcome: str
    detail: str = ""


class AttemptRow(Row, frozen=True, kw_only=True):
    """One try of one leg; an inbound leg is n=0. Queue it again with what has become known since."""

    n: int
    leg: int
    trunk: str | None = None
    target: str | None = None
    facts: DialogFacts | None = None
    rang: int | None = None
    answered: int | None = None
    ended: int | None = None
    sip_code: int | None = None
    q850: int | None = None
    reason: str | None = None


class TurnRow(Row, frozen=True, kw_only=True):
    """One exchange; `stages` in milliseconds."""

    n: int
    heard: str
    said: str
    cut_ms: int | None = None
    stages: dict[str, float] = {}


class ToolRunRow(Row, frozen=True, kw_only=True):
    """A tool is about to run. `arguments` is JSON text."""

    session: int
    tool_request_id: str
    tool: str
    arguments: str
    state: str = "started"


class ToolRunDone(Row, frozen=True, kw_only=True):
    """`state` is finished or failed; `output` is what the model was told."""

    session: int
    tool_request_id: str
    state: str
    output: str


class TransferRow(Row, frozen=True, kw_only=True):
    """A transfer (`kind` blind, attended or bridged). Queue it again, same n, with its outcome."""

    n: int
    kind: str
    target: str
    at: int
    outcome: str | None = None
    sip_code: int | None = None


class QualityRow(Row, frozen=True, kw_only=True):
    """What a leg's media was like; `direction` is in or out."""

    leg: int
    direction: str
    packets: int
    lost: int
    late: int
    jitter_ms: float
    mos: float | None = None


class EventRow(Row, frozen=True, kw_only=True):
    """Anything else worth keeping; numbered by the ledger. `call` is empty for what concerns the whole process."""

    at: int
    kind: str
    body: Any = None  # becomes JSON


class LeasesRenewed(Row, frozen=True, kw_only=True):
    """Every open call of this boot is alive. Queued by the ledger itself."""

    call: str = ""


def arguments_hash(arguments: str | bytes) -> str:
    """The same for the same JSON value, however it is spaced or ordered; text that is no JSON is hashed as it is."""
    try:
        canonical = msgspec.json.encode(msgspec.json.decode(arguments), order="deterministic")
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        canonical = arguments.encode("utf-8", "surrogatepass") if isinstance(arguments, str) else bytes(arguments)
    return hashlib.sha256(canonical).hexdigest()


def values(row: Row) -> Values:
    """A row's fields as sqlite3 binds them: dialog facts side by side, containers as JSON text, text storable."""
    fields: Values = msgspec.to_builtins(row)
    facts = fields.pop("facts", None)
    fields |= dict.fromkeys(DialogFacts.__struct_fields__) | (facts or {}) if isinstance(row, AttemptRow) else {}
    if isinstance(row, ToolRunRow):
        fields["arguments_hash"] = arguments_hash(row.arguments)
    if isinstance(row, OutcomeRow):
        fields["body"] = {"outcome": row.outcome, "detail": row.detail}
    return {name: _bindable(value) for name, value in fields.items()}


def _bindable(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8") if not value.isascii() else value
    if isinstance(value, (list, tuple, dict)):
        return _json(value)
    return value


def _json(value: Any) -> str:
    try:
        return msgspec.json.encode(value).decode()
    except UnicodeEncodeError:  # half a surrogate pair, from a caller's or a model's broken text
        return json.dumps(value, default=str)


def _upsert(table: str, keys: str, columns: str) -> str:
    """INSERT, or fill in what has become known: a later None never erases."""
    names = [name.strip() for name in f"{keys}, {columns}".split(",")]
    marks = ", ".join(f":{name}" for name in names)
    changes = ", ".join(f"{name} = coalesce(excluded.{name}, {name})" for name in names if name not in keys.split(", "))
    return f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks}) ON CONFLICT ({keys}) DO UPDATE SET {changes}"


_EVENT = (
    "INSERT INTO events (call, seq, at, kind, body)"
    " SELECT :call, coalesce(max(seq), -1) + 1, :at, {kind}, :body FROM events WHERE call = :call"
)
_WHENS = " ".join(f"WHEN '{outcome}' THEN {rank}" for rank, outcome in enumerate(OUTCOMES))
_RANK = f"CASE {{}} {_WHENS} ELSE 0 END"

_SQL: Mapping[type[Row], tuple[str, ...]] = {
    CallOpened: (
        "INSERT INTO calls"
        " (id, node, boot, lease_until, direction, scenario, caller, called, trunk, started) VALUES"
        " (:call, :node, :boot, :lease_until, :direction, :scenario, :caller, :called, :trunk, :started)"
        " ON CONFLICT (id) DO NOTHING",
    ),
    CallAnsweredAt: ("UPDATE calls SET answered = coalesce(answered, :answered) WHERE id = :call",),
    CallReached: ("UPDATE calls SET trunk = :trunk, caller = :caller WHERE id = :call",),
    NeverAnswered: (
        "UPDATE calls SET answered = NULL WHERE id = :call AND ended IS NULL",
        "UPDATE attempts SET answered = NULL WHERE call = :call AND n = 0",
    ),
    CallClosed: (
        "UPDATE calls SET ended = :ended, cause = :cause, ended_by = :ended_by, usd = :usd"
        " WHERE id = :call AND ended IS NULL",
    ),
    CallRefused: (
        "INSERT INTO calls (id, node, boot, lease_until, direction, scenario, caller, called, trunk,"
        " started, ended, cause, ended_by) VALUES (:call, :node, :boot, :lease_until, :direction, :scenario, :caller,"
        " :called, :trunk, :at, :at, :cause, 'us')"
        " ON CONFLICT (id) DO NOTHING",
        "INSERT INTO attempts (call, n, leg, trunk, sip_call_id, ended, sip_code, reason)"
        " VALUES (:call, 0, 0, :trunk, :sip_call_id, :at, :sip_code, :reason)"
        " ON CONFLICT (call, n) DO NOTHING",
    ),
    OutcomeRow: (
        _EVENT.format(kind="'outcome'"),
        "UPDATE calls SET outcome = :outcome WHERE id = :call"
        f" AND {_RANK.format(':outcome')} > {_RANK.format('outcome')}",
    ),
    AttemptRow: (
        _upsert(
            "attempts",
            "call, n",
            "leg, trunk, target, sip_call_id, local_tag, remote_tag, cseq, local_uri, remote_uri, local_address,"
            " remote_address, route_set, remote_target, rang, answered, ended, sip_code, q850, reason",
        ),
    ),
    TurnRow: (_upsert("turns", "call, n", "heard, said, cut_ms, stages"),),
    ToolRunRow: (_upsert("tool_runs", "call, session, tool_request_id", "tool, arguments, arguments_hash, state"),),
    ToolRunDone: (
        "UPDATE tool_runs SET state = :state, output = :output"
        " WHERE call = :call AND session = :session AND tool_request_id = :tool_request_id",
    ),
    TransferRow: (_upsert("transfers", "call, n", "kind, target, at, outcome, sip_code"),),
    QualityRow: (_upsert("quality", "call, leg, direction", "packets, lost, late, jitter_ms, mos"),),
    EventRow: (_EVENT.format(kind=":kind"),),
    LeasesRenewed: (
        "UPDATE calls SET lease_until = :lease_until WHERE node = :node AND boot = :boot AND ended IS NULL",
    ),
}


def write(execute: Callable[[str, Values], object], row: Row, ours: Values) -> None:
    """Write one row by `execute`; `ours` is the ledger's own node, boot and lease_until. sqlite3's errors come out."""
    bound = values(row) | ours
    for statement in _SQL[type(row)]:
        execute(statement, bound)
