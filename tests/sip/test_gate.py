"""Who may open something here: only a packet's source counts, then a digest; strangers cost a counter."""

from __future__ import annotations

import time
from random import Random

import attrs
import pytest

from callactors.sip import auth
from callactors.sip.address import Hop
from callactors.sip.gate import Alarm, Challenge, Door, Drop, Gate, Limits, Pass, Refuse, Verdict, household
from callactors.sip.message import Request, parse
from callactors.sip.rate import Rate
from callactors.testing.sip_script import PEER, POOL, SDP, STRANGER, request

CARRIER = Door(user="acme", password="secret")
ROAMING = Door(user="100", password="hush", roaming=True)


def gate_of(**doors: Door) -> Gate:
    return Gate(doors, key=b"k" * 32, random=Random(1))


def invite(*headers: str, uri: str = "sip:desk@127.0.0.1") -> Request:
    message = parse(request("INVITE", uri=uri, headers=headers, body=SDP))
    assert isinstance(message, Request)
    return message


def authorised(
    verdict: Verdict, password: str = "secret", *, user: str = "acme", nc: int = 1, pick: int = 0
) -> Request:
    """The INVITE again, with the answer to a challenge."""
    assert isinstance(verdict, Challenge)
    challenge = auth.Challenge.parse(verdict.headers[pick][1])
    plain = invite()
    value = auth.answer(challenge, "INVITE", plain.uri, user, password, cnonce="c", nc=nc)
    return attrs.evolve(plain, headers=plain.headers.adding("Authorization", value))


def challenges(verdict: Verdict) -> list[auth.Challenge]:
    assert isinstance(verdict, Challenge), verdict
    return [auth.Challenge.parse(value) for _, value in verdict.headers]


def test_a_trunk_without_a_challenge_passes() -> None:
    assert gate_of().ask(invite(), PEER, "carrier", 0.0) == Pass("carrier")


def test_a_challenge_lists_sha_256_first_then_md5_each_in_its_own_header() -> None:
    asked = challenges(gate_of(carrier=CARRIER).ask(invite(), PEER, "carrier", 0.0))
    assert [(one.algorithm, one.realm, one.qop, one.stale) for one in asked] == [
        ("SHA-256", "callactors", ("auth",), False),
        ("MD5", "callactors", ("auth",), False),
    ]


@pytest.mark.parametrize("algorithm", ["SHA-256", "SHA-512-256", "MD5"])
def test_each_algorithm_lets_its_owner_in(algorithm: str) -> None:
    gate = gate_of(carrier=Door(user="acme", password="secret", algorithms=(algorithm,)))
    answer = authorised(gate.ask(invite(), PEER, "carrier", 0.0))
    assert f"algorithm={algorithm}" in (answer.headers.get("Authorization") or "")
    assert gate.ask(answer, PEER, "carrier", 1.0) == Pass("carrier")


def test_an_algorithm_we_did_not_offer_is_no_way_in() -> None:
    md5 = authorised(gate_of(carrier=CARRIER).ask(invite(), PEER, "carrier", 0.0), pick=1)
    strict = gate_of(carrier=Door(user="acme", password="secret", algorithms=("SHA-256",)))
    assert isinstance(strict.ask(md5, PEER, "carrier", 1.0), Challenge)


def test_another_member_of_the_trunks_pool_may_answer_the_challenge() -> None:
    gate = gate_of(carrier=CARRIER)
    assert gate.ask(authorised(gate.ask(invite(), PEER, "carrier", 0.0)), POOL, "carrier", 1.0) == Pass("carrier")


def test_one_count_is_taken_once_and_a_repeated_one_is_stale() -> None:
    gate = gate_of(carrier=CARRIER)
    first = gate.ask(invite(), PEER, "carrier", 0.0)
    assert gate.ask(authorised(first), PEER, "carrier", 1.0) == Pass("carrier")
    assert [one.stale for one in challenges(gate.ask(authorised(first), PEER, "carrier", 2.0))] == [True, True]
    assert gate.ask(authorised(first, nc=2), PEER, "carrier", 3.0) == Pass("carrier")


def test_an_old_nonce_is_stale_and_counts_against_nobody() -> None:
    gate = gate_of(carrier=CARRIER)
    late = gate.ask(authorised(gate.ask(invite(), PEER, "carrier", 0.0)), PEER, "carrier", 61.0)
    assert challenges(late)[0].stale
    assert gate.counters["bad_digest"] == 0


