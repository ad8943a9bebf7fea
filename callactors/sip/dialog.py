"""Dialogs (RFC 3261 section 12): who is talking to whom, by which route, and at which sequence number.

- `DialogId` and `DialogFacts` are frozen; `DialogFacts` is the ledger's `attempts` row, enough to send a BYE after kill -9.
- `Dialog` is the living state: it numbers and builds requests and judges the order of the peer's.
"""

from __future__ import annotations

import msgspec


class DialogId(msgspec.Struct, frozen=True):
    """What tells one dialog from another, from our side (RFC 3261 section 12)."""

    call_id: str
    local_tag: str
    remote_tag: str


class DialogFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A dialog as plain text and one number: what the ledger keeps. Addresses are `host:port`."""

    sip_call_id: str
    local_tag: str
    remote_tag: str
    cseq: int
    local_uri: str
    remote_uri: str
    local_address: str
    remote_address: str
    route_set: tuple[str, ...]
    remote_target: str
