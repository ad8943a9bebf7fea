"""Questions outside any call: REGISTER and OPTIONS, their challenges, and silence."""

from __future__ import annotations

import pytest

from callactors.errors import UnsafeText
from callactors.sip.auth import Challenge, Credentials, verify
from callactors.sip.events import Gone, Replied
from callactors.sip.headers import cseq, name_addr, vias
from callactors.sip.login import Account
from callactors.sip.message import Message, Request
from callactors.sip.uri import SipUri
from callactors.testing.sip_script import PEER, STRANGER, Script, header, methods, response

REGISTRAR = SipUri("sip", None, None, "127.0.0.10")
ME = name_addr("<sip:desk@127.0.0.10>")
CHALLENGE = "WWW-Authenticate: Digest " + str(Challenge("r", "n", "SHA-256", ("auth",))).partition(" ")[2]


def only(messages: list[Message]) -> Request:
    (found,) = [message for message in messages if isinstance(message, Request)]
    return found


def register(
    script: Script, *, credentials: Account | None = None, call_id: str = "", cseq: int = 1
) -> tuple[int, Request]:
    asked = script.endpoint.ask(
        "REGISTER", REGISTRAR, to=PEER, trunk="carrier", caller=ME, callee=ME, credentials=credentials,
        headers=[("Contact", script.endpoint.contact(PEER)), ("Expires", "300")], call_id=call_id, cseq=cseq,
        now=script.now,
    )  # fmt: skip
    return asked, only(script.collect())


def test_a_registration_says_who_where_and_for_how_long() -> None:
    script = Script()
    asked, request = register(script)
    assert (request.method, str(request.uri)) == ("REGISTER", "sip:127.0.0.10")
    assert (header(request, "To"), header(request, "Expires")) == ("<sip:desk@127.0.0.10>", "300")
    assert header(request, "Contact") == "<sip:callactors@127.0.0.1:5060>"
    script.send(response(request, 200, headers=["Contact: <sip:callactors@127.0.0.1:5060>;expires=60"]))
    (reply,) = script.told(Replied)
    assert (reply.session, reply.status, reply.cseq) == (asked, 200, 1)
    assert reply.headers.get("Contact") == "<sip:callactors@127.0.0.1:5060>;expires=60"
    assert script.events[-1] == Gone(asked)
    script.wait(40.0)
    assert script.endpoint.entries() == 0


def test_an_account_of_one_realm_answers_no_other() -> None:
    script = Script()
    _, request = register(script, credentials=Account("desk", "secret", "home"))
    assert methods(script.send(response(request, 401, headers=[CHALLENGE]))) == []
    assert [event.status for event in script.told(Replied)] == [401]


def test_an_account_shows_no_password() -> None:
    assert "secret" not in f"{Account('desk', 'secret')} {Account('desk', 'secret')!r}"


def test_a_challenge_is_answered_once_under_the_next_number() -> None:
    script = Script()
    _, request = register(script, credentials=Account("desk", "secret"))
    again = only(script.send(response(request, 401, headers=[CHALLENGE])))
    given = Credentials.parse(header(again, "Authorization") or "")
    assert verify(given, method="REGISTER", uri=REGISTRAR, password="secret", realm="r", nonce="n")
    assert cseq(again.headers).number == 2
    assert header(again, "Call-ID") == header(request, "Call-ID")
    assert vias(again.headers)[0].branch != vias(request.headers)[0].branch
    assert methods(script.send(response(again, 401, headers=[CHALLENGE]))) == []
    assert [(reply.status, reply.cseq) for reply in script.told(Replied)] == [(401, 2)]


def test_without_credentials_a_challenge_is_the_answer() -> None:
    script = Script()
    _, request = register(script)
    assert script.send(response(request, 401, headers=[CHALLENGE])) == []
    assert [reply.status for reply in script.told(Replied)] == [401]


def test_a_refresh_keeps_its_call_id_and_counts_on() -> None:
    script = Script()
    _, request = register(script, call_id="mine@here", cseq=7)
    assert (header(request, "Call-ID"), header(request, "CSeq")) == ("mine@here", "7 REGISTER")


def test_silence_is_408_and_an_unreachable_hop_503() -> None:
    script = Script()
    register(script)
    script.wait(33.0)
    register(script)
    script.endpoint.unreachable(PEER, script.now)
    script.collect()
    assert [(reply.status, reply.unreachable) for reply in script.told(Replied)] == [(408, False), (503, True)]


def test_a_question_that_does_not_matter_any_more_tells_only_that_it_is_gone() -> None:
    script = Script()
    asked, request = register(script)
    script.endpoint.finish(asked, now=0.0)
    assert script.send(response(request, 200)) == []
    assert script.events == [Gone(asked)]


def test_only_whom_we_ask_is_heard_and_only_while_we_ask() -> None:
    script = Script(trunk_of=lambda source: None)
    _, request = register(script)
    script.send(response(request, 200), STRANGER)
    assert script.told(Replied) == []
    script.send(response(request, 200))
    script.send(response(request, 200))
    assert len(script.told(Replied)) == 1
    assert script.endpoint.counters()["strangers"] == 2


def test_a_header_that_would_be_two_lines_is_not_asked() -> None:
    script = Script()
    with pytest.raises(UnsafeText):
        script.endpoint.ask(
            "OPTIONS", REGISTRAR, to=PEER, trunk="carrier", caller=ME, headers=[("X", "a\r\nB: c")], now=0.0
        )
    assert (script.collect(), script.endpoint.entries()) == ([], 0)