def test_every_401_has_a_fresh_nonce() -> None:
    gate = gate_of(carrier=CARRIER)
    asked = [challenges(gate.ask(invite(), PEER, "carrier", 0.0))[0].nonce for _ in range(20)]
    assert len(set(asked)) == 20


def test_a_nonce_made_for_somebody_else_is_not_ours() -> None:
    gate = gate_of(carrier=CARRIER, other=CARRIER)
    theirs = authorised(gate.ask(invite(), PEER, "other", 0.0))
    assert challenges(gate.ask(theirs, PEER, "carrier", 0.0))[0].stale


def test_an_unknown_user_and_a_wrong_password_get_the_same_answer() -> None:
    gate = gate_of(carrier=CARRIER)
    first = gate.ask(invite(), PEER, "carrier", 0.0)
    wrong = gate.ask(authorised(first, "guess"), PEER, "carrier", 0.0)
    unknown = gate.ask(authorised(first, "guess", user="nobody"), PEER, "carrier", 0.0)
    shapes = [[(c.realm, c.algorithm, c.stale, len(c.nonce)) for c in challenges(one)] for one in (wrong, unknown)]
    assert shapes[0] == shapes[1]


def test_a_stranger_is_not_even_read_where_every_trunk_has_addresses() -> None:
    assert not gate_of(carrier=CARRIER).hears(STRANGER, 0.0)


def test_a_roaming_trunk_is_known_by_its_digest_alone() -> None:
    gate = gate_of(phone=ROAMING)
    assert gate.hears(STRANGER, 0.0)
    asked = gate.ask(invite(), STRANGER, None, 0.0)
    assert gate.ask(authorised(asked, "hush", user="100"), STRANGER, None, 0.5) == Pass("phone")


@pytest.mark.parametrize("method", ["OPTIONS", "REGISTER", "BYE", "MESSAGE"])
def test_a_stranger_hears_nothing_about_anything_but_an_invite(method: str) -> None:
    message = parse(request(method))
    assert isinstance(message, Request)
    assert gate_of(phone=ROAMING).ask(message, STRANGER, None, 0.0) == Drop("strangers")


def test_every_extension_gets_the_same_answer() -> None:
    gate = gate_of(phone=ROAMING)
    answers = [gate.ask(invite(uri=f"sip:{n}@127.0.0.1"), STRANGER, None, n / 10) for n in range(100, 121)]
    assert {tuple((c.realm, c.algorithm, c.stale) for c in challenges(one)) for one in answers} == {
        (("callactors", "SHA-256", False), ("callactors", "MD5", False))
    }


def test_after_five_bad_digests_a_stranger_is_banned_for_ten_minutes() -> None:
    alarms: list[Alarm] = []
    gate = Gate({"phone": ROAMING}, key=b"k" * 32, random=Random(1), alarm=alarms.append)
    for _ in range(5):
        assert gate.hears(STRANGER, 0.0)
        gate.ask(authorised(gate.ask(invite(), STRANGER, None, 0.0), "guess", user="100"), STRANGER, None, 0.0)
    assert not gate.hears(STRANGER, 1.0)
    assert gate.hears(Hop("127.0.0.67", 5060), 1.0)
    assert gate.hears(STRANGER, 601.0)
    assert alarms == [Alarm("banned", "127.0.0.66", None)]


def test_a_stranger_with_a_whole_ipv6_network_is_one_stranger() -> None:
    gate = gate_of(phone=ROAMING)
    for n in range(5):
        source = Hop(f"2001:db8::{n + 1}", 5060)
        gate.ask(authorised(gate.ask(invite(), source, None, 0.0), "guess", user="100"), source, None, 0.0)
    assert not gate.hears(Hop("2001:db8::ffff", 5060), 1.0)
    assert gate.hears(Hop("2001:db8:0:1::1", 5060), 1.0)
    assert household("::ffff:192.0.2.1") == "192.0.2.1"


def test_without_a_nonce_that_it_was_given_nobody_can_have_another_banned() -> None:
    gate = gate_of(phone=ROAMING)
    forged = authorised(gate.ask(invite(), STRANGER, None, 0.0), "guess", user="100")
    victim = Hop("127.0.0.99", 5060)
    for _ in range(10):
        gate.ask(forged, victim, None, 0.0)
    assert gate.hears(victim, 0.0)


