"""What is to be dialled, one concrete way of dialling it, and how a try of it ended. Facts only.

A Wanted becomes Ways, in order (routes, weights, DNS); each Way is tried at most once and ends as a Tried.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from callactors.sip.address import Hop
from callactors.sip.headers import NameAddr
from callactors.sip.login import Account
from callactors.sip.multipart import Location
from callactors.sip.uri import SipUri

Purpose = Literal["outbound", "redial", "consult", "bridge", "referred", "emergency"]


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody to be dialled: a `number` (E.164, or as an emergency number is dialled) by the routes, or a `uri`.

    `trunk` forces one trunk; `avoid` names trunks that have failed this conversation already. `caller` is the number
    to show, None for the trunk's first. `headers` go into every INVITE (Replaces, Referred-By, Geolocation ...).
    """

    purpose: Purpose
    number: str | None = None
    uri: str | None = None
    trunk: str | None = None
    avoid: tuple[str, ...] = ()
    caller: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    location: Location | None = None  # where the call comes from, for an emergency (RFC 6442)
    within: float | None = None  # seconds in all; None: timers.setup_total


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """One try: which trunk, which of its addresses, what the INVITE says.

    After a 488: `clear` offers no SRTP where the trunk only prefers it, `plainer` G.711 alone and nothing else.
    """

    trunk: str
    hop: Hop
    uri: SipUri
    caller: NameAddr
    headers: tuple[tuple[str, str], ...] = ()
    location: Location | None = None
    credentials: Account | None = None
    clear: bool = False
    plainer: bool = False
    rate: float | None = None  # USD a minute


class Tried(msgspec.Struct, frozen=True, kw_only=True):
    """How a try ended. `status` is the final SIP status, None for silence and for a broken transport.

    `rang`: a 18x came. `heard`: early media of a person's phone reached a person. `q850` is the Reason's (RFC 3326).
    """

    way: Way
    answered: bool = False
    status: int | None = None
    q850: int | None = None
    rang: bool = False
    heard: bool = False
    transport_failed: bool = False
    reason: str = ""
    rest: int | None = None  # seconds a 503 asks to be left alone (its Retry-After)
