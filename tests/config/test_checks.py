"""What must hold between the parts of callactors.yaml."""

from __future__ import annotations

import pytest

from callactors import config
from callactors.config import Config, ConfigErrors

SOME = "{from: [10.0.0.0/30]}"


def load(trunk: str = SOME, number: str = "+1312", more: str = "") -> Config:
    text = f'version: 1\ntrunks:\n  acme: {trunk}\nnumbers:\n  - {{match: "{number}", trunk: acme, scenario: salon}}\n'
    return config.load(text + more, "f.yaml", {})


def problem(trunk: str = SOME, number: str = "+1312", more: str = "") -> str:
    with pytest.raises(ConfigErrors) as caught:
        load(trunk, number, more)
    (found,) = str(caught.value).splitlines()
    return found


def test_any_number_is_only_for_trunks_that_are_this_machine() -> None:
    assert load("{from: [127.0.0.0/8, 127.0.0.1]}", "*").plan().find("x", "acme") is not None
    assert problem("{from: [127.0.0.0/8, 10.0.0.1], media_from: [10.0.0.1]}", "*").startswith(
        'f.yaml:5: numbers[0].match: "*" would answer anything a carrier sends; name the numbers'
    )


@pytest.mark.parametrize("network", ["127.0.0.1", "127.0.0.0/8", "0.0.0.0/0", "::1", "::/0"])
def test_loopback_media_is_only_for_trunks_that_are_this_machine(network: str) -> None:
    assert "trunks.acme.media_from[0]" in problem(f'{{from: [10.0.0.0/30], media_from: ["{network}"]}}')
    assert load(f'{{from: [127.0.0.0/8], media_from: ["{network}"]}}').trunks["acme"].media_from is not None


def test_a_trunk_of_everybody_is_refused_for_its_media() -> None:
    assert "trunks.acme.from[0]" in problem("{from: [0.0.0.0/0]}")


def test_the_ipv6_loopback_is_this_machine_too_and_its_neighbours_are_not() -> None:
    assert load('{from: ["::1", 127.0.0.1]}', "*").plan().find("x", "acme") is not None
    assert "trunks.acme.from[0]" in problem('{from: ["::/64"]}')


def test_listening_everywhere_needs_an_address_to_tell() -> None:
    assert "add listen.advertise" in problem(more="listen: {sip: [{udp: 0.0.0.0:5060}]}")
    told = load(more="listen: {sip: [{udp: 0.0.0.0:5060}], advertise: 203.0.113.7}").listen
    assert told.advertised == "203.0.113.7"


