"""REFER both ways: headers, the implicit subscription, sipfrag (RFC 3515, RFC 5589, RFC 3420)."""

from __future__ import annotations

import pytest

from callactors.errors import MalformedMessage
from callactors.sip.events import Notified, ReferAnswered, ReferReceived
from callactors.sip.headers import Headers, name_addr
from callactors.sip.login import Account
from callactors.sip.message import Request
from callactors.sip.transfer import event_of, is_terminated, read_refer, read_sipfrag, refer_headers, sipfrag
from callactors.sip.uri import SipUri, TelUri
from callactors.testing.sip_script import PEER, SDP, Script, methods, request, response, statuses


def up(script: Script) -> tuple[int, str, str]:
    """A call we placed and the peer answered: session, our tag, Call-ID."""
    target = SipUri("sip", "x", None, "127.0.0.10")
    caller = name_addr("<sip:me@127.0.0.1>")
    login = Account("user", "secret")
    session = script.endpoint.invite(
        target, to=PEER, trunk="carrier", caller=caller, body=SDP, credentials=login, now=0.0
    )
    script.send(response(sent(script), 200))
    facts = script.endpoint.facts(session)
    return session, facts.local_tag, facts.sip_call_id


def sent(script: Script) -> Request:
    """The last request that left."""
    script.collect()
    return next(message for message, _ in reversed(script.outbox) if isinstance(message, Request))


def referred(script: Script) -> tuple[int, str, str]:
    session, tag, call_id = up(script)
    script.endpoint.refer(session, "sip:desk@127.0.0.10?Replaces=a%40b%3Bto-tag%3D1", "sip:me@127.0.0.1", now=0.0)
    return session, tag, call_id


def notify(tag: str, call_id: str, cseq: int, state: str, body: bytes, event: str = "refer") -> bytes:
    headers = [f"Event: {event}", f"Subscription-State: {state}", "Content-Type: message/sipfrag"]
    return request(
        "NOTIFY", branch=f"z9hG4bKn{cseq}", cseq=cseq, to_tag=tag, call_id=call_id, headers=headers, body=body
    )


def test_a_refer_names_the_target_in_brackets_and_who_asks() -> None:
    script = Script()
    referred(script)
    refer = sent(script)
    assert refer.headers.get("Refer-To") == "<sip:desk@127.0.0.10?Replaces=a%40b%3Bto-tag%3D1>"
    assert refer.headers.get("Referred-By") == "<sip:me@127.0.0.1>"


def test_who_asks_is_our_end_of_the_dialog_where_nobody_else_is_named() -> None:
    script = Script()
    session, _, _ = up(script)
    script.endpoint.refer(session, "sip:desk@127.0.0.10", now=0.0)
    assert sent(script).headers.get("Referred-By") == "<sip:me@127.0.0.1>"


def test_202_then_notifies_then_the_last_one_ends_the_subscription() -> None:
    script = Script()
    session, tag, call_id = referred(script)
    script.send(response(sent(script), 202))
    first = notify(tag, call_id, 2, "active;expires=60", b"SIP/2.0 100 Trying\r\n")
    assert statuses(script.send(first) + script.send(first)) == [200, 200]
    assert statuses(script.send(notify(tag, call_id, 3, "terminated;reason=noresource", b"SIP/2.0 200 OK"))) == [200]
    assert statuses(script.send(notify(tag, call_id, 4, "terminated", b"SIP/2.0 200 OK"))) == [481]
    assert script.told(ReferAnswered) == [ReferAnswered(session, 202)]
    assert script.told(Notified) == [Notified(session, 100, False), Notified(session, 200, True)]


def test_a_notify_may_overtake_the_202() -> None:
    script = Script()
    session, tag, call_id = referred(script)
    refer = sent(script)
    script.send(notify(tag, call_id, 2, "active", b"SIP/2.0 180 Ringing"))
    script.send(response(refer, 202))
    assert script.told(Notified) == [Notified(session, 180, False)]
    assert script.told(ReferAnswered) == [ReferAnswered(session, 202)]


def test_a_notify_after_their_bye_still_tells_how_it_went() -> None:
    script = Script()
    session, tag, call_id = referred(script)
    script.send(response(sent(script), 202))
    script.send(request("BYE", branch="z9hG4bKb", cseq=2, to_tag=tag, call_id=call_id))
    assert statuses(script.send(notify(tag, call_id, 3, "terminated", b"SIP/2.0 200 OK"))) == [200]
    assert script.told(Notified) == [Notified(session, 200, True)]


def test_a_notify_after_our_bye_gets_200_and_is_not_told() -> None:
    script = Script()
    session, tag, call_id = referred(script)
    script.send(response(sent(script), 202))
    script.endpoint.finish(session, now=0.0)
    assert statuses(script.send(notify(tag, call_id, 3, "terminated", b"SIP/2.0 200 OK"))) == [200]
    assert script.told(Notified) == []


