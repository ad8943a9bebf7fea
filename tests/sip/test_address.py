"""An address writes itself as SIP wants it."""

from __future__ import annotations

from callactors.sip.address import Address


def test_ipv4_is_written_as_it_is() -> None:
    assert str(Address("127.0.0.1", 5060)) == "127.0.0.1:5060"


def test_ipv6_is_written_in_brackets() -> None:
    assert str(Address("::1", 5060)) == "[::1]:5060"


def test_it_is_the_pair_a_socket_wants() -> None:
    assert tuple(Address("::1", 5060)) == ("::1", 5060)