@pytest.mark.parametrize(
    ("more", "path"),
    [
        ("directory: {desk: {sip: 'sip:1@h', trunk: acmee}}", "directory.desk.trunk"),
        ("directory: {desk: {sip: 'sip:1@h'}}", "directory.desk"),
        ("directory: {desk: {sip: 'sip:1@h', tel: '+1312', trunk: acme}}", "directory.desk"),
        ("directory: {desk: {sip: '1@h', trunk: acme}}", "directory.desk.sip"),
        ("emergency: {trunk: acne}", "emergency.trunk"),
        ("routes: [{to: '+44', tries: [[{trunk: x}]]}]", "routes[0].tries[0][0].trunk"),
        ("routes: [{to: '+44', tries: [[{trunk: acme}]]}]", "routes[0].tries[0][0].trunk"),
        ("routes: [{to: '+44', tries: []}]", "routes[0].tries"),
        ("permit: [all]", "permit[0]"),
        ("outbound: {hours: 8-21}", "outbound.hours"),
        ("hours: {office: {zone: Chicago, open: [mon]}}", "hours.office.zone"),
        ("hours: {office: {zone: UTC, open: [monday]}}", "hours.office.open[0]"),
        ("hours: {office: {zone: UTC, open: [mon 09:00-09:00]}}", "hours.office.open[0]"),
        ("hours: {office: {zone: UTC, open: [mon], closed: [christmas]}}", "hours.office.closed[0]"),
        ("hours: {always: {zone: UTC, open: [mon]}}", "hours.always"),
        ("emergency: {trunk: acme}", "emergency.trunk"),
        ("directory: {desk: {sip: 'sip:911@h', trunk: acme}}", "directory.desk.sip"),
        ("listen: {sip: [{udp: '127.0.0.1:5060', ca: ca.pem}]}", "listen.sip[0].ca"),
        ("models: {}", "models"),
        ("models: {m: {kind: realtime, url: 'https://x'}}", "models.m.url"),
        ("listen: {sip: []}", "listen.sip"),
        ("listen: {sip: [{}]}", "listen.sip[0]"),
        ("listen: {rtp: 20001}", "listen.rtp"),
        ("listen: {web: localhost:80}", "listen.web"),
        ("answer: {otherwise: 200}", "answer.otherwise"),
        ("node: a/b", "node"),
        ("node: [a]", "node"),
        ("node:", "node"),
        ("permit: +1", "permit"),
        ("timers: 3", "timers"),
        ("directory: []", "directory"),
        ("models: {m: embedded}", "models.m"),
        ("models: {m: {}}", "models.m.kind"),
        ("models: {a/b: {kind: embedded}}", "models.a/b"),
        ("listen: {rtp: 30000-20000}", "listen.rtp"),
        ("listen: {web: '127.0.0.1:70000'}", "listen.web"),
        ("listen: {web: '8080'}", "listen.web"),
        ("limits: {calls: 0}", "limits.calls"),
        ("limits: {calls: many}", "limits.calls"),
        ("limits: {usd_per_day: lots}", "limits.usd_per_day"),
        ("timers: {drain: 2000h}", "timers.drain"),
        ("recording: {key: ''}", "recording.key"),
        ("emergency: {trunk: acme, location: ../x}", "emergency.location"),
        ("directory: {d: {tel: '911'}}", "directory.d.tel"),
    ],
)
def test_each_part_that_does_not_fit_is_told_by_its_path(more: str, path: str) -> None:
    assert problem(more=more).startswith(f"f.yaml:6: {path}: ")


@pytest.mark.parametrize(
    ("trunk", "path"),
    [
        ("{from: []}", "trunks.acme.from"),
        ("{from: [10.0.0.1], codecs: []}", "trunks.acme.codecs"),
        ("{from: [10.0.0.1], codecs: [pcmu, g729]}", "trunks.acme.codecs[1]: "),
        ("{from: [10.0.0.1], codec_order: mine}", "trunks.acme.codec_order"),
        ("{from: 10.0.0.1}", "trunks.acme.from"),
        ("{from: [10.0.0.1], dtmf: pulses}", "trunks.acme.dtmf"),
        ("{from: [10.0.0.1], refer: maybe}", "trunks.acme.refer"),
        ("{from: [10.0.0.1], country: usa}", "trunks.acme.country"),
        ("{from: [10.0.0.1], cps: -1}", "trunks.acme.cps"),
        ("{from: [10.0.0.1], country: XX}", "trunks.acme.country"),
        ("{from: [10.0.0.1], to: 'sip:h;transport=sctp'}", "trunks.acme.to"),
        ("{from: [10.0.0.1], to: [sip:h, 'sip:h?x=y']}", "trunks.acme.to[1]"),
        ("{from: [10.0.0.1], register: {}, to: sip:h}", "trunks.acme.register"),
        ("{from: [10.0.0.1], register: {}, auth: {user: u, password: p}}", "trunks.acme.register"),
        ("{from: [10.0.0.1], tls: {cert: c.pem}}", "trunks.acme.tls"),
        ("{tls: {identity: [h]}}", "trunks.acme.tls.identity"),
        ("{tls: {ca: c.pem}}", "trunks.acme.from"),
        ("{challenge: {user: u, password: p, algorithms: []}}", "trunks.acme.challenge.algorithms"),
        ("{from: [10.0.0.1], session_timer: {min_se: 30}}", "trunks.acme.session_timer.min_se"),
        ("{from: [10.0.0.1], session_timer: {expires: 60}}", "trunks.acme.session_timer.expires"),
        ("{from: [10.0.0.1], probe: {fail: 4, of: 3}}", "trunks.acme.probe.fail"),
        ("{from: [10.0.0.1], identity: {sign: A, key: k.pem}}", "trunks.acme.identity.certificate_url"),
        ("{from: [10.0.0.1], identity: {verify: require, anchors: a.pem}}", "trunks.acme.identity.hosts"),
        ("{from: [10.0.0.1], identity: {certificate_url: 'http://h/c.pem'}}", "trunks.acme.identity.certificate_url"),
    ],
)
def test_each_part_of_a_trunk_that_does_not_fit_is_told_by_its_path(trunk: str, path: str) -> None:
    assert problem(trunk).startswith(f"f.yaml:3: {path}")


