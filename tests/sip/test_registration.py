"""A registration of ours: what is asked, for how long, and what an answer means (RFC 3261 section 10.2)."""

from __future__ import annotations

from random import Random

import pytest

from callactors.sip.headers import Headers
from callactors.sip.registration import LONGEST_OUTAGE, LONGEST_PAUSE, Registration
from callactors.sip.uri import SipUri

CONTACT = "<sip:callactors@192.0.2.1:5060;transport=tcp>"


def registration(expires: int = 300) -> Registration:
    return Registration(SipUri("sip", "ignored", None, "pbx.example"), "100", expires, "id")


def test_the_request_uri_is_the_domain_and_the_party_the_address_of_record() -> None:
    one = registration()
    assert str(one.uri) == "sip:pbx.example"
    assert str(one.party) == "<sip:100@pbx.example>"


def test_the_contact_is_our_listener_with_our_user() -> None:
    assert registration().headers(CONTACT) == (
        ("Contact", "<sip:100@192.0.2.1:5060;transport=tcp>"),
        ("Expires", "300"),
    )
    assert registration().headers(CONTACT, 0)[1] == ("Expires", "0")


@pytest.mark.parametrize(
    ("headers", "granted"),
    [
        ((("Contact", "<sip:100@192.0.2.1>;expires=60"), ("Expires", "900")), 60),
        ((("Contact", "<sip:200@192.0.2.9>;expires=30, <sip:100@192.0.2.1>;expires=60"),), 60),
        ((("Contact", "<sip:200@192.0.2.9>;expires=30"), ("Expires", "900")), 900),
        ((), 300),
        ((("Contact", "<broken"), ("Expires", "x")), 300),
    ],
)
def test_what_is_granted_is_our_bindings_own_expiry_before_the_headers(
    headers: tuple[tuple[str, str], ...], granted: int
) -> None:
    one = registration()
    one.headers(CONTACT)
    assert one.replied(200, Headers(headers), 7) is False
    assert (one.granted, one.state, one.cseq) == (granted, "held", 7)


def test_it_is_refreshed_before_it_runs_out_and_not_like_mad() -> None:
    one = registration()
    one.granted = 300
    assert one.refresh_in() == 225.0
    one.granted = 1
    assert one.refresh_in() == 5.0


def test_423_asks_again_at_once_for_longer_but_not_for_ever() -> None:
    one = registration(60)
    assert one.replied(423, Headers((("Min-Expires", "600"),)), 1) is True
    assert one.headers(CONTACT)[1] == ("Expires", "600")
    for minimum in ("600", "10", "999999999", "soon"):
        assert one.replied(423, Headers((("Min-Expires", minimum),)), 2) is False


@pytest.mark.parametrize(("status", "longest"), [(403, LONGEST_PAUSE), (503, LONGEST_OUTAGE), (408, LONGEST_OUTAGE)])
def test_each_round_of_failures_waits_longer_and_what_is_only_away_is_asked_twice_a_minute(
    status: int, longest: float
) -> None:
    one, dice = registration(), Random(1)
    one.replied(status, Headers(()), 1)
    pauses = [one.pause(dice) for _ in range(12)]
    assert 2.5 <= pauses[0] <= 5.0
    assert all(pause <= longest for pause in pauses)
    assert pauses[-1] >= longest / 2
    one.replied(200, Headers(()), 1)
    assert one.pause(dice) <= 5.0
