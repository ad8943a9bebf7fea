"""Every error of callactors, on one page. Rules of this file:

- The first split is whose fault it is: `Theirs` came from outside (a packet, a file, a model, a caller), `Ours` is us.
- Each says what, where, and what to do; `record` is what the call record should say of it, if anything.
- No instance is shared or kept: a kept exception keeps its traceback, and with it a call's frames.

    CallactorsError
    +-- Theirs
    |   +-- ConfigError            callactors.yaml, a scenario or a persona: file, line, path, what is wrong, remedy;
    |   |                          ConfigErrors is many, NotAvailable one for a later version (config/problems.py)
    |   +-- MalformedMessage       SIP we cannot read; `status` is what to answer (400, 413, 416, 505, ...)
    |   +-- MalformedDescription   SDP we cannot read
    |   +-- NoCommonFormat         an offer without a codec of ours: 488
    |   +-- BadIdentity            a STIR/SHAKEN identity we cannot believe; `status` is what to answer (RFC 8224)
    |   +-- NotFetched             a URL that gave nothing usable, or may not be asked
    |   +-- MalformedPacket        RTP or RTCP we cannot read
    |   +-- MalformedEvent         a Realtime event we cannot read
    |   +-- MalformedFrame         a WebSocket frame we cannot read; `code` is what to close with
    |   +-- ModelFailed            the model refused, vanished, or reported a fatal error
    |   +-- BadArguments           tool arguments that do not fit the tool's schema
    |   +-- ToolFailed             a tool that raised, hung, or said no; a store's own are SlotTaken, NotOpen,
    |   |                          UnknownService, NoSuchBooking (stores/calendar.py)
    |   +-- RecordingUnreadable    an encrypted recording with another key, cut short, or changed
    |   `-- WeightsMissing         a package or file of the embedded brain is absent or not the pinned one
    `-- Ours
        +-- UnsafeText             CR, LF or NUL on its way into a header: refused at serialisation
        +-- PlayoutFull            more than 90 s queued to play
        +-- PortsExhausted         no free RTP port pair
        +-- DialogGone             a session that the SIP endpoint has forgotten, or whose INVITE has not left
        +-- NotPlaced              a call we were asked to place, and a rule of ours forbids; its cause is the record's
        +-- Unusable               an address, folder or store we were told to use cannot be used
        +-- NodeBusy               another process holds this node's data folder
        `-- LedgerBroken           the ledger cannot be written
"""

from __future__ import annotations


class CallactorsError(Exception):
    """The root of the tree."""

    record: str | None = None


class Theirs(CallactorsError):
    """What came from outside was wrong."""


class Ours(CallactorsError):
    """We could not do what was asked."""


class ConfigError(Theirs):
    """A configuration, scenario or persona that cannot be used.

    `str()` is `file:line: path: what is wrong; what was meant`, the form editors can jump to.
    """

    def __init__(self, file: str, line: int, path: str, problem: str, remedy: str = "") -> None:
        self.file, self.line, self.path, self.problem, self.remedy = file, line, path, problem, remedy
        where = f"{file}:{line}: {path}: " if path else f"{file}:{line}: "
        super().__init__(where + problem + (f"; {remedy}" if remedy else ""))


class MalformedMessage(Theirs):
    """SIP that cannot be read. `status` is the answer a server owes (RFC 3261 section 8.2, RFC 4475)."""

    def __init__(self, problem: str, status: int = 400) -> None:
        self.problem, self.status = problem, status
        super().__init__(problem)


class MalformedDescription(Theirs):
    """SDP that cannot be read (RFC 8866)."""

    record = "bad_offer"


class NoCommonFormat(Theirs):
    """An offer with no audio format of ours (RFC 3264 section 6): 488."""

    record = "bad_offer"


class BadIdentity(Theirs):
    """An Identity that is absent (428), stale (403), of another kind (437), out of reach (436) or invalid (438)."""

    def __init__(self, status: int, problem: str) -> None:
        self.status, self.problem = status, problem
        super().__init__(f"{status}: {problem}")


class NotFetched(Theirs):
    """A URL a message named gave nothing usable, or may not be asked; the text says why."""


class MalformedPacket(Theirs):
    """RTP or RTCP that cannot be read (RFC 3550)."""


class MalformedEvent(Theirs):
    """A Realtime event that cannot be read."""


class MalformedFrame(Theirs):
    """A WebSocket frame that may not be sent (RFC 6455). `code` is what to close the connection with."""

    def __init__(self, code: int, problem: str) -> None:
        self.code = code
        super().__init__(problem)


class ModelFailed(Theirs):
    """The model refused us, vanished, or reported a fatal error. `code` is the model's own word for it."""

    record = "model_down"

    def __init__(self, code: str, problem: str, *, fatal: bool = True) -> None:
        self.code, self.problem, self.fatal = code, problem, fatal
        super().__init__(f"{code}: {problem}")


class BadArguments(Theirs):
    """Tool arguments that do not fit the tool's schema; the text says which and why, for the model to mend."""


class ToolFailed(Theirs):
    """A tool that said no. Its text is spoken to the model, so it is written for a caller's ears."""


class WeightsMissing(Theirs):
    """A weight file of the embedded brain is absent or is not the pinned one; the text names the package to install."""


class RecordingUnreadable(Theirs):
    """A recording that cannot be given out: another key, cut short, or changed. The text goes on from its name."""


class UnsafeText(Ours):
    """Text with CR, LF or NUL was about to enter a header (a config, CRM or model value): never on the wire."""


class PlayoutFull(Ours):
    """More than 90 s are queued to play on one leg."""


class PortsExhausted(Ours):
    """No free even/odd RTP port pair is left in `listen.rtp`."""

    record = "overload"


class DialogGone(Ours):
    """A session that the endpoint has forgotten, or whose INVITE has not left: there is no dialog to speak of."""


class NotPlaced(Ours):
    """A call we were asked to place is not: a rule of ours forbids it. `cause` is its record's; the text says why."""

    def __init__(self, cause: str, why: str) -> None:
        self.cause = self.record = cause
        super().__init__(why)


class Unusable(Ours):
    """An address, folder or store we were told to use cannot be used; the text says which, why, and what to do."""


class NodeBusy(Ours):
    """Another process holds DATA/node.lock."""


class LedgerBroken(Ours):
    """The ledger cannot be opened or written."""