def test_a_listed_address_is_slowed_and_alarmed_once_but_never_banned() -> None:
    alarms: list[Alarm] = []
    gate = Gate({"carrier": CARRIER}, key=b"k" * 32, random=Random(1), alarm=alarms.append)
    verdicts = []
    for _ in range(20):
        asked = gate.ask(invite(), PEER, "carrier", 0.0)
        verdicts.append(asked)
        if isinstance(asked, Challenge):
            gate.ask(authorised(asked, "guess"), PEER, "carrier", 0.0)
    assert verdicts[-1] == Drop("slowed")
    assert alarms == [Alarm("slowed", PEER.host, "carrier")]
    asked = gate.ask(invite(), PEER, "carrier", 5.0)
    assert gate.ask(authorised(asked), PEER, "carrier", 6.0) == Pass("carrier")


def test_a_flood_from_one_address_of_a_trunk_is_refused_and_its_neighbour_is_not() -> None:
    gate = Gate({}, key=b"k" * 32, random=Random(1), limits=Limits(trunk=Rate(100.0, 200.0)))
    verdicts = [gate.ask(invite(), PEER, "carrier", n / 500) for n in range(2500)]
    assert verdicts.count(Pass("carrier")) <= 200 + 500 + 1
    assert verdicts[-1] == Refuse(503, "limited", (("Retry-After", "5"),))
    assert gate.ask(invite(), POOL, "carrier", 5.0) == Pass("carrier")


def test_strangers_leave_no_more_than_a_bounded_table_behind() -> None:
    gate = gate_of(phone=ROAMING)
    for n in range(10_000):
        gate.hears(Hop(f"10.0.{n >> 8}.{n & 255}", 5060), n / 1000)
    assert gate.sources() <= 4_096


def test_calls_that_nobody_acknowledges_are_capped() -> None:
    gate = gate_of()
    assert gate.ask(invite(), PEER, "carrier", 0.0, half_open=lambda: 999) == Pass("carrier")
    assert gate.ask(invite(), PEER, "carrier", 0.0, half_open=lambda: 1000) == Refuse(
        503, "half_open", (("Retry-After", "5"),)
    )


def test_an_emergency_call_passes_the_caps_and_the_rate() -> None:
    limits = Limits(trunk=Rate(0.0, 0.0), half_open=0)
    gate = Gate({}, key=b"k" * 32, random=Random(1), limits=limits, urgent=lambda one, trunk: "911" in str(one.uri))
    assert gate.ask(invite(uri="sip:911@127.0.0.1"), PEER, "carrier", 0.0, half_open=lambda: 5) == Pass("carrier")
    assert gate.ask(invite(), PEER, "carrier", 0.0, half_open=lambda: 5) == Refuse(
        503, "limited", (("Retry-After", "5"),)
    )


def test_headers_that_name_a_trusted_host_open_nothing() -> None:
    claims = ("P-Asserted-Identity: <sip:boss@127.0.0.10>", "X-Forwarded-For: 127.0.0.10")
    assert isinstance(gate_of(phone=ROAMING).ask(invite(*claims), STRANGER, None, 0.0), Challenge)
    assert not gate_of(carrier=CARRIER).hears(STRANGER, 0.0)


def test_an_authorization_of_forty_empty_parameters_and_a_bad_tail_costs_nothing() -> None:
    gate = gate_of(carrier=CARRIER)
    nasty = invite("Authorization: Digest " + ",".join(f'a{n}=""' for n in range(40)) + ',a="')
    started = time.process_time()
    verdict = gate.ask(nasty, PEER, "carrier", 0.0)
    assert time.process_time() - started < 0.005
    assert isinstance(verdict, Challenge)


@pytest.mark.parametrize("value", ["", "x", "a.b.c", "\udcff.\udcff.\udcff", "0.0.0", "." * 50])
def test_no_nonce_text_makes_it_raise(value: str) -> None:
    plain = invite()
    text = f'Digest username="acme", realm="callactors", nonce="{value}", uri="sip:desk@127.0.0.1", response="00"'
    nasty = attrs.evolve(plain, headers=plain.headers.adding("Authorization", text))
    assert isinstance(gate_of(carrier=CARRIER).ask(nasty, PEER, "carrier", 0.0), Challenge)


def test_a_door_does_not_tell_its_password() -> None:
    assert "secret" not in repr(CARRIER)
