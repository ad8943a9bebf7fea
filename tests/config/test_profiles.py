"""What a profile fills in, and that what is written wins."""

from __future__ import annotations

import pytest

from callactors import config
from callactors.config import Config
from callactors.config.profiles import PROFILES, tick


def load(trunk: str) -> Config:
    text = f'version: 1\ntrunks: {{acme: {trunk}}}\nnumbers: [{{match: "+1312", trunk: acme, scenario: salon}}]\n'
    return config.load(text, "f.yaml", {})


def test_a_twilio_trunk_is_a_profile_and_its_own_address() -> None:
    loaded = load("{profile: twilio, to: sip:acme.pstn.twilio.com}")
    assert loaded.trunk_of("54.172.60.2") == "acme"
    assert loaded.trunk("acme").takes_media_from("168.86.140.7")
    assert not loaded.trunk("acme").takes_media_from("54.172.60.2")


def test_what_is_written_wins_over_the_profile() -> None:
    loaded = load("{profile: twilio, from: [10.0.0.1], probe: off}")
    assert loaded.trunk_of("54.172.60.2") is None
    assert loaded.trunk("acme").takes_media_from("10.0.0.1")
    assert loaded.trunks["acme"].probe is None


def test_a_pbx_is_answered_where_it_sends_from_and_asked_for_no_session_timer() -> None:
    policy = load("{profile: pbx, from: [10.0.0.1]}").policy("acme")
    assert (policy.responses, policy.session_expires) == ("source", None)


def test_a_generic_trunk_is_as_written() -> None:
    loaded = load("{from: [10.0.0.1]}")
    assert (loaded.trunks["acme"].probe, loaded.trunks["acme"].to) == (None, ())
    assert (loaded.policy("acme").session_expires, loaded.policy("acme").min_se) == (1800, 90)


def test_two_trunks_of_one_carrier_need_addresses_of_their_own() -> None:
    with pytest.raises(config.ConfigErrors, match="is a's already"):
        config.load("version: 1\ntrunks: {a: {profile: twilio}, b: {profile: twilio}}\nnumbers: []\n", "f.yaml", {})


@pytest.mark.parametrize("profile", list(PROFILES))
def test_every_profile_says_what_to_tick_and_whether_refer_is_there(profile: str) -> None:
    assert any("REFER" in line for line in tick(profile))
    assert all(len(line) < 120 for line in tick(profile))
