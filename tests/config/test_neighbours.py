"""Who a packet is from: its address, and for some trunks the name its certificate bears."""

from __future__ import annotations

import pytest

from callactors import config
from callactors.config import Config
from callactors.config.neighbours import admits, trunk_of
from callactors.sip.address import Hop

FILE = """\
version: 1
trunks:
  plain: {from: [127.0.0.10/32]}
  wide: {from: [127.0.0.0/29], tls: {ca: sbc-ca.pem, identity: [sbc.example]}}
  roaming: {to: "sips:edge.example", tls: {ca: edge-ca.pem, identity: [edge.example]}}
numbers:
  - {match: "+13125550100", trunk: plain, scenario: salon}
"""
NAMES = {1: ("sbc.example",), 2: ("edge.example",), 3: ("other.example",)}
CASES = [
    (Hop("127.0.0.10", 5060), "plain"),
    (Hop("127.0.0.10", 5060, "tcp", 9), "plain"),
    (Hop("127.0.0.10", 5061, "tls", 3), "plain"),
    (Hop("127.0.0.1", 5060), None),
    (Hop("127.0.0.1", 5060, "tcp", 9), None),
    (Hop("127.0.0.1", 5061, "tls", 9), None),  # no certificate
    (Hop("127.0.0.1", 5061, "tls", 3), None),
    (Hop("127.0.0.1", 5061, "tls", 2), None),  # another trunk's name, from an address of this one
    (Hop("127.0.0.1", 5061, "tls", 1), "wide"),
    (Hop("127.0.0.1", 5061, "tls"), "wide"),  # yet to be connected to
    (Hop("127.0.0.66", 5061, "tls", 2), "roaming"),
    (Hop("127.0.0.66", 5061, "tls", 1), None),
    (Hop("127.0.0.66", 5061, "tls"), None),
    (Hop("127.0.0.66", 5060), None),
    (Hop("nonsense", 5060), None),
]


@pytest.fixture(scope="module")
def loaded() -> Config:
    return config.load(FILE, "callactors.yaml", {})


@pytest.mark.parametrize(("hop", "trunk"), CASES)
def test_a_trunk_is_its_address_and_where_it_has_one_its_name(loaded: Config, hop: Hop, trunk: str | None) -> None:
    assert trunk_of(loaded, hop, NAMES.get(hop.flow, ())) == trunk


def test_who_is_known_by_a_call_of_ours_must_still_show_the_name(loaded: Config) -> None:
    assert admits(loaded, "plain", Hop("127.0.0.66", 5060), ())
    assert not admits(loaded, "roaming", Hop("127.0.0.66", 5060), ())
    assert not admits(loaded, "roaming", Hop("127.0.0.66", 5061, "tls", 7), ())
    assert admits(loaded, "roaming", Hop("127.0.0.66", 5061, "tls", 2), NAMES[2])
    assert admits(loaded, "gone", Hop("127.0.0.66", 5060), ())
