"""Reliable provisional responses, both roles (RFC 3262), and the offers and answers that travel in them."""

from __future__ import annotations

import pytest

from callactors.sip.events import (
    Acked,
    Answered,
    Cancelled,
    NoAck,
    Pracked,
    Progressed,
    Reanswered,
    Reoffered,
)
from callactors.sip.headers import Headers, name_addr
from callactors.sip.message import Message, Request, Response
from callactors.sip.policy import Policy
from callactors.sip.reliable import RAck, read_rack, read_rseq
from callactors.sip.uri import SipUri
from callactors.testing.sip_script import (
    PEER,
    SDP,
    Script,
    header,
    methods,
    request,
    response,
    statuses,
    tag_given,
)

TARGET = SipUri("sip", "+15551234", None, "127.0.0.10")
ME = name_addr("<sip:+15550000@127.0.0.1>")
SPEAKS = "Supported: 100rel"


def invited(script: Script, *headers: str, body: bytes = SDP) -> int:
    script.send(request("INVITE", headers=headers, body=body))
    return script.events[-1].session


def prack(script: Script, ring: Response, cseq: int = 2, body: bytes = b"", rack: str | None = None) -> list[Message]:
    rack = f"RAck: {rack or (header(ring, 'RSeq') or '') + ' 1 INVITE'}"
    branch = f"z9hG4bKprack{cseq}"
    return script.send(request("PRACK", branch=branch, cseq=cseq, to_tag=tag_given(script), headers=[rack], body=body))


def only(messages: list[Message]) -> Response:
    (found,) = [message for message in messages if isinstance(message, Response)]
    return found


def dial(script: Script, body: bytes = SDP) -> tuple[int, Request]:
    session = script.endpoint.invite(TARGET, to=PEER, trunk="carrier", caller=ME, body=body, now=script.now)
    return session, first(script.collect(), "INVITE")


def first(messages: list[Message], method: str) -> Request:
    return next(m for m in messages if isinstance(m, Request) and m.method == method)


def early(invite: Request, rseq: int, status: int = 183, body: bytes = b"", tag: str = "theirs") -> bytes:
    headers = ["Require: 100rel", f"RSeq: {rseq}", "Allow: INVITE, UPDATE, PRACK"]
    return response(invite, status, to_tag=tag, headers=headers, body=body)


# -- we are called ------------------------------------------------------------------------------------------------


def test_early_media_is_sent_reliably_to_whoever_takes_it_and_repeated_until_its_prack() -> None:
    script = Script()
    session = invited(script, SPEAKS)
    script.endpoint.ring(session, 183, b"early", now=0.0)
    ring = only(script.collect())
    assert (header(ring, "Require"), ring.body) == ("100rel", b"early")
    assert [only([again]) for again in script.wait(4.0)] == [ring] * 3  # at 0.5, 1.5 and 3.5 s
    assert statuses(prack(script, ring)) == [200]
    assert script.wait(30.0) == []
    assert script.told(Pracked) == [Pracked(session, b"")]


@pytest.mark.parametrize(
    ("headers", "policy", "body", "wanted", "reliable"),
    [
        ((), "offer", b"early", None, False),
        ((SPEAKS,), "offer", b"", None, False),
        ((SPEAKS,), "offer", b"", True, True),
        ((SPEAKS,), "offer", b"early", False, False),
        ((SPEAKS,), "off", b"early", True, False),
        ((SPEAKS,), "require", b"", None, True),
        (("Require: 100rel",), "offer", b"", False, True),
        ((), "offer", b"early", True, False),
    ],
)
def test_who_gets_reliable_provisional_responses(
    headers: tuple[str, ...], policy: str, body: bytes, wanted: bool | None, reliable: bool
) -> None:
    script = Script(policy_of=lambda trunk: Policy(reliable=policy))  # type: ignore[arg-type]  # a row of the table
    session = invited(script, *headers)
    script.endpoint.ring(session, 180, body, wanted, now=0.0)
    assert (header(only(script.collect()), "RSeq") is not None) == reliable


