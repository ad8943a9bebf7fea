"""What a trunk's lists say of an address."""

from __future__ import annotations

import ipaddress

import pytest

from callactors.routing.trunk import Trunk

CARRIER = Trunk("carrier", (ipaddress.ip_network("203.0.113.0/28"),), (ipaddress.ip_network("198.51.100.0/24"),))
HOUSE = Trunk("house", (ipaddress.ip_network("127.0.0.0/8"),), (ipaddress.ip_network("127.0.0.0/8"),))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "169.254.169.254", "::1", "fe80::1", "::ffff:127.0.0.1"])
def test_a_carrier_may_not_name_this_machine_or_its_link_for_media(host: str) -> None:
    assert not CARRIER.may_name_for_media(host)


@pytest.mark.parametrize("host", ["198.51.100.7", "192.0.2.1", "10.0.0.1", "0.0.0.0", "2001:db8::1"])
def test_other_addresses_may_be_named_listed_or_not(host: str) -> None:
    assert CARRIER.may_name_for_media(host)


def test_a_trunk_that_lists_this_machine_may_name_it() -> None:
    assert HOUSE.may_name_for_media("127.0.0.1")
    assert not HOUSE.may_name_for_media("169.254.169.254")
