"""What parent and worker say to each other over their lane, beside the ledger's words (stores/ledger_remote)."""

from __future__ import annotations

import msgspec

from callactors.sip.address import Hop
from callactors.stores import ledger_remote


class Handed(msgspec.Struct, frozen=True, tag=True):
    """Parent to worker: a SIP message for it. `names` is what the certificate of its connection bears."""

    data: bytes
    source: Hop
    names: tuple[str, ...] = ()


class HopLost(msgspec.Struct, frozen=True, tag=True):
    """Parent to worker: the public sockets cannot reach this neighbour."""

    hop: Hop
    broken: bool


class TrunkProbed(msgspec.Struct, frozen=True, tag=True):
    """Parent to worker: what an OPTIONS has shown of a trunk's address."""

    trunk: str
    hop: Hop
    failed: bool


class Drain(msgspec.Struct, frozen=True, tag=True):
    """Parent to worker: take no call any more, and end when the last one has; `now`: hang up and end."""

    now: bool = False


class PageAsked(msgspec.Struct, frozen=True, tag=True):
    """Parent to worker: somebody scrapes."""

    number: int


class Began(msgspec.Struct, frozen=True, tag=True):
    """Worker to parent, first: whose rows these are."""

    boot: str
    pid: int


class Ready(msgspec.Struct, frozen=True, tag=True):
    """Worker to parent: it takes calls."""


class Unable(msgspec.Struct, frozen=True, tag=True):
    """Worker to parent: it cannot start, and why."""

    problem: str


class Outgoing(msgspec.Struct, frozen=True, tag=True):
    """Worker to parent: a SIP message that goes over a connection."""

    data: bytes
    destination: Hop


class Standing(msgspec.Struct, frozen=True, tag=True):
    """Worker to parent, whenever it changes and every second: why it takes no call, "" when it does."""

    full: str


class Page(msgspec.Struct, frozen=True, tag=True):
    """Worker to parent: its /metrics."""

    number: int
    text: bytes


ToWorker = Handed | HopLost | TrunkProbed | Drain | PageAsked | ledger_remote.ToWorker
FromWorker = Began | Ready | Unable | Outgoing | Standing | Page | ledger_remote.FromWorker