@pytest.mark.parametrize(
    ("policy", "headers", "status", "name"),
    [("require", (), 421, "Require"), ("off", ("Require: 100rel",), 420, "Unsupported")],
)
def test_who_must_or_must_not_speak_it_is_told_so(
    policy: str, headers: tuple[str, ...], status: int, name: str
) -> None:
    script = Script(policy_of=lambda trunk: Policy(reliable=policy))  # type: ignore[arg-type]  # a row of the table
    (refused,) = script.send(request("INVITE", headers=headers, body=SDP))
    assert (statuses([refused]), header(refused, name)) == ([status], "100rel")
    assert script.events == []


def test_the_200_waits_for_the_prack_and_has_no_description_after_it() -> None:
    script = Script()
    session = invited(script, SPEAKS)
    script.endpoint.ring(session, 183, b"early", now=0.0)
    ring = only(script.collect())
    script.endpoint.answer(session, b"early", now=0.0)
    assert script.collect() == []
    accepted, answered = prack(script, ring)
    assert statuses([accepted, answered]) == [200, 200]
    assert (header(answered, "CSeq"), answered.body) == ("1 INVITE", b"")


def test_a_second_reliable_response_waits_for_the_prack_of_the_first() -> None:
    script = Script()
    session = invited(script, SPEAKS)
    script.endpoint.ring(session, 183, b"early", now=0.0)
    script.endpoint.ring(session, 180, b"", True, now=0.0)
    ring = only(script.collect())
    _, second = prack(script, ring)
    assert statuses([second]) == [180]
    assert int(header(second, "RSeq") or "") == int(header(ring, "RSeq") or "") + 1


@pytest.mark.parametrize("rack", ["1 1 INVITE", "0 0 BYE", "x", "1 1", "99999999999 1 INVITE"])
def test_a_prack_for_nothing_is_481(rack: str) -> None:
    script = Script()
    session = invited(script, SPEAKS)
    script.endpoint.ring(session, 183, b"early", now=0.0)
    assert statuses(prack(script, only(script.collect()), rack=rack)) == [481]


def test_a_prack_of_a_call_we_place_is_481() -> None:
    script = Script()
    _, invite = dial(script)
    script.send(response(invite, 200, body=b"answer"))
    ours = name_addr(invite.headers.get("From") or "").tag or ""
    call_id = invite.headers.get("Call-ID") or ""
    data = request("PRACK", call_id=call_id, to_tag=ours, headers=["RAck: 1 1 INVITE"])
    assert statuses(script.send(data)) == [481]


def test_without_a_prack_the_call_is_504_and_over() -> None:
    script = Script()
    session = invited(script, SPEAKS)
    script.endpoint.ring(session, 183, b"early", now=0.0)
    assert 504 in statuses(script.wait(33.0))
    assert script.told(NoAck) == [NoAck(session)]


def test_a_cancel_stops_what_is_repeated_and_what_waits() -> None:
    script = Script()
    session = invited(script, SPEAKS)
    script.endpoint.ring(session, 183, b"early", now=0.0)
    script.endpoint.answer(session, b"early", now=0.0)
    script.send(request("CANCEL"))
    script.send(request("ACK", to_tag=tag_given(script)))
    assert 183 not in statuses(script.wait(40.0))
    assert script.told(Cancelled) == [Cancelled(session)]
    assert script.endpoint.entries() == 0


def test_a_call_that_asks_for_our_offer_gets_it_early_and_answers_in_the_prack() -> None:
    script = Script()
    session = invited(script, SPEAKS, body=b"")
    script.endpoint.ring(session, 183, b"our offer", now=0.0)
    ring = only(script.collect())
    prack(script, ring, body=b"their answer")
    assert script.told(Pracked) == [Pracked(session, b"their answer")]
    script.endpoint.answer(session, b"our offer", now=0.0)
    (ok,) = script.collect()
    assert ok.body == b""
    script.send(request("ACK", branch="z9hG4bKack", to_tag=tag_given(script)))
    assert script.told(Acked) == [Acked(session, b"")]


