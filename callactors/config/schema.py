"""The shape of callactors.yaml, all of it, from day one. One struct per mapping of the file; all are frozen.

- What a struct cannot say (names that must exist, loopback rules) is in checks.py; what is not built in available.py.
- Times are seconds, money is USD, prices are USD per million tokens.
"""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import urlsplit

import msgspec

from callactors.config.section import Amount, Positive, Section, Share
from callactors.config.trunk_schema import Emergency, Hours, Outbound, TrunkSettings
from callactors.config.values import Host, Name, Number, PortRange, Seconds, Secret, Uri
from callactors.routing.number import Number as NumberEntry
from callactors.routing.route import Route
from callactors.sip.address import Address

Status = Annotated[int, msgspec.Meta(ge=400, le=699)]
RecordingMode = Literal["off", "on_demand", "consent", "always"]
RecordingFormat = Literal["wav", "opus"]


class SipListener(Section, frozen=True, kw_only=True):
    """One of udp, tcp, tls; a certificate and key (PEM files) go with tls."""

    udp: Address | None = None
    tcp: Address | None = None
    tls: Address | None = None
    cert: str | None = None
    key: str | None = None
    ca: str | None = None  # PEM: client certificates are asked for, and must lead to these

    @property
    def address(self) -> Address:
        found = self.udp or self.tcp or self.tls
        assert found is not None  # checks.py refuses a listener without one
        return found


class Listen(Section, frozen=True, kw_only=True):
    """Where we listen. `advertise` is the address peers are told, in Via, Contact and SDP."""

    sip: tuple[SipListener, ...] = (SipListener(udp=Address("127.0.0.1", 5060)),)
    advertise: Host | None = None
    rtp: PortRange = range(20_000, 30_000)
    web: Address | None = Address("127.0.0.1", 8080)

    @property
    def udp(self) -> Address:
        """The UDP address SIP is served on."""
        return self.sip[0].address

    @property
    def advertised(self) -> str:
        """The host peers are told."""
        return self.advertise or self.udp.host


class Entry(Section, frozen=True, kw_only=True):
    """A name of `directory`: `sip` or `tel`. A tel entry without a trunk goes by the routes, or by REFER as it is."""

    sip: Uri | None = None
    tel: Number | None = None
    trunk: Name | None = None

    @property
    def uri(self) -> str:
        return self.sip or f"tel:{self.tel}"


class Prices(Section, frozen=True, kw_only=True):
    """USD per million tokens."""

    audio_in: Amount = 0.0
    audio_out: Amount = 0.0
    text_in: Amount = 0.0
    text_out: Amount = 0.0


class RealtimeModel(Section, frozen=True, kw_only=True, tag_field="kind", tag="realtime"):
    """A server that speaks the Realtime events over ws or wss. `ca` is a PEM file to trust instead of the system's."""

    url: str
    model: str = "gpt-realtime"
    key: Secret | None = None
    audio: Literal["auto", "pcm16", "pcmu", "pcma"] = "auto"
    prices: Prices = Prices()
    voice: str | None = None
    dialect: Literal["ga", "beta"] = "ga"
    ca: str | None = None

    def __repr__(self) -> str:
        return f"RealtimeModel(url={without_secrets(self.url)!r}, model={self.model!r}, audio={self.audio!r})"


class EmbeddedModel(Section, frozen=True, kw_only=True, tag_field="kind", tag="embedded"):
    """Our own cascade. `concurrent` counts callers who have spoken."""

    concurrent: Positive = 20
    model_dir: str | None = None


Model = RealtimeModel | EmbeddedModel


class Answer(Section, frozen=True, kw_only=True):
    """When the 200 leaves; `otherwise` is sent when no model was ready `within` that time."""

    when: Literal["model_ready", "at_once"] = "model_ready"
    within: Seconds = Seconds(2.0)
    otherwise: Status = 503


class Timers(Section, frozen=True, kw_only=True):
    """Seconds."""

    no_answer: Seconds = Seconds(30)
    first_rtp: Seconds = Seconds(5)
    rtp_silence: Seconds = Seconds(30)
    setup_total: Seconds = Seconds(60)
    tool: Seconds = Seconds(5)
    call_max: Seconds = Seconds(3600)
    drain: Seconds = Seconds(30)


class Limits(Section, frozen=True, kw_only=True):
    """None is no limit. `lag_ms` and `cpu` have a default that protects calls that live; `off` takes it away."""

    calls: Positive | None = None
    lag_ms: Positive | None = 40  # how late the loop may be: later, and frames are skipped for everybody
    cpu: Share | None = 0.9  # of the one core that the loop has
    per_caller_minute: Positive | None = None
    usd_per_call: Amount | None = None
    usd_per_day: Amount | None = None


class Ledger(Section, frozen=True, kw_only=True):
    path: str = "data/ledger.db"


class Stores(Section, frozen=True, kw_only=True):
    url: str = "sqlite:///data/stores.db"

    def __repr__(self) -> str:
        return f"Stores(url={without_secrets(self.url)!r})"


class Recording(Section, frozen=True, kw_only=True):
    """`keep_days` None keeps recordings for ever; with a `key` they are encrypted on disk."""

    mode: RecordingMode = "off"
    format: RecordingFormat = "wav"
    keep_days: Positive | None = None
    key: Secret | None = None


class Allow(Section, frozen=True, kw_only=True):
    """What scenarios may name and never spell: commands to run, hosts to fetch from."""

    commands: dict[str, tuple[str, ...]] = msgspec.field(default_factory=dict)
    hosts: tuple[str, ...] = ()


class Settings(Section, frozen=True, kw_only=True):
    """callactors.yaml. Sections that are left out have these defaults."""

    version: Literal["1"]
    node: Name = Name("a1")
    listen: Listen = Listen()
    dns: tuple[Address, ...] = ()  # name servers to ask in place of the system's
    trunks: dict[str, TrunkSettings]
    numbers: tuple[NumberEntry, ...]
    routes: tuple[Route, ...] = ()
    permit: tuple[str, ...] = ()
    outbound: Outbound = Outbound()
    hours: dict[str, Hours] = msgspec.field(default_factory=dict)
    emergency: Emergency | None = None
    directory: dict[str, Entry] = msgspec.field(default_factory=dict)
    models: dict[str, Model] = msgspec.field(default_factory=lambda: {"offline": EmbeddedModel()})
    answer: Answer = Answer()
    timers: Timers = Timers()
    limits: Limits = Limits()
    ledger: Ledger = Ledger()
    stores: Stores = Stores()
    recording: Recording = Recording()
    allow: Allow = Allow()


def without_secrets(url: str) -> str:
    """A URL fit for a log line: no user, password or query."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "(a URL that cannot be read)"
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()
