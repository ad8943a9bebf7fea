"""Which worker gets which message: by what we wrote into it, else by its Call-ID, else the least busy."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callactors.sip.dispatch import HOME, MEMORY, MOST, PENDING, Dispatch, Load

IDLE = [Load(0), Load(0), Load(0)]


def request(method: str = "INVITE", call_id: str = "c1", *, to: str = "<sip:us@10.0.0.1>", more: str = "") -> bytes:
    return (
        f"{method} sip:us@10.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.9;branch=z9hG4bK-x\r\nFrom: <sip:a@b>;tag=t\r\n"
        f"To: {to}\r\nCall-ID: {call_id}\r\nCSeq: 1 {method}\r\n{more}\r\n"
    ).encode()


def dispatch() -> Dispatch:
    return Dispatch("a1", 3)


def test_a_request_with_our_tag_goes_to_the_worker_in_the_tag() -> None:
    assert dispatch().worker(request("BYE", to="<sip:us@x>;tag=a1.2-0123"), IDLE, 0.0) == 2


def test_a_response_goes_to_the_worker_in_its_branch_and_one_of_ours_stays_at_home() -> None:
    answer = "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 10.0.0.1:5061;branch=z9hG4bK-{}-77-1.9;rport=1\r\n\r\n"
    assert dispatch().worker(answer.format("a1.1").encode(), IDLE, 0.0) == 1
    assert dispatch().worker(answer.format("a1").encode(), IDLE, 0.0) == HOME


def test_an_invite_that_replaces_a_call_goes_where_that_call_is() -> None:
    replaces = request(more="Replaces: x@y;to-tag=a1.1-77;from-tag=z\r\n")
    assert dispatch().worker(replaces, IDLE, 0.0) == 1


@pytest.mark.parametrize("name", ["Call-ID", "i", "CALL-ID ", "call-id\t"])
def test_repetitions_cancel_and_ack_follow_their_invite_however_call_id_is_spelt(name: str) -> None:
    hands = dispatch()
    chosen = hands.worker(request(), IDLE, 0.0)
    others = [Load(0 if worker != chosen else 50) for worker in range(3)]
    for method in ("INVITE", "CANCEL", "ACK"):
        message = request(method).replace(b"Call-ID", name.encode())
        assert hands.worker(message, others, 1.0) == chosen


def test_an_invite_of_no_dialog_of_ours_opens_a_call_and_nothing_else_does() -> None:
    hands = dispatch()
    assert hands.opens(request(call_id="c9@x")) == "c9@x"
    others = [request(to="<sip:us@x>;tag=a1.2-0123"), request(more="Replaces: x@y;to-tag=a1.1-77;from-tag=z\r\n")]
    assert [hands.opens(other) for other in [*others, request("BYE"), request("ACK"), b"INVITE nothing"]] == [""] * 5


def test_new_calls_go_to_the_least_busy_and_a_burst_is_spread_before_the_counts_are_known() -> None:
    hands = dispatch()
    first = [hands.worker(request(call_id=f"c{n}"), [Load(5), Load(0), Load(5)], 0.0) for n in range(5)]
    assert first == [1] * 5
    burst = [dispatch_to(hands, f"d{n}", 10.0) for n in range(9)]
    assert sorted(burst) == [0, 0, 0, 1, 1, 1, 2, 2, 2]


def test_a_call_is_counted_once_by_us_until_it_is_decided_and_then_by_its_worker() -> None:
    hands = dispatch()
    for n in range(6):
        hands.worker(request(call_id=f"c{n}"), [Load(0), Load(9), Load(9)], 0.0)
    loads = [Load(6, decided=6), Load(7), Load(9)]
    assert [hands.worker(request(call_id=f"d{n}"), loads, 0.1) for n in range(3)] == [0, 1, 0]
    assert hands.worker(request(call_id="e"), loads, 0.2 + PENDING) == 0


def dispatch_to(hands: Dispatch, call_id: str, now: float) -> int:
    return hands.worker(request(call_id=call_id), IDLE, now)


def test_who_is_full_is_asked_only_when_all_are_and_who_is_gone_never() -> None:
    hands = dispatch()
    assert hands.worker(request(), [Load(0, full=True), Load(9), Load(0, usable=False)], 0.0) == 1
    assert hands.worker(request(call_id="c2"), [Load(0, full=True), Load(9, full=True), Load(0, False)], 9.0) == 0
    assert hands.worker(request(call_id="c3"), [Load(0, usable=False)] * 3, 9.0) == HOME


def test_a_dead_workers_calls_are_nobodys_and_its_invites_are_handed_out_anew() -> None:
    hands = dispatch()
    chosen = hands.worker(request(), IDLE, 0.0)
    hands.forget(chosen)
    left = [Load(0, usable=worker != chosen) for worker in range(3)]
    assert hands.worker(request("BYE", to=f"<sip:us@x>;tag=a1.{chosen}-0"), left, 0.1) == HOME
    assert hands.worker(request("CANCEL"), left, 0.1) == HOME
    assert hands.worker(request(), left, 0.2) not in (chosen, HOME)


@pytest.mark.parametrize(
    "message", [request("OPTIONS"), request("REGISTER"), request("ACK"), b"", b"\r\n\r\n", b"\xff" * 99]
)
def test_what_is_no_call_stays_at_home(message: bytes) -> None:
    assert dispatch().worker(message, IDLE, 0.0) == HOME


def test_a_stranger_is_never_handed_on_and_costs_no_memory() -> None:
    hands = dispatch()
    assert hands.worker(request(), IDLE, 0.0, listed=False) == HOME
    assert len(hands) == 0


def test_memory_is_bounded_in_calls_and_in_time() -> None:
    hands = dispatch()
    for n in range(MOST + 10):
        hands.worker(request(call_id=str(n)), IDLE, n * PENDING)
    assert len(hands) == MOST
    late = MOST * PENDING + MEMORY + 60.0
    assert hands.worker(request("CANCEL", call_id=str(MOST)), IDLE, late) == HOME


@pytest.mark.parametrize("tag", ["a1.7-0", "a1.99999999-0", "a1.-0", "a1.1", "b1.1-0", "xa1.1-0", "a1x1-0"])
def test_a_tag_that_is_not_quite_ours_names_nobody(tag: str) -> None:
    assert dispatch().worker(request("BYE", to=f"<sip:us@x>;tag={tag}"), IDLE, 0.0) == HOME


@given(st.binary(max_size=400), st.integers(0, 400))
@settings(max_examples=150, deadline=None)
def test_whatever_comes_the_answer_is_a_worker_or_home(noise: bytes, cut: int) -> None:
    message = request()[:cut] + noise
    assert dispatch().worker(message, IDLE, 0.0) in (HOME, 0, 1, 2)
