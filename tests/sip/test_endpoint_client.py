"""What the endpoint says when it calls: INVITE, ACK, CANCEL, forks, challenges, glare, orphans."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from callactors.errors import DialogGone, MalformedMessage, UnsafeText
from callactors.sip.address import Address, Hop
from callactors.sip.auth import Challenge, Credentials, verify
from callactors.sip.events import Answered, Failed, Gone, HungUp, Progressed, Reanswered, Reoffered
from callactors.sip.headers import name_addr, vias
from callactors.sip.login import Account
from callactors.sip.message import Message, Request
from callactors.sip.uri import SipUri
from callactors.testing.sip_script import OTHER_TRUNK, PEER, POOL, SDP, STRANGER, Script, methods, request, response

TARGET = SipUri("sip", "+15551234", None, "127.0.0.10")
ME = name_addr('"Salon" <sip:+15550000@127.0.0.1>')
LOGIN = Account("user", "secret")


def dial(script: Script, credentials: Account | None = None) -> tuple[int, Request]:
    session = script.endpoint.invite(
        TARGET, to=PEER, trunk="carrier", caller=ME, body=SDP, credentials=credentials, now=script.now
    )
    return session, only(script.collect(), "INVITE")


def only(messages: list[Message], method: str) -> Request:
    (found,) = [m for m in messages if isinstance(m, Request) and m.method == method]
    return found


def up(script: Script, credentials: Account | None = None) -> tuple[int, Request, str]:
    """A call the peer answered: session, our INVITE, our tag."""
    session, invite = dial(script, credentials)
    script.send(response(invite, 200, body=b"answer"))
    return session, invite, name_addr(invite.headers.get("From") or "").tag or ""


def branch(message: Message) -> str:
    return vias(message.headers)[0].branch or ""


def test_an_invite_carries_what_rfc_3261_asks_for() -> None:
    _, invite = dial(Script())
    assert branch(invite).startswith("z9hG4bK")
    assert vias(invite.headers)[0].wants_rport
    assert name_addr(invite.headers.get("From") or "").display == "Salon"
    assert {"Max-Forwards", "Contact", "Call-ID", "Content-Type", "Allow"} <= {name for name, _ in invite.headers.items}


def test_every_request_has_a_branch_of_its_own() -> None:
    script = Script()
    branches = {branch(dial(script)[1]) for _ in range(50)}
    assert len(branches) == 50


def test_progress_is_told_once_and_100_never() -> None:
    script = Script()
    session, invite = dial(script)
    for status in (100, 180, 180, 183, 180):
        script.send(response(invite, status))
    assert script.told(Progressed) == [Progressed(session, 180, b""), Progressed(session, 183, b"")]


def test_each_200_gets_the_same_ack_on_a_new_branch_and_is_told_once() -> None:
    script = Script()
    session, invite = dial(script)
    routes = ["Record-Route: <sip:127.0.0.11;lr>", "Record-Route: <sip:127.0.0.10;lr>"]
    ok = response(invite, 200, body=b"answer", headers=routes)
    first, second = only(script.send(ok), "ACK"), only(script.send(ok), "ACK")
    assert first == second
    assert branch(first) != branch(invite)
    assert first.headers.all("Route") == ("<sip:127.0.0.10;lr>", "<sip:127.0.0.11;lr>")
    assert str(first.uri) == "sip:phone@127.0.0.10:5060"
    assert script.told(Answered) == [Answered(session, b"answer")]


def test_a_refusal_gets_an_ack_on_the_same_branch_each_time_and_is_told_once() -> None:
    script = Script()
    session, invite = dial(script)
    busy = response(invite, 486, headers=["Reason: Q.850;cause=17"])
    for _ in range(2):
        ack = only(script.send(busy), "ACK")
        assert branch(ack) == branch(invite)
        assert name_addr(ack.headers.get("To") or "").tag == "theirs"
    assert script.told(Failed) == [Failed(session, 486, 17, "Whatever")]


def test_silence_is_408_after_timer_b_and_the_table_forgets() -> None:
    script = Script()
    session, _ = dial(script)
    assert methods(script.wait(32.5)) == ["INVITE"] * 6
    assert script.told(Failed) == [Failed(session, 408, None, "")]
    script.wait(37)
    assert (script.endpoint.entries(), script.events[-1]) == (0, Gone(session))


def test_ringing_for_ever_ends_after_three_minutes() -> None:
    script = Script()
    session, invite = dial(script)
    script.send(response(invite, 180))
    assert "CANCEL" in methods(script.wait(181))
    assert script.told(Failed) == [Failed(session, 408, None, "")]


def test_finish_cancels_only_after_a_provisional() -> None:
    script = Script()
    session, invite = dial(script)
    script.endpoint.finish(session, q850=16, now=0.0)
    assert script.collect() == []
    cancel = only(script.send(response(invite, 180)), "CANCEL")
    assert branch(cancel) == branch(invite)
    assert cancel.headers.get("CSeq") == "1 CANCEL"
    assert cancel.headers.get("Reason") == "Q.850;cause=16"
    script.send(response(cancel, 200))
    assert methods(script.send(response(invite, 487))) == ["ACK"]
    assert script.told(Failed) == []


def test_a_200_that_overtakes_our_cancel_gets_ack_and_bye() -> None:
    script = Script()
    session, invite = dial(script)
    script.send(response(invite, 180))
    script.endpoint.finish(session, now=0.0)
    assert methods(script.collect()) == ["CANCEL"]
    assert methods(script.send(response(invite, 200))) == ["ACK", "BYE"]
    assert script.told(Answered) == []


def test_a_second_phone_that_answers_gets_ack_and_bye() -> None:
    script = Script()
    _, invite, _ = up(script)
    other = response(invite, 200, to_tag="fork")
    ack, bye = script.send(other)
    assert [name_addr(m.headers.get("To") or "").tag for m in (ack, bye)] == ["fork", "fork"]
    assert methods(script.send(other)) == ["ACK"]


@pytest.mark.parametrize(("source", "taken"), [(PEER, True), (POOL, True), (OTHER_TRUNK, False), (STRANGER, False)])
def test_a_response_counts_only_from_the_trunk_it_was_asked_of(source: object, taken: bool) -> None:
    script = Script()
    _, invite = dial(script)
    script.send(response(invite, 200), source)  # type: ignore[arg-type]  # parametrize knows no types
    assert bool(script.told(Answered)) == taken


def test_a_peer_we_dialled_may_hang_up_even_if_no_list_has_it() -> None:
    script = Script(trunk_of=lambda host: None)
    session, _, tag = up(script)
    bye = request("BYE", from_tag="theirs", to_tag=tag, call_id=script.endpoint.facts(session).sip_call_id)
    assert len(script.send(bye)) == 1
    assert len(script.told(HungUp)) == 1


CHALLENGE = 'WWW-Authenticate: Digest realm="carrier", nonce="n1", qop="auth", algorithm={}'
FOUND = [CHALLENGE.format("SHA-256"), CHALLENGE.format("MD5"), CHALLENGE.format("NEW-512")]


def credentials_of(message: Request) -> Credentials:
    return Credentials.parse(message.headers.get("Authorization") or "")


def test_a_challenge_is_answered_once_with_the_strongest_algorithm() -> None:
    script = Script()
    session, invite = dial(script, LOGIN)
    ack, again = script.send(response(invite, 401, headers=FOUND))
    assert methods([ack]) == ["ACK"]
    assert isinstance(again, Request)
    given = credentials_of(again)
    assert (given.algorithm, again.headers.get("CSeq"), branch(again) != branch(invite)) == (
        "SHA-256",
        "2 INVITE",
        True,
    )
    assert verify(given, method="INVITE", uri=again.uri, password="secret", realm="carrier", nonce="n1")
    assert methods(script.send(response(again, 401, headers=FOUND))) == ["ACK"]
    assert script.told(Failed) == [Failed(session, 401, None, "Whatever")]


def test_a_stale_nonce_is_renewed_once() -> None:
    script = Script()
    _, invite = dial(script, LOGIN)
    stale = ['WWW-Authenticate: Digest realm="carrier", nonce="n2", qop="auth", algorithm=MD5, stale=true']
    again = only(script.send(response(invite, 401, headers=FOUND)), "INVITE")
    third = only(script.send(response(again, 401, headers=stale)), "INVITE")
    assert (credentials_of(third).nonce, credentials_of(third).nc) == ("n2", 1)
    assert methods(script.send(response(third, 401, headers=stale))) == ["ACK"]


def test_the_count_of_a_nonce_grows_and_the_ack_carries_the_invites_credentials() -> None:
    script = Script()
    session, invite = dial(script, LOGIN)
    again = only(script.send(response(invite, 401, headers=FOUND)), "INVITE")
    ack = only(script.send(response(again, 200)), "ACK")
    assert ack.headers.get("Authorization") == again.headers.get("Authorization")
    script.endpoint.finish(session, now=0.0)
    assert credentials_of(only(script.collect(), "BYE")).nc == 2


@pytest.mark.parametrize("status", [401, 407])
def test_a_challenged_bye_is_sent_again_with_credentials(status: int) -> None:
    script = Script()
    session, _, _ = up(script, LOGIN)
    script.endpoint.finish(session, now=0.0)
    bye = only(script.collect(), "BYE")
    name = "WWW-Authenticate" if status == 401 else "Proxy-Authenticate"
    challenge = Challenge("carrier", "n", "MD5")
    again = only(script.send(response(bye, status, headers=[f"{name}: {challenge}"])), "BYE")
    assert again.headers.get("Authorization" if status == 401 else "Proxy-Authorization")
    assert script.send(response(again, 200)) == []


def test_a_session_without_credentials_answers_no_challenge() -> None:
    script = Script()
    session, _, _ = up(script)
    script.endpoint.finish(session, now=0.0)
    assert script.send(response(only(script.collect(), "BYE"), 401, headers=FOUND)) == []


def test_another_realm_gets_no_digest() -> None:
    script = Script()
    session, invite = dial(script, LOGIN)
    again = only(script.send(response(invite, 401, headers=FOUND)), "INVITE")
    script.send(response(again, 200))
    script.endpoint.finish(session, now=0.0)
    bye = only(script.collect(), "BYE")
    assert script.send(response(bye, 401, headers=['WWW-Authenticate: Digest realm="evil", nonce="x"'])) == []


def test_a_malformed_challenge_is_a_refusal() -> None:
    script = Script()
    session, invite = dial(script, LOGIN)
    script.send(response(invite, 401, headers=["WWW-Authenticate: Digest realm"]))
    assert script.told(Failed) == [Failed(session, 401, None, "Whatever")]


def test_a_reinvite_is_answered_acknowledged_and_told() -> None:
    script = Script()
    session, _, _ = up(script)
    script.endpoint.reinvite(session, b"hold", now=0.0)
    again = only(script.collect(), "INVITE")
    ok = response(again, 200, body=b"held")
    assert methods(script.send(ok) + script.send(ok)) == ["ACK", "ACK"]
    assert script.told(Reanswered) == [Reanswered(session, 200, b"held")]


def test_a_refused_reinvite_leaves_the_call_up() -> None:
    script = Script()
    session, _, _ = up(script)
    script.endpoint.reinvite(session, b"hold", now=0.0)
    script.send(response(only(script.collect(), "INVITE"), 488))
    assert script.told(Reanswered) == [Reanswered(session, 488, b"")]
    script.endpoint.finish(session, now=0.0)
    assert methods(script.collect()) == ["BYE"]


def test_glare_is_tried_again_after_the_callers_longer_wait() -> None:
    script = Script()
    session, _, _ = up(script)
    script.endpoint.reinvite(session, b"hold", now=0.0)
    script.send(response(only(script.collect(), "INVITE"), 491))
    assert methods(script.wait(2.0)) == []
    again = next(m for m in script.wait(2.0) if isinstance(m, Request))
    script.send(response(again, 200))
    assert script.told(Reanswered) == [Reanswered(session, 200, b"")]


def test_a_481_inside_the_dialog_is_a_hang_up() -> None:
    script = Script()
    session, _, _ = up(script)
    script.endpoint.reinvite(session, b"hold", now=0.0)
    script.send(response(only(script.collect(), "INVITE"), 481))
    assert script.told(HungUp) == [HungUp(session, None, "481")]


def test_an_offer_of_theirs_reaches_a_session_we_opened() -> None:
    script = Script()
    session, _, tag = up(script)
    call_id = script.endpoint.facts(session).sip_call_id
    script.send(request("INVITE", branch="z9hG4bKre", to_tag=tag, call_id=call_id, body=b"theirs"))
    assert [event.body for event in script.told(Reoffered)] == [b"theirs"]


def test_the_bye_of_a_dead_process_answers_its_carriers_challenge() -> None:
    script = Script()
    session, _, _ = up(script)
    facts = script.endpoint.facts(session)
    reborn = Script()
    reborn.endpoint.bye_orphan(facts, 1001, {"carrier": LOGIN}.get, now=0.0)
    bye = only(reborn.collect(), "BYE")
    again = only(reborn.send(response(bye, 401, headers=FOUND)), "BYE")
    assert credentials_of(again).user == "user"


def test_the_facts_of_a_dead_process_are_enough_for_its_bye() -> None:
    script = Script()
    session, _, _ = up(script)
    facts = script.endpoint.facts(session)
    reborn = Script()
    reborn.endpoint.bye_orphan(facts, facts.cseq + 1000, now=0.0)
    bye = only(reborn.collect(), "BYE")
    assert bye.headers.get("CSeq") == "1001 BYE"
    assert (bye.headers.get("Call-ID"), str(bye.uri)) == (facts.sip_call_id, facts.remote_target)
    assert [name_addr(bye.headers.get(name) or "").tag for name in ("From", "To")] == [
        facts.local_tag,
        facts.remote_tag,
    ]
    reborn.send(response(bye, 200))
    reborn.wait(37)
    assert reborn.endpoint.entries() == 0


@pytest.mark.parametrize("change", [{"remote_address": "nowhere"}, {"remote_target": "no uri"}, {"route_set": ("<",)}])
def test_broken_facts_are_refused(change: dict[str, object]) -> None:
    script = Script()
    session, _, _ = up(script)
    facts = msgspec.structs.replace(script.endpoint.facts(session), **change)
    with pytest.raises(MalformedMessage):
        script.endpoint.bye_orphan(facts, 1, now=0.0)


def test_a_header_that_would_end_its_line_never_leaves() -> None:
    script = Script()
    with pytest.raises(UnsafeText):
        script.endpoint.invite(
            TARGET, to=PEER, trunk="carrier", caller=ME, body=b"", headers=[("X-Note", "a\r\nB: c")], now=0.0
        )
    assert (script.collect(), script.endpoint.entries()) == ([], 0)


def test_verbs_for_nobody_do_nothing() -> None:
    endpoint = Script().endpoint
    endpoint.ring(99, now=0.0)
    endpoint.answer(99, b"", now=0.0)
    endpoint.reject(99, 486, now=0.0)
    endpoint.reinvite(99, b"", now=0.0)
    endpoint.respond(99, 1, 200, now=0.0)
    endpoint.refer(99, "sip:x@y", now=0.0)
    endpoint.notify(99, b"", True, now=0.0)
    endpoint.finish(99, now=0.0)
    assert (endpoint.datagrams(), endpoint.entries()) == ([], 0)
    with pytest.raises(DialogGone):
        endpoint.facts(99)


def test_a_challenged_reinvite_is_sent_again_with_credentials() -> None:
    script = Script()
    session, _, _ = up(script, LOGIN)
    script.endpoint.reinvite(session, b"hold", now=0.0)
    hold = only(script.collect(), "INVITE")
    again = only(
        script.send(response(hold, 407, headers=['Proxy-Authenticate: Digest realm="r", nonce="n"'])), "INVITE"
    )
    assert again.headers.get("Proxy-Authorization")
    assert methods(script.send(response(again, 200))) == ["ACK"]
    assert script.told(Reanswered) == [Reanswered(session, 200, b"")]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda ok: ok.replace(b";tag=theirs", b""),
        lambda ok: ok.replace(b"CSeq: 1 INVITE\r\n", b""),
        lambda ok: ok.replace(b"Via: ", b"Via: SIP/2.0/UDP 127.0.0.99;branch=z9hG4bKx\r\nVia: "),
        lambda ok: ok.replace(b"z9hG4bK", b"z9hG4bX"),
        lambda ok: ok.replace(b"CSeq: 1 INVITE", b"CSeq: 1 BYE"),
        lambda ok: ok.replace(b"Contact: <sip:", b"Contact: <sip"),
    ],
)
def test_a_200_that_cannot_be_ours_changes_nothing(spoil: Callable[[bytes], bytes]) -> None:
    script = Script()
    _, invite = dial(script)
    ok = response(invite, 200)
    assert script.send(spoil(ok)) == []
    assert script.told(Answered) == []
    assert methods(script.send(ok)) == ["ACK"]


def test_finish_while_our_own_offer_is_out_sends_bye_and_still_acknowledges() -> None:
    script = Script()
    session, _, _ = up(script)
    script.endpoint.reinvite(session, b"hold", now=0.0)
    hold = only(script.collect(), "INVITE")
    script.endpoint.finish(session, now=0.0)
    assert methods(script.collect()) == ["BYE"]
    assert methods(script.send(response(hold, 200))) == ["ACK"]
    assert script.told(Reanswered) == []


def test_ipv6_addresses_are_bracketed_wherever_they_stand() -> None:
    us, them = Address("::1", 5060), Hop("::2", 5070)
    script = Script(local=us, trunk_of=lambda source: {"::2": "carrier"}.get(source.host))
    session = script.endpoint.invite(
        SipUri("sip", "x", None, "::2", 5070), to=them, trunk="carrier", caller=ME, body=b"", now=0.0
    )
    invite = only(script.collect(), "INVITE")
    assert (str(invite.uri), invite.headers.get("Contact")) == ("sip:x@[::2]:5070", "<sip:callactors@[::1]:5060>")
    script.send(response(invite, 200), them)
    facts = script.endpoint.facts(session)
    assert facts.remote_address == "[::2]:5070"
    reborn = Script(local=us, trunk_of=lambda source: {"::2": "carrier"}.get(source.host))
    reborn.endpoint.bye_orphan(facts, 9, now=0.0)
    assert methods(reborn.collect()) == ["BYE"]
    assert reborn.outbox[0][1] == them