def test_what_nobody_dials_for_help_is_told() -> None:
    dialled = problem("{from: [10.0.0.0/30], to: sip:h}", more="emergency: {trunk: acme, numbers: [help]}")
    assert dialled.startswith("f.yaml:6: emergency.numbers[0]: ")


def test_a_number_for_help_is_no_scenarios() -> None:
    assert "no scenario answers it" in problem("{from: [10.0.0.0/30], country: GB}", "999")
    assert load(SOME, "999").plan().find("999", "acme") is not None


def test_a_range_or_pattern_that_is_nearly_everything_is_refused() -> None:
    assert "would answer almost anything" in problem(number="+1xxxxxxxxxx")
    assert "would answer almost anything" in problem(number="+13120000000-+13129999999")
    assert "is an empty range" in problem(number="+13125550199-+13125550100")


def test_a_number_behind_a_pattern_that_holds_as_often_is_told() -> None:
    more = "  - {match: '+13125550101', trunk: acme, scenario: s}\n"
    assert problem(number="+1312555xxxx", more=more).endswith("numbers[1]: is never reached: numbers[0] matches first")


def test_a_user_of_a_challenge_belongs_to_one_trunk() -> None:
    both = "{challenge: {user: u, password: p}}\n  other: {challenge: {user: u, password: q}}"
    assert '"u" is acme\'s already' in problem(both)


def test_a_trunk_may_be_known_by_its_challenge_or_its_certificate_alone() -> None:
    assert load("{challenge: {user: u, password: p}}").trunk_of("10.0.0.1") is None
    assert load("{to: 'sips:h', tls: {identity: [h]}}").trunks["acme"].tls is not None


def test_a_trunk_nobody_named_addresses_of_is_not_this_machine() -> None:
    assert '"*" would answer anything' in problem("{challenge: {user: u, password: p}}", "*")


def test_tls_needs_a_certificate() -> None:
    with pytest.raises(ConfigErrors) as caught:
        load(more="listen: {sip: [{tls: '127.0.0.1:5061'}]}")
    assert "tls without a certificate" in str(caught.value)


@pytest.mark.parametrize("number", ["a b", "sip:1@h", "x" * 70])
def test_what_is_no_number_is_told(number: str) -> None:
    assert problem(number=number).startswith("f.yaml:5: numbers[0].match: ")


def test_hours_that_nobody_defined_are_told() -> None:
    more = "  - {match: '1', trunk: acme, scenario: s, when: not ofice}\nhours: {office: {zone: UTC, open: [mon]}}\n"
    assert problem(more=more) == 'f.yaml:6: numbers[1].when: there are no hours "ofice"; did you mean office?'


def test_a_network_belongs_to_one_trunk() -> None:
    both = "{from: [10.0.0.0/30]}\n  other: {from: [10.0.0.0/30]}"
    assert "10.0.0.0/30 is acme's already" in problem(both)


def test_the_narrowest_network_names_the_trunk() -> None:
    both = "{from: [10.0.0.0/8]}\n  inner: {from: [10.1.0.0/16]}"
    loaded = load(both)
    assert [loaded.trunk_of(ip) for ip in ("10.2.0.1", "10.1.0.1", "::ffff:10.1.0.1", "11.0.0.1", "x")] == [
        "acme",
        "inner",
        "inner",
        None,
        None,
    ]


def test_a_number_that_is_never_reached_is_told() -> None:
    more = "  - {match: '+1-312', trunk: acme, scenario: other}\n"
    assert problem(more=more) == "f.yaml:6: numbers[1]: is never reached: numbers[0] matches first"


def test_media_comes_from_where_the_signalling_does_unless_told_otherwise() -> None:
    assert load().trunk("acme").takes_media_from("10.0.0.1")
    assert not load("{from: [10.0.0.0/30], media_from: [10.9.0.0/16]}").trunk("acme").takes_media_from("10.0.0.1")
