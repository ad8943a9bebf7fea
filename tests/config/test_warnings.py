"""What `check` warns of."""

from __future__ import annotations

from callactors import config
from callactors.config.warnings import warn

HELP = '{from: [10.0.0.1], to: sip:h, country: US, caller_ids: ["+13125550100"]}'


def warnings(trunk: str, more: str = "") -> list[str]:
    text = f'version: 1\ntrunks:\n  acme: {trunk}\nnumbers: [{{match: "+1312", trunk: acme, scenario: salon}}]\n{more}'
    return [str(problem) for problem in warn(config.load(text, "f.yaml", {}))]


def test_serving_the_public_without_emergency_calls_is_a_warning() -> None:
    (told,) = warnings("{from: [10.0.0.1]}")
    assert told.startswith("f.yaml:4: numbers[0]: salon serves the public by acme without emergency calls")


def test_this_machine_is_not_the_public() -> None:
    assert warnings("{from: [127.0.0.1]}") == []


def test_a_trunk_of_no_country_knows_few_numbers_for_help() -> None:
    whole = "emergency: {trunk: acme, location: hq.xml}"
    assert "has no country" in warnings("{from: [10.0.0.1], to: sip:h}", whole)[0]
    assert warnings(HELP, whole) == []


def test_an_emergency_trunk_without_a_location_is_a_warning() -> None:
    (told,) = warnings(HELP, "emergency: {trunk: acme}")
    assert told == "f.yaml:5: emergency: emergency calls carry no location; add location: a PIDF-LO file (RFC 6442)"


def test_an_emergency_trunk_that_shows_no_number_is_a_warning() -> None:
    (told,) = warnings("{from: [10.0.0.1], to: sip:h, country: US}", "emergency: {trunk: acme, location: hq.xml}")
    assert told.startswith("f.yaml:5: emergency.trunk: emergency calls by acme show no number that help could call")


def test_calling_by_a_transport_nobody_listens_on_is_a_warning() -> None:
    (told,) = warnings("{from: [127.0.0.1], to: ['sip:h', 'sip:h;transport=tcp']}")
    assert told.endswith("tell acme to answer by tcp, and nothing listens there; add a tcp line to listen.sip")
    assert "by tls" in warnings("{from: [127.0.0.1], to: 'sips:h'}")[0]
    assert warnings("{from: [127.0.0.1], to: 'sip:h;transport=tcp'}", "listen: {sip: [{tcp: 127.0.0.1:5060}]}") == []


TLS = "listen: {sip: [{udp: 10.0.0.9:5060}, {tls: 10.0.0.9:5061, cert: c.pem, key: k.pem}]}"


def test_keys_of_srtp_in_clear_sip_are_a_warning_by_the_way_out_and_by_the_way_in() -> None:
    (out,) = [told for told in warnings("{from: [10.0.0.1], to: sip:h, srtp: require}", TLS) if ".srtp" in told]
    assert out == (
        "f.yaml:3: trunks.acme.srtp: calls by acme show their SRTP keys in clear SIP; write `to` with ;transport=tls"
    )
    (inward,) = [told for told in warnings("{from: [10.0.0.1], srtp: prefer}") if ".srtp" in told]
    assert "calls from acme can only come with their SRTP keys in clear SIP; add a tls line" in inward


def test_srtp_with_keys_inside_tls_is_no_warning_nor_is_this_machine() -> None:
    for trunk in ('{from: [10.0.0.1], to: "sip:h;transport=tls", srtp: require}', "{from: [127.0.0.1], srtp: prefer}"):
        assert [told for told in warnings(trunk, TLS) if ".srtp" in told] == []


def test_more_calls_than_ports_is_a_warning() -> None:
    wide, narrow = "listen: {rtp: 20000-20009}\nlimits: {calls: 5}", "listen: {rtp: 20000-20009}\nlimits: {calls: 6}"
    assert warnings("{from: [127.0.0.1]}", wide) == []
    (told,) = warnings("{from: [127.0.0.1]}", narrow)
    assert told.startswith("f.yaml:6: limits.calls: 6 calls have 5 pairs of ports to be heard by; widen listen.rtp, or")
