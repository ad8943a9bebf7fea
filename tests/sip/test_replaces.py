"""Replaces (RFC 3891): written for the peer of a dialog, and found among our own."""

from __future__ import annotations

import pytest

from callactors.errors import MalformedMessage
from callactors.sip.dialog import DialogId
from callactors.sip.events import Invited, ReferReceived
from callactors.sip.message import Message, Request
from callactors.sip.replaces import Replaces, parse_replaces, refer_to_replacing, replaces_text
from callactors.sip.transfer import read_refer
from callactors.testing.sip_script import (
    OTHER_TRUNK,
    PEER,
    POOL,
    SDP,
    Script,
    header,
    invited,
    request,
    statuses,
    tag_given,
    up,
)

OURS = DialogId("a@b", "ours", "theirs")


def replacing(text: str, *more: str) -> bytes:
    headers = [f"Replaces: {text}", *more]
    return request("INVITE", branch="z9hG4bKnew", call_id="new@peer", from_tag="new", headers=headers, body=SDP)


def test_the_text_is_written_for_the_other_end_and_read_as_ours() -> None:
    assert replaces_text(OURS) == "a@b;to-tag=theirs;from-tag=ours"
    assert parse_replaces("a@b;to-tag=ours;from-tag=theirs") == Replaces("a@b", "ours", "theirs")
    assert parse_replaces("a@b ;from-tag=x;to-tag=y;early-only").early_only


@pytest.mark.parametrize(
    "text", ["", ";to-tag=a;from-tag=b", "a@b;to-tag=a", "a@b;from-tag=b", "a@b;to-tag=;from-tag=b"]
)
def test_what_names_no_dialog_is_malformed(text: str) -> None:
    with pytest.raises(MalformedMessage):
        parse_replaces(text)


def test_a_refer_of_ours_carries_it_escaped_and_reads_back() -> None:
    script = Script()
    session, _ = up(script)
    script.endpoint.refer(session, "sip:human@127.0.0.10", None, OURS, now=0.0)
    (refer,) = [message for message in script.collect() if isinstance(message, Request)]
    assert "?Replaces=a%40b%3Bto-tag%3Dtheirs%3Bfrom-tag%3Dours>" in (header(refer, "Refer-To") or "")
    assert read_refer(refer.headers).replaces == "a@b;to-tag=theirs;from-tag=ours"
    assert refer_to_replacing("sip:x@y?Subject=z", OURS).startswith("sip:x@y?Subject=z&Replaces=")


def test_an_invite_that_replaces_a_call_of_ours_says_which() -> None:
    script = Script()
    session, tag = up(script)
    assert script.endpoint.dialog(session) == DialogId("call@peer", tag, "theirs")
    script.send(replacing(f"call@peer;to-tag={tag};from-tag=theirs"), POOL)
    assert script.told(Invited)[-1].replaces == session
    assert script.told(Invited)[0].replaces is None


@pytest.mark.parametrize(
    ("text", "source", "status"),
    [
        ("call@peer;to-tag={};from-tag=theirs", OTHER_TRUNK, 481),
        ("call@peer;to-tag={};from-tag=other", PEER, 481),
        ("other@peer;to-tag={};from-tag=theirs", PEER, 481),
        ("call@peer;to-tag={};from-tag=theirs;early-only", PEER, 486),
        ("call@peer", PEER, 400),
        ("call@peer;to-tag={};from-tag=theirs\r\nReplaces: x;to-tag=a;from-tag=b", PEER, 400),
    ],
)
def test_what_may_not_be_replaced_is_refused(text: str, source: object, status: int) -> None:
    script = Script()
    _, tag = up(script)
    sent: list[Message] = script.send(replacing(text.format(tag)), source)  # type: ignore[arg-type]  # a row
    assert statuses(sent) == [status]
    assert len(script.told(Invited)) == 1


def test_a_call_that_rings_here_cannot_be_replaced_and_one_that_is_over_is_declined() -> None:
    script = Script()
    session = invited(script)
    script.endpoint.ring(session, now=0.0)
    script.collect()
    text = f"call@peer;to-tag={tag_given(script)};from-tag=theirs"
    assert statuses(script.send(replacing(text))) == [481]
    gone, tag = up(Script())[0], ""
    other = Script()
    gone, tag = up(other)
    other.endpoint.finish(gone, now=0.0)
    other.collect()
    assert statuses(other.send(replacing(f"call@peer;to-tag={tag};from-tag=theirs"))) == [603]


@pytest.mark.parametrize("refused", ["false", "FALSE ;x=1"])
def test_a_refer_that_wants_no_reports_gets_none_and_is_told_so(refused: str) -> None:
    script = Script()
    session, tag = up(script)
    headers = ["Refer-To: <sip:a@b>", f"Refer-Sub: {refused}", "Require: norefersub"]
    script.send(request("REFER", branch="z9hG4bKr", cseq=2, to_tag=tag, headers=headers))
    (wish,) = script.told(ReferReceived)
    assert not wish.subscribe
    script.endpoint.respond(session, wish.request_id, 202, now=0.0)
    (accepted,) = script.collect()
    assert (statuses([accepted]), header(accepted, "Refer-Sub")) == ([202], "false")
    script.endpoint.notify(session, b"SIP/2.0 200 OK\r\n", True, now=0.0)
    assert script.collect() == []
