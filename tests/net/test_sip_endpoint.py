"""The shell over real loopback sockets: two endpoints, trio's own clock."""

from __future__ import annotations

import random
import socket
from collections.abc import AsyncIterator

import pytest
import trio
import trio.testing

from callactors.net.sip_endpoint import SipEndpoint
from callactors.net.udp import UdpSocket
from callactors.sip.address import Hop
from callactors.sip.events import (
    Acked,
    Answered,
    Event,
    HungUp,
    InfoReceived,
    Invited,
    Notified,
    Pracked,
    Reanswered,
    ReferAnswered,
    ReferReceived,
    Reoffered,
    Replied,
    Trying,
)
from callactors.sip.headers import name_addr
from callactors.sip.uri import SipUri

ME = name_addr("<sip:alice@127.0.0.1>")


class Phone:
    """An endpoint that keeps what it is told."""

    def __init__(self, seed: int, advertise: str | None = None) -> None:
        self.told_in, self.told = trio.open_memory_channel[Event](100)
        self.taps: list[tuple[str, bytes]] = []
        self.sip = SipEndpoint(
            "127.0.0.1",
            0,
            node=f"n{seed}",
            trunk_of=lambda source: "loopback" if source.host.startswith("127.") else None,
            on_invite=self._invited,
            random=random.Random(seed),
            advertise=advertise,
            tap=lambda direction, data, peer: self.taps.append((direction, data)),
        )

    def _invited(self, event: Invited) -> None:
        self.told_in.send_nowait(event)
        self.sip.subscribe(event.session, self.told_in.send_nowait)

    def dial(self, peer: Phone) -> int:
        target = SipUri("sip", "desk", None, peer.sip.address.host, peer.sip.address.port)
        session = self.sip.invite(target, to=Hop(*peer.sip.address), trunk="loopback", caller=ME, body=b"offer")
        self.sip.subscribe(session, self.told_in.send_nowait)
        return session

    async def hear(self, kind: type[Event]) -> Event:
        with trio.fail_after(2):
            while True:
                event = await self.told.receive()
                if isinstance(event, kind):
                    return event


@pytest.fixture
async def phones() -> AsyncIterator[tuple[Phone, Phone]]:
    one, other = Phone(1), Phone(2)
    async with trio.open_nursery() as nursery:
        await nursery.start(one.sip.run)
        await nursery.start(other.sip.run)
        yield one, other
        nursery.cancel_scope.cancel()


async def test_a_call_over_real_sockets_is_answered_and_hung_up(phones: tuple[Phone, Phone]) -> None:
    caller, desk = phones
    session = caller.dial(desk)
    invited = await desk.hear(Invited)
    desk.sip.ring(invited.session)
    desk.sip.answer(invited.session, b"answer")
    assert await caller.hear(Answered) == Answered(session, b"answer")
    await desk.hear(Acked)
    desk.sip.finish(invited.session, q850=16, text="bye")
    assert await caller.hear(HungUp) == HungUp(session, 16, "bye")
    with trio.fail_after(2):
        await desk.sip.wait_settled()


async def test_hold_transfer_and_info_go_both_ways_over_real_sockets(phones: tuple[Phone, Phone]) -> None:
    caller, desk = phones
    session = caller.dial(desk)
    number = (await desk.hear(Invited)).session
    desk.sip.answer(number, b"answer")
    await desk.hear(Acked)
    desk.sip.reinvite(number, b"hold")
    offer = await caller.hear(Reoffered)
    assert isinstance(offer, Reoffered)
    caller.sip.respond(session, offer.request_id, 200, b"held")
    assert await desk.hear(Reanswered) == Reanswered(number, 200, b"held")
    desk.sip.refer(number, "sip:human@127.0.0.1")
    wish = await caller.hear(ReferReceived)
    assert isinstance(wish, ReferReceived)
    caller.sip.respond(session, wish.request_id, 202)
    caller.sip.notify(session, b"SIP/2.0 200 OK", True)
    assert await desk.hear(ReferAnswered) == ReferAnswered(number, 202)
    assert await desk.hear(Notified) == Notified(number, 200, True)


async def test_a_new_process_hangs_up_for_a_dead_one(phones: tuple[Phone, Phone]) -> None:
    caller, desk = phones
    session = caller.dial(desk)
    number = (await desk.hear(Invited)).session
    desk.sip.answer(number, b"answer")
    await caller.hear(Answered)
    facts = desk.sip.facts(number)
    reborn = Phone(9)
    reborn.sip.bye_orphan(facts, facts.cseq + 1000)
    assert await caller.hear(HungUp) == HungUp(session, None, None)
    assert reborn.sip.entries() == 2
    reborn.sip.close()


async def test_port_zero_becomes_the_real_port_in_address_and_via(phones: tuple[Phone, Phone]) -> None:
    caller, desk = phones
    caller.dial(desk)
    await desk.hear(Invited)
    assert caller.sip.address.port != 0
    assert f"127.0.0.1:{caller.sip.address.port};branch".encode() in caller.taps[0][1]


async def test_the_advertised_host_stands_in_via_and_contact() -> None:
    phone, peer = Phone(3, advertise="203.0.113.7"), Phone(4)
    phone.dial(peer)
    invite = phone.taps[0][1]
    assert b"Via: SIP/2.0/UDP 203.0.113.7:" in invite
    assert b"@203.0.113.7:" in invite
    phone.sip.close()
    peer.sip.close()


