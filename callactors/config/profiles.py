"""What a trunk's `profile` fills in where the file says nothing, and what to tick at the carrier for it to work.

- A key that is written always wins. `generic` fills nothing in.
- Addresses are the carriers' published ones; theirs may change: `from` and `media_from` in the file replace them.
- To add a carrier: a Profile here and its word in trunk_schema.TrunkSettings.profile.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any

import attrs
import msgspec

from callactors.config.problems import Marks
from callactors.config.trunk_schema import Probe, TrunkSettings
from callactors.config.values import Seconds
from callactors.routing.trunk import Network


@attrs.frozen
class Profile:
    """`fills` are fields of TrunkSettings; `tick` is told by `trunks probe`, one step a line."""

    fills: Mapping[str, Any]
    tick: tuple[str, ...]


def _networks(text: str) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(word) for word in text.split())


TWILIO = Profile(
    fills={
        "sources": _networks(
            "54.172.60.0/30 54.244.51.0/30 54.171.127.192/30 35.156.191.128/30"
            " 54.65.63.192/30 54.169.127.128/30 54.252.254.64/30 177.71.206.192/30"
        ),
        "media_from": _networks("168.86.128.0/18"),
        "probe": Probe(),
    },
    tick=(
        "Elastic SIP Trunking > Manage > Trunks > (your trunk) > Origination: add sip:YOUR-ADDRESS:5060 as a URI.",
        "Termination: choose a Termination SIP URI (NAME.pstn.twilio.com) and write it in `to`.",
        "Termination > Authentication: an IP access list with your address, or a credential list for `auth`, or both.",
        "General > Call Transfer (SIP REFER): enabled, with PSTN Transfer where people are called; else refer: false.",
        "Numbers: assign each number to the trunk; they arrive as +E.164.",
        "Firewall: SIP from `from`; RTP from 168.86.128.0/18, ports 10000-60000 of theirs.",
        "General > Secure Trunking: on with srtp: require and a `to` by TLS; off while srtp is off.",
    ),
)
TELNYX = Profile(
    fills={
        "sources": _networks("192.76.120.10/32 64.16.250.10/32"),
        "media_from": _networks(
            "36.255.198.128/25 50.114.136.128/25 50.114.144.0/21 64.16.226.0/24 64.16.227.0/24 64.16.228.0/24"
            " 64.16.229.0/24 64.16.230.0/24 64.16.248.0/24 64.16.249.0/24"
        ),
        "to": ("sip:sip.telnyx.com",),
        "probe": Probe(),
    },
    tick=(
        "Real-Time Communications > SIP Trunking: a connection by IP address (yours) or by credentials (`auth`).",
        "Inbound: number format +E.164, codecs G711U and G711A, SIP region US; another region needs its own `from`.",
        "Inbound: DTMF type RFC 2833.",
        "Outbound: an Outbound Voice Profile, with the destinations you permit and a daily spend limit.",
        "Numbers: assign each number to the connection.",
        "SIP REFER: ask support whether it is on for the connection; until it is, refer: false.",
        "Firewall: SIP from `from`; RTP from `media_from`, ports 16384-32768 of theirs.",
    ),
)
BANDWIDTH = Profile(
    fills={"codecs": ("pcmu",), "probe": Probe()},
    tick=(
        "Account > Locations (SIP peers): your address as origination host, port 5060; their addresses go into `from`.",
        "Termination: your address must be listed; names are not accepted, so listen on a fixed one.",
        "Numbers: assign each number to the location; they arrive as +E.164.",
        "911: a trunk of its own: both its addresses in `to`, G.711 mu-law alone, the calling number provisioned.",
        "911: dial 933 to hear the address on file before you need it.",
        "REFER: off unless your account manager turned it on: refer: false.",
    ),
)
PBX = Profile(
    fills={"responses": "source", "session_timer": None},
    tick=(
        "Create an extension or trunk for this machine; its user and password are `auth`.",
        "With `register`, the PBX sends calls to wherever we registered from: no port needs to be forwarded.",
        "Without it, set the peer's address to this machine, port 5060, and insecure=invite (Asterisk) or its like.",
        "Codecs: G.711 (ulaw, alaw). DTMF: RFC 2833/4733. Direct media: off.",
        "Transfers: allow REFER for this peer, or set refer: false.",
    ),
)
SBC = Profile(
    fills={"probe": Probe(every=Seconds(10))},
    tick=(
        "Route your carriers' calls to this machine; keep Record-Route on and topology hiding as you like.",
        "Relay OPTIONS to us as a health check: we answer 200, and 503 with Retry-After while draining.",
        "Pass through History-Info, Diversion, P-Asserted-Identity and Identity where you want them in the record.",
        "Answer REFER at the SBC (or pass it to a carrier that takes it), else refer: false.",
    ),
)
GENERIC = Profile(
    fills={},
    tick=(
        "Send calls to this machine's address, port 5060, as +E.164.",
        "Tell us every address SIP comes from (`from`) and RTP comes from (`media_from`).",
        "Codecs: G.711. DTMF: RFC 2833/4733. REFER: enabled, or refer: false here.",
    ),
)
PROFILES: Mapping[str, Profile] = {
    "generic": GENERIC, "twilio": TWILIO, "telnyx": TELNYX, "bandwidth": BANDWIDTH, "pbx": PBX, "sbc": SBC,
}  # fmt: skip


def tick(profile: str) -> tuple[str, ...]:
    """What to set at the carrier, one step a line."""
    return PROFILES[profile].tick


def filled(name: str, trunk: TrunkSettings, marks: Marks) -> TrunkSettings:
    """The trunk with what its profile says of the keys that were not written."""
    spelled = {field.name: field.encode_name for field in msgspec.structs.fields(TrunkSettings)}
    written = {word for word in spelled if f"trunks.{name}.{spelled[word]}" in marks.lines}
    fills = {word: value for word, value in PROFILES[trunk.profile].fills.items() if word not in written}
    if "sources" in written:
        fills.pop("media_from", None)  # their own addresses go with their own media
    return msgspec.structs.replace(trunk, **fills) if fills else trunk
