"""Session timers in both roles (RFC 4028): agreed in a 2xx, refreshed at half, ended a little before they are over."""

from __future__ import annotations

import pytest

from callactors.sip.events import Answered, Expired, Failed, HungUp, Invited, Reoffered
from callactors.sip.headers import Headers, name_addr
from callactors.sip.message import Message, Request
from callactors.sip.policy import Policy
from callactors.sip.session_interval import Interval, read_session_expires
from callactors.sip.uri import SipUri
from callactors.testing.sip_script import PEER, SDP, Script, header, methods, request, response, statuses, tag_given

TARGET = SipUri("sip", "+15551234", None, "127.0.0.10")
ME = name_addr("<sip:+15550000@127.0.0.1>")
UPDATES = "Allow: INVITE, UPDATE"


def wanting(seconds: int | None) -> Script:
    return Script(policy_of=lambda trunk: Policy(session_expires=seconds))


def first(messages: list[Message], method: str) -> Request:
    return next(m for m in messages if isinstance(m, Request) and m.method == method)


def placed(script: Script, *headers: str) -> int:
    """A call of ours the peer answered with these headers."""
    session = script.endpoint.invite(TARGET, to=PEER, trunk="carrier", caller=ME, body=SDP, now=script.now)
    script.send(response(first(script.collect(), "INVITE"), 200, headers=headers, body=b"answer"))
    return session


def taken(script: Script, *headers: str) -> tuple[int, Message]:
    """A call of theirs with these headers, up; our 200."""
    script.send(request("INVITE", headers=headers, body=SDP))
    session = script.told(Invited)[0].session
    script.endpoint.answer(session, SDP, now=script.now)
    (ok,) = script.collect()
    script.send(request("ACK", branch="z9hG4bKack", to_tag=tag_given(script)))
    return session, ok


def asked(message: Message) -> tuple[str | None, str | None]:
    return header(message, "Session-Expires"), header(message, "Require")


@pytest.mark.parametrize(
    ("ours", "headers", "said"),
    [
        (None, (), (None, None)),
        (None, ("Supported: timer",), (None, None)),
        (1800, (), (None, None)),
        (1800, ("Supported: timer",), ("1800;refresher=uas", None)),
        (1800, ("Supported: timer", "Min-SE: 2000"), ("2000;refresher=uas", None)),
        (None, ("Session-Expires: 600",), ("600;refresher=uas", None)),
        (None, ("Session-Expires: 600", "Supported: timer"), ("600;refresher=uac", "timer")),
        (None, ("x: 600;refresher=uas", "Supported: timer"), ("600;refresher=uas", None)),
        (None, ("x: 600;refresher=uac", "Supported: timer"), ("600;refresher=uac", "timer")),
        (300, ("x: 600;refresher=uac", "Supported: timer"), ("300;refresher=uac", "timer")),
        (300, ("x: 600", "Supported: timer", "Min-SE: 400"), ("400;refresher=uac", "timer")),
        (None, ("Session-Expires: soon", "Supported: timer"), (None, None)),
    ],
)
def test_what_a_200_of_ours_agrees_to(
    ours: int | None, headers: tuple[str, ...], said: tuple[str | None, str | None]
) -> None:
    assert asked(taken(wanting(ours), *headers)[1]) == said


def test_an_interval_that_is_too_small_is_422_with_what_would_do() -> None:
    script = Script()
    (refused,) = script.send(request("INVITE", headers=["Session-Expires: 60", "Supported: timer"], body=SDP))
    assert (statuses([refused]), header(refused, "Min-SE")) == ([422], "90")
    script.send(request("INVITE", branch="z9hG4bKold", call_id="old", headers=["Session-Expires: 60"], body=SDP))
    assert len(script.told(Invited)) == 1  # whoever cannot do timers is not told about them


def test_our_invite_is_raised_to_the_interval_a_422_asks_for() -> None:
    script = wanting(120)
    script.endpoint.invite(TARGET, to=PEER, trunk="carrier", caller=ME, body=SDP, now=0.0)
    invite = first(script.collect(), "INVITE")
    assert header(invite, "Session-Expires") == "120"
    again = first(script.send(response(invite, 422, headers=["Min-SE: 600"])), "INVITE")
    assert [header(again, name) for name in ("Session-Expires", "Min-SE", "Call-ID")] == [
        "600", "600", header(invite, "Call-ID"),
    ]  # fmt: skip
    assert script.told(Failed) == []


def test_a_peer_that_is_never_content_fails_the_call() -> None:
    script = wanting(120)
    script.endpoint.invite(TARGET, to=PEER, trunk="carrier", caller=ME, body=SDP, now=0.0)
    sent, tries = script.collect(), 0
    while "INVITE" in methods(sent):
        tries += 1
        sent = script.send(response(first(sent, "INVITE"), 422, headers=[f"Min-SE: {tries * 1000}"]))
    assert (tries, [event.status for event in script.told(Failed)]) == (4, [422])


