"""Who calls, as a listed trunk's headers show it."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from callactors.calls.offered import caller_of, with_own_media
from callactors.routing.trunk import Trunk
from callactors.sip.headers import Headers

OPEN, CLOSED = Trunk("t", (), (), privacy=False), Trunk("t", (), ())
FROM = ("From", '"Ann" <sip:+13125550142@h>;tag=1')


@pytest.mark.parametrize(
    ("headers", "caller"),
    [
        ([FROM], "+13125550142"),
        ([("From", "<sip:anonymous@anonymous.invalid>;tag=1")], ""),
        ([("P-Asserted-Identity", "<sip:+13125550199@h>"), FROM], "+13125550199"),
        ([("P-Asserted-Identity", '"x, y" <sip:+1312@h>, <tel:+1313>'), FROM], "+1312"),
        ([("P-Asserted-Identity", "<tel:+13125550199>"), ("From", "<sip:anonymous@h>")], "+13125550199"),
        ([("P-Asserted-Identity", "<"), FROM], "+13125550142"),
        ([FROM, ("Privacy", "id")], ""),
        ([FROM, ("Privacy", "user; critical")], ""),
        ([FROM, ("Privacy", "none")], "+13125550142"),
        ([("From", "nonsense <")], ""),
        ([("From", "<sip:+13125550142;cpc=ordinary@h>")], "+13125550142"),
        ([], ""),
    ],
)
def test_a_caller_is_who_the_trunk_says_they_are(headers: list[tuple[str, str]], caller: str) -> None:
    assert caller_of(Headers(tuple(headers)), CLOSED) == caller


def test_a_trunk_may_keep_the_number_of_who_asks_for_privacy() -> None:
    assert caller_of(Headers((FROM, ("Privacy", "id"))), OPEN) == "+13125550142"


@pytest.mark.parametrize("host", ["127.0.0.66", "192.0.2.7", "fe80::1%eth0"])
def test_who_is_known_without_an_address_has_media_where_they_call_from(host: str) -> None:
    bare = host.partition("%")[0]
    roaming, listed = Trunk("t", (), ()), Trunk("t", (ip_network("10.0.0.0/8"),), (ip_network("10.1.0.0/16"),))
    assert with_own_media(roaming, host).takes_media_from(bare)
    assert not with_own_media(roaming, host).takes_media_from("127.0.0.1")
    assert with_own_media(listed, host) == listed
