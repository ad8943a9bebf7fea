"""The shape of `trunks`, `routes` and what rules calls we place: the part of callactors.yaml that carriers are made of.

A new carrier is a few lines here. What a profile (twilio, telnyx ...) fills in is in profiles.py. Times are seconds.
"""

from __future__ import annotations

import ipaddress
from typing import Annotated, Literal

import msgspec

from callactors.config.section import Amount, Positive, Section
from callactors.config.values import CodecName, FileName, Name, Number, Seconds, Secret, Uri
from callactors.routing.trunk import Network
from callactors.sip.login import Account

Algorithm = Literal["SHA-256", "SHA-512-256", "MD5"]
Country = Annotated[str, msgspec.Meta(pattern="^[A-Z]{2}$")]
LOOPBACK_4 = ipaddress.IPv4Network("127.0.0.0/8")
LOOPBACK_6 = ipaddress.IPv6Network("::1/128")


def _is_local(network: Network) -> bool:
    if isinstance(network, ipaddress.IPv4Network):
        return network.subnet_of(LOOPBACK_4)
    return network.subnet_of(LOOPBACK_6)


class Auth(Section, frozen=True, kw_only=True):
    """Credentials we answer this trunk's challenges with (RFC 7616). `realm` None: the first one it names."""

    user: str
    password: Secret
    realm: str | None = None

    @property
    def account(self) -> Account:
        """For whoever answers the challenges."""
        return Account(self.user, self.password.reveal(), self.realm)


class Challenge(Section, frozen=True, kw_only=True):
    """Credentials an INVITE of this trunk must bear: we challenge it (RFC 8760), strongest algorithm first."""

    user: str
    password: Secret
    realm: str = "callactors"
    algorithms: tuple[Algorithm, ...] = ("SHA-256", "MD5")


class Registration(Section, frozen=True, kw_only=True):
    """REGISTER with this trunk, with `auth`: for numbers that follow a registration (NAT, a PBX's extension)."""

    registrar: Uri | None = None  # None: the trunk's `to`
    user: str | None = None  # of the address-of-record; None: auth.user
    expires: Seconds = Seconds(300)


class TrunkTls(Section, frozen=True, kw_only=True):
    """TLS with this trunk. `identity`: names its certificate must bear, in both directions (RFC 5922)."""

    ca: str | None = None  # PEM to trust instead of the system's
    cert: str | None = None  # ours, for mTLS
    key: str | None = None
    identity: tuple[str, ...] = ()


class Probe(Section, frozen=True, kw_only=True):
    """OPTIONS to this trunk. It is down after `fail` of the last `of` failed, and up again after one success."""

    every: Seconds = Seconds(30)
    fail: Positive = 3
    of: Positive = 5


class SessionTimer(Section, frozen=True, kw_only=True):
    """RFC 4028: what we ask for, and the shortest we accept."""

    expires: Seconds = Seconds(1800)
    min_se: Seconds = Seconds(90)


class Identity(Section, frozen=True, kw_only=True):
    """STIR/SHAKEN on this trunk (RFC 8224, 8225, 8588): sign calls we place, verify calls we get."""

    sign: Literal["A", "B", "C"] | None = None
    key: str | None = None  # PEM, P-256
    certificate_url: str | None = None  # x5u
    verify: Literal["off", "record", "require"] = "off"
    anchors: str | None = None  # PEM: certificates a chain must lead to
    hosts: tuple[str, ...] = ()  # x5u is fetched from these only


class TrunkSettings(Section, frozen=True, kw_only=True):
    """A trunk as the file has it; `Config.trunk(name)` is what the call path uses.

    `from` may be empty where `challenge` or `tls.identity` tells who it is. Of several `to`, all take calls by turns.
    """

    profile: Literal["generic", "twilio", "telnyx", "bandwidth", "pbx", "sbc"] = "generic"
    sources: tuple[Network, ...] = msgspec.field(name="from", default=())
    media_from: tuple[Network, ...] | None = None  # None: the same as `from`
    to: tuple[Uri, ...] = ()  # one URI may stand without brackets
    auth: Auth | None = None
    challenge: Challenge | None = None
    register: Registration | None = None
    tls: TrunkTls | None = None
    identity: Identity | None = None
    codecs: tuple[CodecName, ...] = (CodecName("pcmu"), CodecName("pcma"))  # the order in which we offer them
    codec_order: Literal["theirs", "ours"] = "theirs"  # whose order decides when we answer
    dtmf: Literal["rfc4733", "info", "inband"] = "rfc4733"
    srtp: Literal["off", "prefer", "require"] = "off"
    responses: Literal["rfc3581", "source"] = "rfc3581"
    reliable: Literal["off", "offer", "require"] = "offer"  # PRACK, RFC 3262
    session_timer: SessionTimer | None = SessionTimer()
    early_media: bool = False  # 183 with a description and ringing tone, before an inbound call is answered
    hold: Literal["silence", "music"] = "silence"  # what somebody hears whom we put on hold
    refer: bool = True  # the carrier takes our REFER
    refers: Literal["never", "directory", "permitted"] = "never"  # whom it may REFER us to
    probe: Probe | None = None
    country: Country | None = None
    channels: Positive | None = None
    cps: Amount | None = None
    caller_ids: tuple[Number, ...] = ()
    privacy: bool = True  # a caller who asks for privacy is recorded as anonymous

    @property
    def is_loopback(self) -> bool:
        """Whether it has a `from`, and every one lies in 127.0.0.0/8 or is ::1: such a trunk is this machine."""
        return bool(self.sources) and all(_is_local(network) for network in self.sources)


class Emergency(Section, frozen=True, kw_only=True):
    """Where emergency calls go. `numbers` are dialled strings beyond the country's own (a PBX's "9911")."""

    trunk: Name
    location: FileName | None = None  # PIDF-LO (RFC 6442)
    numbers: tuple[str, ...] = ()


class Outbound(Section, frozen=True, kw_only=True):
    """The rules of calls we place. `hours` is the callee's own time of day, by the time zone of the number."""

    hours: str | None = None  # "08:00-21:00"
    consent: FileName | None = None  # CSV of numbers that agreed to be called; None: nobody is asked
    do_not_call: FileName | None = None  # CSV of numbers never to call


class Hours(Section, frozen=True, kw_only=True):
    """Opening hours that `numbers` name in `when`, as `open: ["mon-fri 09:00-17:00"]`."""

    zone: str
    open: tuple[str, ...]
    closed: tuple[str, ...] = ()  # dates, as 2026-12-25