def test_a_late_notify_of_an_earlier_refer_is_not_taken_for_the_second_ones() -> None:
    script = Script()
    session, tag, call_id = referred(script)
    script.send(response(sent(script), 202))
    script.endpoint.refer(session, "sip:desk@127.0.0.11", None, now=1.0)
    script.send(response(sent(script), 202))
    assert statuses(script.send(notify(tag, call_id, 2, "terminated", b"SIP/2.0 487 Gone"))) == [200]
    assert statuses(script.send(notify(tag, call_id, 3, "terminated", b"SIP/2.0 200 OK", "refer;id=3"))) == [200]
    assert script.told(Notified) == [Notified(session, 200, True)]


@pytest.mark.parametrize(("event", "status"), [("refer;id=99", 481), ("dialog", 489), ("", 489), ("refer;id=2", 200)])
def test_a_notify_of_another_subscription_is_refused(event: str, status: int) -> None:
    script = Script()
    _, tag, call_id = referred(script)
    assert statuses(script.send(notify(tag, call_id, 2, "active", b"", event))) == [status]


def test_a_notify_without_any_refer_gets_481() -> None:
    script = Script()
    _, tag, call_id = up(script)
    assert statuses(script.send(notify(tag, call_id, 2, "active", b"SIP/2.0 200 OK"))) == [481]


def test_a_refused_refer_has_no_subscription() -> None:
    script = Script()
    session, tag, call_id = referred(script)
    script.send(response(sent(script), 603))
    assert script.told(ReferAnswered) == [ReferAnswered(session, 603)]
    assert statuses(script.send(notify(tag, call_id, 2, "active", b""))) == [481]


def test_a_refer_nobody_answers_is_408() -> None:
    script = Script()
    session, _, _ = referred(script)
    script.wait(33)
    assert script.told(ReferAnswered) == [ReferAnswered(session, 408)]


def test_a_challenged_refer_is_known_by_its_second_number() -> None:
    script = Script()
    _, tag, call_id = referred(script)
    script.send(response(sent(script), 401, headers=['WWW-Authenticate: Digest realm="r", nonce="n"']))
    assert sent(script).headers.get("CSeq") == "3 REFER"
    assert statuses(script.send(notify(tag, call_id, 2, "active", b"", "refer;id=3"))) == [200]


def test_a_received_refer_is_told_answered_and_reported() -> None:
    script = Script()
    session, tag, call_id = up(script)
    headers = ["Refer-To: sip:human@127.0.0.10?Replaces=x%3Bfrom-tag%3D1", "Referred-By: <sip:boss@x.example>"]
    script.send(request("REFER", branch="z9hG4bKr", cseq=2, to_tag=tag, call_id=call_id, headers=headers))
    (told,) = script.told(ReferReceived)
    assert (told.replaces, told.referred_by) == ("x;from-tag=1", "sip:boss@x.example")
    script.endpoint.respond(session, told.request_id, 202, now=0.0)
    script.endpoint.notify(session, sipfrag(100, "Trying"), False, now=0.0)
    script.endpoint.notify(session, sipfrag(200, "OK"), True, now=0.0)
    accepted, first = script.collect()
    assert (statuses([accepted]), methods([first])) == ([202], ["NOTIFY"])
    assert isinstance(first, Request)
    (last,) = script.send(response(first, 200))
    assert last.headers.get("Subscription-State") == "terminated;reason=noresource"
    assert (last.headers.get("Event"), last.body) == ("refer", b"SIP/2.0 200 OK\r\n")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([], 400),
        (["Refer-To: <sip:a@b>, <sip:c@d>"], 400),
        (["Refer-To: <sip:a@b>", "Refer-To: <sip:c@d>"], 400),
        (["Refer-To: <http://x/>"], 416),
        (['Refer-To: "open <sip:a@b>'], 400),
    ],
)
def test_a_refer_to_nowhere_is_refused(headers: list[str], status: int) -> None:
    script = Script()
    _, tag, call_id = up(script)
    refer = request("REFER", branch="z9hG4bKr", cseq=2, to_tag=tag, call_id=call_id, headers=headers)
    assert statuses(script.send(refer)) == [status]
    assert script.told(ReferReceived) == []


def test_refer_headers_round_trip() -> None:
    wish = read_refer(Headers(tuple(refer_headers("tel:+15551234", "sip:me@here"))))
    assert isinstance(wish.uri, TelUri)
    assert (wish.uri.number, wish.replaces, wish.referred_by) == ("+15551234", None, "sip:me@here")
    with pytest.raises(MalformedMessage):
        read_refer(Headers())


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (sipfrag(486, "Busy Here"), 486),
        (b"SIP/2.0 200 OK\r\nContact: <sip:a@b>\r\n", 200),
        (b"\r\nsip/2.0 603\r\n", 603),
        (b"", None),
        (b"SIP/2.0 2000 OK", None),
        (b"SIP/2.0 099 X", None),
        (b"HTTP/1.1 200 OK", None),
        (b"\xff" * 300, None),
    ],
)
def test_a_sipfrag_tells_its_status_or_nothing(body: bytes, status: int | None) -> None:
    assert read_sipfrag(body) == status


def test_event_and_subscription_state_are_read_without_case() -> None:
    headers = Headers((("Event", "Refer ; ID=7"), ("Subscription-State", "Terminated ;reason=x")))
    assert event_of(headers) == ("refer", "7")
    assert is_terminated(headers)
