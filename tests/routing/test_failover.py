"""The table of issue and standard: who is tried next, and who is never called again."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callactors.routing.failover import NETWORK, PERSON, Verdict, blames_trunk, elsewhere, verdict
from callactors.routing.way import Tried, Way
from callactors.sip.address import Hop
from callactors.sip.headers import NameAddr
from callactors.sip.uri import SipUri

URI = SipUri("sip", "+13125550142", None, "127.0.0.2")
WAY = Way(trunk="a", hop=Hop("127.0.0.2", 5060), uri=URI, caller=NameAddr("", URI))
PLAIN = Way(trunk="a", hop=Hop("127.0.0.2", 5060), uri=URI, caller=NameAddr("", URI), plainer=True)


def after(
    status: int | None = None, q850: int | None = None, *, rang: bool = False, heard: bool = False, plain: bool = False
) -> Tried:
    return Tried(way=PLAIN if plain else WAY, status=status, q850=q850, rang=rang, heard=heard)


def told(tried: Tried, *, bridged: bool = False) -> Verdict:
    return verdict(tried, bridged=bridged)


@pytest.mark.parametrize("status", [500, 502, 503, 504, 513, 580, 401, 407, 408, 430, 480, 487, None])
def test_before_any_18x_the_network_has_failed(status: int | None) -> None:
    assert told(after(status)) == "next"


def test_a_broken_transport_is_the_networks() -> None:
    assert told(Tried(way=WAY, transport_failed=True)) == "next"


@pytest.mark.parametrize("rang", [False, True])
@pytest.mark.parametrize("status", [486, 600, 603])
def test_busy_and_declined_are_a_persons_answer(status: int, rang: bool) -> None:
    assert told(after(status, rang=rang)) == "person"


@pytest.mark.parametrize("status", [408, 480, 487, None])
def test_after_ringing_no_answer_is_an_answer(status: int | None) -> None:
    assert told(after(status, rang=True)) == "person"


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_after_ringing_a_5xx_needs_a_network_cause(status: int) -> None:
    assert told(after(status, rang=True)) == "person"
    assert told(after(status, 31, rang=True)) == "person"
    assert {told(after(status, cause, rang=True)) for cause in NETWORK} == {"next"}


@pytest.mark.parametrize("cause", sorted(PERSON))
@pytest.mark.parametrize("status", [503, 500, 480, 404])
def test_a_cause_that_names_a_person_outweighs_the_status(cause: int, status: int) -> None:
    assert told(after(status, cause)) == "person"


@pytest.mark.parametrize("cause", sorted(NETWORK))
@pytest.mark.parametrize("status", [486, 603, 480, 404])
def test_a_cause_that_names_the_network_outweighs_the_status(cause: int, status: int) -> None:
    assert told(after(status, cause)) == "next"


def test_488_is_asked_once_more_with_a_plainer_offer() -> None:
    assert told(after(488)) == "plainer"
    assert told(after(488, plain=True)) == "person"


@pytest.mark.parametrize("status", [301, 302, 403, 404, 410, 484, 604, 606])
def test_what_no_rule_names_is_final(status: int) -> None:
    assert told(after(status)) == "person"


def test_early_media_stops_failover_only_where_a_person_heard_it() -> None:
    heard = after(503, 34, rang=True, heard=True)
    assert told(heard, bridged=True) == "person"
    assert told(heard, bridged=False) == "next"


STATUSES = st.none() | st.integers(300, 699)
TRIES = st.builds(
    Tried,
    way=st.sampled_from([WAY, PLAIN]),
    answered=st.booleans(),
    status=STATUSES,
    q850=st.none() | st.integers(0, 127),
    rang=st.booleans(),
    heard=st.booleans(),
    transport_failed=st.booleans(),
)


@given(TRIES, st.booleans())
@settings(max_examples=150)
def test_every_try_has_a_verdict_and_none_is_tried_twice_the_same_way(tried: Tried, bridged: bool) -> None:
    outcome = verdict(tried, bridged=bridged)
    assert outcome in get_args(Verdict)
    assert (outcome == "answered") == tried.answered
    assert not (outcome == "plainer" and tried.way.plainer)


@given(TRIES)
@settings(max_examples=150)
def test_nobody_is_called_again_once_a_person_was_heard(tried: Tried) -> None:
    if tried.heard and not tried.answered:
        assert verdict(tried, bridged=True) == "person"


@given(TRIES, st.booleans())
@settings(max_examples=150)
def test_once_it_rang_only_a_network_cause_or_a_plainer_offer_goes_on(tried: Tried, bridged: bool) -> None:
    if tried.rang and verdict(tried, bridged=bridged) in ("next", "plainer"):
        assert tried.q850 in NETWORK or (tried.status == 488 and tried.q850 not in PERSON)


@given(TRIES)
@settings(max_examples=150)
def test_the_agents_own_ear_changes_nothing(tried: Tried) -> None:
    deaf = Tried(**{name: getattr(tried, name) for name in tried.__struct_fields__ if name != "heard"})
    assert verdict(tried, bridged=False) == verdict(deaf, bridged=False)


@pytest.mark.parametrize("status", [503, 408, 430, None])
def test_another_address_of_the_trunk_may_do_better(status: int | None) -> None:
    assert elsewhere(after(status))


@pytest.mark.parametrize(("status", "q850"), [(500, None), (502, None), (503, 34), (480, None)])
def test_another_address_of_the_trunk_would_say_the_same(status: int, q850: int | None) -> None:
    assert not elsewhere(after(status, q850))


@pytest.mark.parametrize(
    ("tried", "blamed"),
    [
        (after(503), True),
        (after(None), True),
        (after(500, 41, rang=True), True),
        (after(404, 3), None),
        (after(502, 27), None),
        (after(480), None),
        (after(486), False),
        (after(404), False),
        (after(None, rang=True), False),
    ],
)
def test_a_trunk_is_blamed_for_what_is_its_own(tried: Tried, blamed: bool | None) -> None:
    assert blames_trunk(tried) is blamed
