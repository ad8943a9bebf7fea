"""Registrations with a registrar on loopback: made, refreshed, moved to another hop, taken back at the end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from random import Random

import attrs
import pytest
import trio

from callactors.calls.registrar import Registrar
from callactors.config import Config, load
from callactors.net.sip_endpoint import SipEndpoint
from callactors.net.udp import UdpSocket
from callactors.sip import auth, responses
from callactors.sip.address import Hop
from callactors.sip.message import Request, parse, to_bytes
from callactors.sip.uri import SipUri

FILE = """\
version: 1
trunks:
  pbx:
    from: [127.0.0.0/8]
    to: sip:pbx.example
    auth: {user: "100", password: hush}
    register: {expires: 300}
numbers: [{match: "100", trunk: pbx, scenario: salon}]
models: {main: {kind: realtime, url: "ws://127.0.0.1:9/"}}
"""
Answer = Callable[[Request], tuple[int, tuple[tuple[str, str], ...]]]


def takes_all(request: Request) -> tuple[int, tuple[tuple[str, str], ...]]:
    return 200, (("Expires", request.headers.get("Expires") or ""),)


def wants_a_password(request: Request) -> tuple[int, tuple[tuple[str, str], ...]]:
    challenge = auth.Challenge("pbx", "nonce", "SHA-256")
    text = request.headers.get("Authorization")
    if text is None:
        return 401, (("WWW-Authenticate", str(challenge)),)
    credentials = auth.Credentials.parse(text)
    right = auth.verify(
        credentials, method="REGISTER", uri=request.uri, password="hush", realm="pbx", nonce="nonce"
    )  # fmt: skip
    return takes_all(request) if right else (403, ())


@attrs.define
class Desk:
    """A registrar: keeps what it was asked, answers as told."""

    socket: UdpSocket
    answer: Answer = takes_all
    asked: list[Request] = attrs.field(factory=list)

    @property
    def hop(self) -> Hop:
        return Hop(*self.socket.address)

    async def run(self) -> None:
        while True:
            for data, source in await self.socket.receive():
                request = parse(data)
                assert isinstance(request, Request)
                self.asked.append(request)
                status, headers = self.answer(request)
                if status:
                    self.socket.send(to_bytes(responses.response(request, status, tag="t", headers=headers)), source)

    def expires(self) -> list[str | None]:
        return [request.headers.get("Expires") for request in self.asked]


@attrs.define
class House:
    registrar: Registrar
    desks: list[Desk]
    told: list[tuple[str, dict[str, object]]]


@attrs.frozen
class Hops:
    found: list[Hop]

    async def hops(self, uri: SipUri) -> list[Hop]:
        await trio.lowlevel.checkpoint()
        return self.found


def config(text: str = FILE) -> Config:
    return load(text, "callactors.yaml", {})


@asynccontextmanager
async def house(*answers: Answer, file: str = FILE) -> AsyncIterator[House]:
    """A registrar of ours and one desk for each answer; leaving it takes the registrations back."""
    desks = [Desk(UdpSocket(f"127.0.0.{30 + n}", 0), answer) for n, answer in enumerate(answers)]
    endpoint = SipEndpoint(
        "127.0.0.1", 0, node="n", trunk_of=lambda hop: "pbx", on_invite=lambda invite: None, random=Random(1)
    )
    told: list[tuple[str, dict[str, object]]] = []
    registrar = Registrar(
        config(file), endpoint, Hops([desk.hop for desk in desks]), Random(1),
        lambda event, trunk, **facts: told.append((event, facts)),
    )  # fmt: skip
    async with trio.open_nursery() as services:
        await services.start(endpoint.run)
        for desk in desks:
            services.start_soon(desk.run)
        async with trio.open_nursery() as ours:
            await ours.start(registrar.run)
            yield House(registrar, desks, told)
            ours.cancel_scope.cancel()
        await endpoint.wait_settled()
        services.cancel_scope.cancel()
    for desk in desks:
        desk.socket.close()


async def test_it_registers_refreshes_and_takes_it_back(autojump_clock: trio.testing.MockClock) -> None:
    async with house(takes_all) as one:
        await trio.sleep(1 + 2 * 225)
    first, *_, last = one.desks[0].asked
    assert one.desks[0].expires() == ["300", "300", "300", "0"]
    assert {request.headers.get("Call-ID") for request in one.desks[0].asked} == {first.headers.get("Call-ID")}
    assert str(first.uri) == "sip:pbx.example"
    assert (first.headers.get("Contact") or "").startswith("<sip:100@127.0.0.1:")
    assert last.headers.get("CSeq") == "4 REGISTER"
    assert [event for event, _ in one.told] == ["registered"]


async def test_it_is_taken_back_under_a_new_number_while_a_refresh_waits(
    autojump_clock: trio.testing.MockClock,
) -> None:
    def takes_the_first(request: Request) -> tuple[int, tuple[tuple[str, str], ...]]:
        return takes_all(request) if request.headers.get("CSeq") == "1 REGISTER" else (0, ())

    async with house(takes_the_first) as one:
        await trio.sleep(226)
    asked = dict.fromkeys((r.headers.get("CSeq"), r.headers.get("Expires")) for r in one.desks[0].asked)
    assert list(asked) == [("1 REGISTER", "300"), ("2 REGISTER", "300"), ("3 REGISTER", "0")]


async def test_an_error_of_ours_is_a_failure_and_it_is_tried_again(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with house(takes_all) as one:
        await trio.sleep(1)
        with monkeypatch.context() as dns:
            dns.setattr(Hops, "hops", None)
            await trio.sleep(240)  # past the refresh
            assert one.desks[0].expires() == ["300"]
        await trio.sleep(60)
        assert one.desks[0].expires() == ["300", "300"]


async def test_it_answers_the_registrars_challenge_each_time(autojump_clock: trio.testing.MockClock) -> None:
    async with house(wants_a_password) as one:
        await trio.sleep(1)
        assert one.registrar.registrations["pbx"].state == "held"
    numbers = [int((request.headers.get("CSeq") or "").split()[0]) for request in one.desks[0].asked]
    assert numbers == [1, 2, 3, 4]
    assert one.desks[0].expires() == ["300", "300", "0", "0"]


async def test_a_wrong_password_is_told_once_and_tried_ever_more_rarely(autojump_clock: trio.testing.MockClock) -> None:
    refused = FILE.replace("password: hush", "password: guess")
    async with house(wants_a_password, file=refused) as one:
        await trio.sleep(3600)
    assert 8 <= len(one.desks[0].asked) / 2 <= 20
    assert one.told[0] == ("not_registered", {"status": 403, "hops": 1})
    assert len(one.told) <= 2
    assert "0" not in one.desks[0].expires()


async def test_a_dead_registrar_is_passed_over_and_the_one_that_took_us_is_asked_first(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with house(lambda request: (503, ()), takes_all) as one:
        await trio.sleep(226)
    assert [len(desk.asked) for desk in one.desks] == [1, 3]


async def test_a_silent_registrar_costs_its_timeout_and_then_the_next_is_asked(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with house(lambda request: (0, ()), takes_all) as one:
        await trio.sleep(33)
        assert one.registrar.registrations["pbx"].state == "held"


async def test_a_registration_that_is_lost_is_told_and_made_again(autojump_clock: trio.testing.MockClock) -> None:
    async with house(takes_all) as one:
        await trio.sleep(1)
        one.desks[0].answer = lambda request: (500, ())
        await trio.sleep(225)
        one.desks[0].answer = takes_all
        await trio.sleep(10)
    assert [event for event, _ in one.told] == ["registered", "not_registered", "registered"]


async def test_too_brief_an_interval_is_asked_for_longer_at_once(autojump_clock: trio.testing.MockClock) -> None:
    def strict(request: Request) -> tuple[int, tuple[tuple[str, str], ...]]:
        expires = request.headers.get("Expires")
        return (423, (("Min-Expires", "600"),)) if expires == "300" else takes_all(request)

    async with house(strict) as one:
        await trio.sleep(1)
    assert one.desks[0].expires() == ["300", "600", "0"]


async def test_registrar_and_user_may_differ_from_the_trunks_own(autojump_clock: trio.testing.MockClock) -> None:
    file = FILE.replace("register: {expires: 300}", 'register: {registrar: "sip:other.example", user: "7"}')
    async with house(takes_all, file=file) as one:
        await trio.sleep(1)
    asked = one.desks[0].asked[0]
    assert str(asked.uri) == "sip:other.example"
    assert asked.headers.get("To") == "<sip:7@other.example>"