def test_a_prack_may_offer_once_the_first_offer_is_answered() -> None:
    script = Script()
    session = invited(script, SPEAKS)
    script.endpoint.ring(session, 183, b"early", now=0.0)
    assert prack(script, only(script.collect()), body=b"new offer") == []
    (offer,) = script.told(Reoffered)
    assert (offer.method, offer.body) == ("PRACK", b"new offer")
    script.endpoint.respond(session, offer.request_id, 200, b"new answer", now=0.0)
    (accepted,) = script.collect()
    assert (statuses([accepted]), accepted.body) == ([200], b"new answer")


def test_an_update_before_our_answer_passes_only_after_the_prack() -> None:
    script = Script()
    session = invited(script, SPEAKS)
    script.endpoint.ring(session, 183, b"early", now=0.0)
    ring = only(script.collect())
    early_update = request("UPDATE", branch="z9hG4bKu1", cseq=2, to_tag=tag_given(script), body=b"offer")
    assert statuses(script.send(early_update)) == [500]
    prack(script, ring, cseq=3)
    script.send(request("UPDATE", branch="z9hG4bKu2", cseq=4, to_tag=tag_given(script), body=b"offer"))
    (offer,) = script.told(Reoffered)
    script.endpoint.respond(session, offer.request_id, 200, b"answer", now=0.0)
    assert statuses(script.collect()) == [200]


# -- we call ------------------------------------------------------------------------------------------------------


def test_each_reliable_response_gets_one_prack_and_is_told_once() -> None:
    script = Script()
    session, invite = dial(script)
    assert "100rel" in (invite.headers.get("Supported") or "")
    prack = first(script.send(early(invite, 7, body=b"early")), "PRACK")
    assert prack.headers.get("RAck") == f"7 {(invite.headers.get('CSeq') or '').split()[0]} INVITE"
    assert script.send(early(invite, 7, body=b"early")) == []
    assert script.told(Progressed) == [Progressed(session, 183, b"early", reliable=True)]


def test_a_reliable_response_out_of_order_waits_to_be_repeated() -> None:
    script = Script()
    _, invite = dial(script)
    script.send(response(first(script.send(early(invite, 7)), "PRACK"), 200))
    assert script.send(early(invite, 9)) == []
    script.send(response(first(script.send(early(invite, 8, 180)), "PRACK"), 200))
    assert methods(script.send(early(invite, 9))) == ["PRACK"]
    assert [event.status for event in script.told(Progressed)] == [183, 180, 183]


def test_each_fork_gets_the_pracks_of_its_own_dialog() -> None:
    script = Script()
    _, invite = dial(script)
    one = first(script.send(early(invite, 7, tag="one")), "PRACK")
    two = first(script.send(early(invite, 7, tag="two")), "PRACK")
    assert [name_addr(prack.headers.get("To") or "").tag for prack in (one, two)] == ["one", "two"]
    script.send(response(invite, 200, to_tag="two", body=b"answer"))
    assert [event.body for event in script.told(Answered)] == [b"answer"]


def test_a_trunk_that_requires_it_says_so_and_one_without_says_nothing() -> None:
    required, without = (
        Script(policy_of=lambda trunk, kind=kind: Policy(reliable=kind)) for kind in ("require", "off")
    )
    assert dial(required)[1].headers.get("Require") == "100rel"
    _, invite = dial(without)
    assert "100rel" not in (invite.headers.get("Supported") or "")
    assert without.send(early(invite, 7)) == []