def test_we_refresh_at_half_by_update_and_go_on_for_as_long_as_it_is_answered() -> None:
    script = wanting(200)
    session = placed(script, "Session-Expires: 200;refresher=uac", UPDATES)
    for _ in range(5):
        assert methods(script.wait(99.0)) == []
        update = first(script.wait(1.1), "UPDATE")
        assert (header(update, "Session-Expires"), update.body) == ("200;refresher=uac", b"")
        script.send(response(update, 200, headers=["Session-Expires: 200;refresher=uac"]))
    assert script.told(Expired) == []
    script.endpoint.finish(session, now=script.now)
    script.send(response(first(script.collect(), "BYE"), 200))
    assert methods(script.wait(500.0)) == []


def test_a_peer_without_update_is_refreshed_by_the_same_offer_again_and_nobody_hears_of_it() -> None:
    script = wanting(200)
    placed(script, "Session-Expires: 200;refresher=uac")
    events = len(script.events)
    invite = first(script.wait(101.0), "INVITE")
    assert invite.body == SDP
    headers = ["Session-Expires: 200;refresher=uac"]
    assert methods(script.send(response(invite, 200, headers=headers, body=b"answer"))) == ["ACK"]
    assert len(script.events) == events
    assert "INVITE" in methods(script.wait(101.0))


def test_an_update_that_is_no_method_there_becomes_an_invite() -> None:
    script = wanting(200)
    placed(script, "Session-Expires: 200;refresher=uac", UPDATES)
    update = first(script.wait(101.0), "UPDATE")
    assert first(script.send(response(update, 501)), "INVITE").body == SDP


def test_a_refused_refresh_is_tried_again_until_there_is_no_time() -> None:
    script = wanting(200)
    session = placed(script, "Session-Expires: 200;refresher=uac", UPDATES)
    sent, tries = script.wait(101.0), 0
    while "UPDATE" in methods(sent):
        tries += 1
        script.send(response(first(sent, "UPDATE"), 503))
        sent = script.wait(6.1)
    assert tries > 3
    assert script.told(Expired) == [Expired(session)]


def test_a_refresh_nobody_answers_ends_the_call_with_a_reason() -> None:
    script = wanting(200)
    session = placed(script, "Session-Expires: 200;refresher=uac", UPDATES)
    bye = first(script.wait(140.0), "BYE")
    assert header(bye, "Reason") == 'Q.850;cause=102;text="session expired"'
    assert script.told(Expired) == [Expired(session)]
    script.wait(60.0)
    assert script.endpoint.entries() == 0


def test_a_refresh_of_a_call_the_peer_has_forgotten_is_a_hang_up() -> None:
    script = wanting(200)
    session = placed(script, "Session-Expires: 200;refresher=uac", UPDATES)
    script.send(response(first(script.wait(101.0), "UPDATE"), 481))
    assert script.told(HungUp) == [HungUp(session, None, "481")]


def test_a_peer_that_does_not_refresh_is_hung_up_on_before_the_interval_is_over() -> None:
    script = Script()
    session, _ = taken(script, "Session-Expires: 600;refresher=uac", "Supported: timer")
    assert methods(script.wait(567.9)) == []
    assert first(script.wait(0.2), "BYE")
    assert script.told(Expired) == [Expired(session)]


@pytest.mark.parametrize("method", ["UPDATE", "INVITE"])
def test_a_refresh_of_theirs_starts_the_interval_again(method: str) -> None:
    script = Script()
    session, _ = taken(script, "Session-Expires: 600;refresher=uac", "Supported: timer")
    for number in range(2, 5):
        script.wait(300.0)
        headers = ["Session-Expires: 600;refresher=uac", "Supported: timer"]
        branch = f"z9hG4bKr{number}"
        body = SDP if method == "INVITE" else b""
        sent = script.send(
            request(method, branch=branch, cseq=number, to_tag=tag_given(script), headers=headers, body=body)
        )
        if method == "INVITE":
            offer = script.told(Reoffered)[-1]
            script.endpoint.respond(session, offer.request_id, 200, SDP, now=script.now)
            sent = script.collect()
            ack = request("ACK", branch=f"{branch}a", cseq=number, to_tag=tag_given(script))
            script.send(ack)
        assert asked(sent[-1]) == ("600;refresher=uac", "timer")
    assert script.told(Expired) == []


def test_a_peer_that_answers_without_an_interval_has_no_timer() -> None:
    script = wanting(200)
    placed(script, UPDATES)
    assert script.wait(1000.0) == []
    assert len(script.told(Answered)) == 1


def test_a_refresh_answered_without_an_interval_ends_the_timer_not_the_call() -> None:
    script = wanting(200)
    placed(script, "Session-Expires: 200;refresher=uac", UPDATES)
    script.send(response(first(script.wait(101.0), "UPDATE"), 200))
    assert methods(script.wait(1000.0)) == []


def test_a_peer_that_names_an_absurd_interval_does_not_make_us_send_without_end() -> None:
    script = wanting(200)
    placed(script, "Session-Expires: 1;refresher=uac", UPDATES)
    assert methods(script.wait(14.0)) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("1800", Interval(1800)),
        ("90 ; Refresher=UAC ;x", Interval(90, "uac")),
        ("90;refresher=me", Interval(90)),
        ("0", None),
        ("-5", None),
        ("", None),
        ("1" * 12, None),
        ("999999999", Interval(604_800)),
    ],
)
def test_a_session_expires_is_read_or_absent(text: str, found: Interval | None) -> None:
    assert read_session_expires(Headers((("x", text),))) == found
