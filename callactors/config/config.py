"""Config: a checked callactors.yaml, and the questions the rest of the program asks it."""

from __future__ import annotations

import ipaddress
import os.path

import msgspec

from callactors.audio.codecs import speakable
from callactors.config.problems import Marks
from callactors.config.profiles import filled
from callactors.config.schema import Settings
from callactors.routing import number
from callactors.routing.emergency import emergency_number
from callactors.routing.hours import Schedule
from callactors.routing.trunk import Target, Trunk
from callactors.sip.gate import Door
from callactors.sip.login import Account
from callactors.sip.policy import Policy

_AS_WRITTEN = (
    "codec_order", "responses", "to", "dtmf", "srtp", "early_media", "hold", "refer", "refers", "country", "channels",
    "cps", "caller_ids", "privacy",
)  # fmt: skip


class Config(Settings, frozen=True, kw_only=True):
    """Every section of the file as a field, and where it came from.

    `data_dir` is where ledger, lock, captures and recordings are kept.
    """

    marks: Marks = Marks()
    data_dir: str = "data"

    def __repr__(self) -> str:
        return (
            f"Config({self.marks.file!r}, node={self.node!r}, trunks={list(self.trunks)}, models={list(self.models)})"
        )

    def trunk_of(self, ip: str) -> str | None:
        """The trunk a packet from this address belongs to, the narrowest network winning; None is a stranger."""
        try:
            source = ipaddress.ip_address(ip)
        except ValueError:
            return None
        if isinstance(source, ipaddress.IPv6Address) and source.ipv4_mapped:
            source = source.ipv4_mapped
        matches = (
            (network.prefixlen, name)
            for name, trunk in self.trunks.items()
            for network in trunk.sources
            if source in network
        )
        best = max(matches, key=lambda match: match[0], default=None)
        return best[1] if best else None

    def trunk(self, name: str) -> Trunk:
        """The trunk of that name. Raises KeyError."""
        settings = self.trunks[name]
        return Trunk(
            name=name,
            sources=settings.sources,
            media_sources=settings.sources if settings.media_from is None else settings.media_from,
            codecs=speakable(settings.codecs),
            **{word: getattr(settings, word) for word in _AS_WRITTEN},
        )

    def policy(self, trunk: str) -> Policy:
        """How a trunk's SIP is spoken. The peer of an orphan may be of no trunk any more, and still speak."""
        settings = self.trunks.get(trunk)
        if settings is None:
            return Policy()
        timer = settings.session_timer
        return Policy(
            responses=settings.responses,
            reliable=settings.reliable,
            session_expires=int(timer.expires) if timer else None,
            min_se=int(timer.min_se) if timer else Policy().min_se,
        )

    def account(self, trunk: str) -> Account | None:
        """Whom a trunk knows us as: for challenges of its own to requests of ours."""
        settings = self.trunks.get(trunk)
        return settings.auth.account if settings is not None and settings.auth is not None else None

    def doors(self) -> dict[str, Door]:
        """What the trunks that are challenged must bear, for sip/gate.py."""
        return {
            name: Door(
                user=trunk.challenge.user,
                password=trunk.challenge.password.reveal(),
                realm=trunk.challenge.realm,
                algorithms=trunk.challenge.algorithms,
                roaming=not trunk.sources and not (trunk.tls and trunk.tls.identity),
            )
            for name, trunk in self.trunks.items()
            if trunk.challenge is not None
        }

    def emergency_number(self, dialled: str, trunk: str | None) -> str | None:
        """The number to dial for help when this was dialled in the trunk's country, None for any other call."""
        settings = self.trunks.get(trunk or "")
        extra = self.emergency.numbers if self.emergency is not None else ()
        return emergency_number(dialled, settings.country if settings is not None else None, extra)

    def schedules(self) -> dict[str, Schedule]:
        """`hours`, to ask whether they are open."""
        return {name: Schedule.of(entry.zone, entry.open, entry.closed) for name, entry in self.hours.items()}

    def target(self, name: str) -> Target:
        """A name of `directory` as something to dial; its trunk is "" when the entry names none. Raises KeyError."""
        entry = self.directory[name]
        return Target(name, entry.uri, entry.trunk or "")

    def plan(self) -> number.Plan:
        """`numbers`, indexed: made once, asked for every call."""
        return number.Plan.of(self.numbers, {name: trunk.country for name, trunk in self.trunks.items()})


def from_settings(settings: Settings, marks: Marks) -> Config:
    fields = {name: getattr(settings, name) for name in settings.__struct_fields__}
    fields["trunks"] = {name: filled(name, trunk, marks) for name, trunk in settings.trunks.items()}
    folder = os.path.dirname(settings.ledger.path) or "."
    return Config(**fields, marks=marks, data_dir=folder)


def replace(config: Config, **changes: object) -> Config:
    """The same configuration with some fields changed."""
    return msgspec.structs.replace(config, **changes)