def test_an_offer_that_comes_early_is_answered_in_the_prack() -> None:
    script = Script()
    session, invite = dial(script, body=b"")
    assert script.send(early(invite, 7, body=b"their offer")) == []
    assert script.told(Progressed) == [Progressed(session, 183, b"their offer", reliable=True, offers=True)]
    script.endpoint.answer_offer(session, b"our answer", now=0.0)
    assert first(script.collect(), "PRACK").body == b"our answer"
    assert first(script.send(response(invite, 200)), "ACK").body == b""
    assert script.told(Answered) == [Answered(session, b"")]


def test_an_offer_that_comes_with_the_answer_is_answered_in_the_ack() -> None:
    script = Script()
    session, invite = dial(script, body=b"")
    ok = response(invite, 200, body=b"their offer")
    assert script.send(ok) + script.send(ok) == []
    assert script.told(Answered) == [Answered(session, b"their offer", offers=True)]
    script.endpoint.answer_offer(session, b"our answer", now=0.0)
    ack = first(script.collect(), "ACK")
    assert (ack.body, ack.headers.get("Content-Type")) == (b"our answer", "application/sdp")
    assert script.send(ok) == [ack]


def test_whoever_hangs_up_before_answering_an_offer_acknowledges_first() -> None:
    script = Script()
    session, invite = dial(script, body=b"")
    script.send(response(invite, 200, body=b"their offer"))
    script.endpoint.finish(session, now=0.0)
    assert methods(script.collect()) == ["ACK", "BYE"]


def test_an_update_before_the_answer_needs_a_first_answer_that_both_know() -> None:
    script = Script()
    session, invite = dial(script)
    script.endpoint.update(session, b"hold", now=0.0)
    script.collect()
    assert [event.status for event in script.told(Reanswered)] == [405]
    script.send(response(invite, 183, headers=["Allow: UPDATE"], body=b"early"))
    script.endpoint.update(session, b"hold", now=0.0)
    script.collect()
    assert [event.status for event in script.told(Reanswered)] == [405, 491]
    script.send(response(first(script.send(early(invite, 7, body=b"early")), "PRACK"), 200))
    script.endpoint.update(session, b"hold", now=0.0)
    update = first(script.collect(), "UPDATE")
    script.send(response(update, 200, body=b"held"))
    assert script.told(Reanswered)[-1] == Reanswered(session, 200, b"held")


def test_their_update_before_the_answer_is_told_once_the_first_offer_is_answered() -> None:
    script = Script()
    _, invite = dial(script)
    ours = name_addr(invite.headers.get("From") or "").tag or ""
    call_id = invite.headers.get("Call-ID") or ""

    def update(cseq: int) -> list[int]:
        data = request("UPDATE", branch=f"z9hG4bKu{cseq}", cseq=cseq, call_id=call_id, to_tag=ours, body=b"offer")
        return statuses(script.send(data))

    script.send(response(invite, 180))
    assert update(1) == [491]
    script.send(response(first(script.send(early(invite, 7, body=b"early")), "PRACK"), 200))
    assert update(2) == []
    assert [event.method for event in script.told(Reoffered)] == ["UPDATE"]


@pytest.mark.parametrize(
    ("text", "found"),
    [("1 2 INVITE", RAck(1, 2, "INVITE")), ("1\t2  INVITE", RAck(1, 2, "INVITE")), ("", None), ("-1 2 INVITE", None)],
)
def test_a_rack_is_read_or_absent(text: str, found: RAck | None) -> None:
    assert read_rack(Headers((("RAck", text),))) == found


@pytest.mark.parametrize(
    ("rseq", "require", "found"),
    [("7", "100rel", 7), ("7", "timer", None), ("x", "100rel", None), ("7" * 11, "100rel", None), ("7", '"', None)],
)
def test_an_rseq_counts_only_where_it_is_required(rseq: str, require: str, found: int | None) -> None:
    assert read_rseq(Headers((("RSeq", rseq), ("Require", require)))) == found
