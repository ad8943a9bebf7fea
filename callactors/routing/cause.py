"""Why a call ended: a closed enum, each value mapped to SIP and Q.850 in one table.

Grow it here and nowhere else. `sip` is what we would send before an answer, `q850` what goes into Reason (RFC 3326).
"""

from __future__ import annotations

import enum


class Cause(enum.StrEnum):
    """One word per ending; the ledger stores the value."""

    COMPLETED = "completed"  # the conversation came to its end
    CALLER_HUNG_UP = "caller_hung_up"
    CALLEE_HUNG_UP = "callee_hung_up"  # of a call we placed
    AGENT_HUNG_UP = "agent_hung_up"
    TRANSFERRED = "transferred"
    CANCELLED = "cancelled"  # CANCEL before our answer
    NO_ROUTE = "no_route"  # a number nobody serves
    NO_DIALOG = "no_dialog"  # an INVITE with Replaces, and no call of ours that it could replace
    OVERLOAD = "overload"  # the call limit, ports or descriptors
    TRUNK_RATE = "trunk_rate"  # more calls a second from a trunk than its cps
    CALLER_RATE = "caller_rate"  # more calls of one caller than limits.per_caller_minute
    CALL_COST = "call_cost"  # limits.usd_per_call is spent
    DAY_COST = "day_cost"  # limits.usd_per_day is spent
    EMERGENCY = "emergency"  # a call for help that was put through, and ended
    EMERGENCY_FAILED = "emergency_failed"  # a call for help nobody could take: the caller was told what to do
    IDENTITY = "identity"  # a STIR/SHAKEN Identity that its trunk requires, and that is absent or not believed
    BAD_OFFER = "bad_offer"  # SDP we cannot answer
    NOT_ANSWERED = "not_answered"  # an INVITE of ours was refused, or nobody picked up
    BUSY = "busy"  # the callee's line (486, Q.850 17)
    DECLINED = "declined"  # by the callee (603, Q.850 21)
    REFUSED = "refused"  # by the network, finally: no such number, forbidden there
    UNREACHED = "unreached"  # every way to the callee failed
    NOT_PERMITTED = "not_permitted"  # nothing in `permit` or `directory` allows this destination
    CALLER_ID = "caller_id"  # a caller id that no trunk of the route may show
    TRUNK_FULL = "trunk_full"  # every trunk of the route is at its channels or calls per second
    SESSION_EXPIRED = "session_expired"  # nobody refreshed it (RFC 4028)
    OUT_OF_HOURS = "out_of_hours"  # at the callee's own time of day
    NO_CONSENT = "no_consent"  # not on the list of those who agreed
    DO_NOT_CALL = "do_not_call"
    NO_ACK = "no_ack"  # our 200 was never acknowledged
    RTP_SILENCE = "rtp_silence"
    MODEL_DOWN = "model_down"
    TOOL_CRASH = "tool_crash"
    CALL_MAX = "call_max"  # timers.call_max or the scenario's max_length
    DRAINED = "drained"  # SIGTERM
    KILLED = "killed"  # the process died; the next start closed the record
    CRASH = "crash"  # an error of ours
    DESK_CLOSED = "desk_closed"  # the call's own mailbox closed under it


_CODES: dict[Cause, tuple[int, int]] = {
    Cause.COMPLETED: (480, 16),
    Cause.CALLER_HUNG_UP: (487, 16),
    Cause.CALLEE_HUNG_UP: (487, 16),
    Cause.AGENT_HUNG_UP: (480, 16),
    Cause.TRANSFERRED: (480, 16),
    Cause.CANCELLED: (487, 16),
    Cause.NO_ROUTE: (404, 1),
    Cause.NO_DIALOG: (481, 31),
    Cause.OVERLOAD: (503, 42),
    Cause.TRUNK_RATE: (503, 42),
    Cause.CALLER_RATE: (480, 21),
    Cause.CALL_COST: (480, 31),
    Cause.DAY_COST: (480, 31),
    Cause.EMERGENCY: (480, 16),
    Cause.EMERGENCY_FAILED: (503, 38),
    Cause.IDENTITY: (438, 21),
    Cause.BAD_OFFER: (488, 79),
    Cause.NOT_ANSWERED: (480, 19),
    Cause.BUSY: (486, 17),
    Cause.DECLINED: (603, 21),
    Cause.REFUSED: (404, 31),
    Cause.UNREACHED: (503, 38),
    Cause.NOT_PERMITTED: (403, 21),
    Cause.CALLER_ID: (403, 21),
    Cause.TRUNK_FULL: (503, 34),
    Cause.SESSION_EXPIRED: (408, 102),
    Cause.OUT_OF_HOURS: (403, 21),
    Cause.NO_CONSENT: (403, 21),
    Cause.DO_NOT_CALL: (403, 21),
    Cause.NO_ACK: (408, 102),
    Cause.RTP_SILENCE: (480, 41),
    Cause.MODEL_DOWN: (503, 41),
    Cause.TOOL_CRASH: (500, 41),
    Cause.CALL_MAX: (480, 16),
    Cause.DRAINED: (503, 41),
    Cause.KILLED: (500, 41),
    Cause.CRASH: (500, 41),
    Cause.DESK_CLOSED: (500, 41),
}


def sip_code(cause: Cause) -> int:
    """The status that refuses an INVITE for this cause."""
    return _CODES[cause][0]


def q850(cause: Cause) -> int:
    """The ITU-T Q.850 value for a Reason header (RFC 3326)."""
    return _CODES[cause][1]