async def test_the_tap_sees_every_datagram_both_ways(phones: tuple[Phone, Phone]) -> None:
    caller, desk = phones
    session = caller.dial(desk)
    desk.sip.reject((await desk.hear(Invited)).session, 486)
    await trio.testing.wait_all_tasks_blocked(0.02)
    assert [data for way, data in caller.taps if way == "out"] == [data for way, data in desk.taps if way == "in"]
    assert session


async def test_events_before_a_subscription_wait_for_it(phones: tuple[Phone, Phone]) -> None:
    caller, desk = phones
    target = SipUri("sip", "desk", None, *desk.sip.address)
    session = caller.sip.invite(target, to=Hop(*desk.sip.address), trunk="loopback", caller=ME, body=b"offer")
    desk.sip.answer((await desk.hear(Invited)).session, b"late")
    await desk.hear(Acked)
    caller.sip.subscribe(session, caller.told_in.send_nowait)
    assert await caller.hear(Answered) == Answered(session, b"late")


async def test_early_media_update_info_and_questions_go_over_the_wire(phones: tuple[Phone, Phone]) -> None:
    caller, desk = phones
    session = caller.dial(desk)
    number = (await desk.hear(Invited)).session
    desk.sip.ring(number, 183, b"early", reliable=True)
    await desk.hear(Pracked)
    caller.sip.update(session, b"moved before the answer")
    offer = await desk.hear(Reoffered)
    assert isinstance(offer, Reoffered)
    assert (offer.method, offer.body) == ("UPDATE", b"moved before the answer")
    desk.sip.respond(number, offer.request_id, 200, b"fine")
    assert await caller.hear(Reanswered) == Reanswered(session, 200, b"fine")
    desk.sip.answer(number, b"early")
    await desk.hear(Acked)
    assert desk.sip.dialog(number).call_id == caller.sip.dialog(session).call_id
    caller.sip.info(session, "application/dtmf", b"5")
    told = await desk.hear(InfoReceived)
    assert isinstance(told, InfoReceived)
    assert told.body == b"5"


async def test_an_offer_in_the_answer_is_answered_in_the_ack(phones: tuple[Phone, Phone]) -> None:
    caller, desk = phones
    target = SipUri("sip", "desk", None, *desk.sip.address)
    session = caller.sip.invite(target, to=Hop(*desk.sip.address), trunk="loopback", caller=ME, body=b"")
    caller.sip.subscribe(session, caller.told_in.send_nowait)
    desk.sip.answer((await desk.hear(Invited)).session, b"your offer")
    assert await caller.hear(Answered) == Answered(session, b"your offer", offers=True)
    caller.sip.answer_offer(session, b"my answer")
    acked = await desk.hear(Acked)
    assert isinstance(acked, Acked)
    assert acked.body == b"my answer"


async def test_a_question_outside_any_call_has_its_answer(phones: tuple[Phone, Phone]) -> None:
    caller, desk = phones
    hop = Hop(*desk.sip.address)
    asked = caller.sip.ask("OPTIONS", SipUri("sip", None, None, *desk.sip.address), to=hop, trunk="loopback", caller=ME)
    caller.sip.subscribe(asked, caller.told_in.send_nowait)
    reply = await caller.hear(Replied)
    assert isinstance(reply, Replied)
    assert (reply.status, "INVITE" in (reply.headers.get("Allow") or "")) == (200, True)
    assert str(caller.sip.address) in caller.sip.contact(hop)


async def test_a_subscriber_that_is_gone_costs_one_count_and_no_other_call(phones: tuple[Phone, Phone]) -> None:
    caller, desk = phones
    session = caller.dial(desk)
    invited = await desk.hear(Invited)
    await caller.hear(Trying)
    gone, _ = trio.open_memory_channel[Event](1)
    gone.close()
    caller.sip.subscribe(session, gone.send_nowait)
    desk.sip.answer(invited.session, b"")
    await desk.hear(Acked)
    assert caller.sip.counters()["undelivered"] == 1


async def test_garbage_and_strangers_leave_the_endpoint_serving(phones: tuple[Phone, Phone]) -> None:
    caller, desk = phones
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as rude:
        for data in (b"", b"\0", b"abc", b"\r\n\r\n", b"A" * 65_507, b"\x80\x00" + bytes(170)):
            rude.sendto(data, desk.sip.address)
    caller.dial(desk)
    await desk.hear(Invited)
    assert desk.sip.counters()["not_sip"] == 4


async def test_a_retransmission_leaves_when_the_virtual_clock_says_so(autojump_clock: trio.testing.MockClock) -> None:
    phone = Phone(5)
    async with trio.open_nursery() as nursery:
        await nursery.start(phone.sip.run)
        silent = Phone(6)
        phone.dial(silent)
        await trio.sleep(1.6)
        assert len(phone.taps) == 3
        silent.sip.close()
        nursery.cancel_scope.cancel()


async def test_a_send_that_cannot_be_is_counted_and_never_raises() -> None:
    udp = UdpSocket("127.0.0.1", 0)
    for host, port in (("no.such.host", 5060), ("127.0.0.1", 0), ("127.0.0.1", 70_000), ("::1", 5060)):
        udp.send(b"x", Hop(host, port))
    assert udp.counters["unroutable"] == 4
    udp.close()
    udp.close()


async def test_a_verb_after_the_socket_is_closed_is_harmless(phones: tuple[Phone, Phone]) -> None:
    phone, peer = Phone(7), Phone(8)
    session = phone.dial(peer)
    phone.sip.close()
    phone.sip.finish(session)
    peer.sip.close()


async def test_a_taken_port_raises_at_once() -> None:
    first = UdpSocket("127.0.0.1", 0)
    with pytest.raises(OSError, match="in use"):
        UdpSocket(*first.address)
    first.close()
