"""Two real carriers on loopback, the first of which fails in every way there is: whose phone rings, what is kept."""

from __future__ import annotations

import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from callactors.net.wires import Listener, Wires
from callactors.routing.rules import Order
from callactors.sip.address import Address
from callactors.testing.calling_out import HOSTS, NUMBER, ROUTES, CallingOut, calling_out, tones
from callactors.testing.calls import Facts, House, Mind, open_house, until
from callactors.testing.dns_server import dns_server
from callactors.testing.manners import Manners
from callactors.testing.phone_call import PhoneCall
from callactors.testing.user_agent import UserAgent, user_agent

DEADLINE = 60.0  # timers.setup_total


async def talk(phone: PhoneCall) -> None:
    """The callee picks up, hears the greeting, hangs up."""
    phone.pick_up()
    await until(lambda: tones(phone))
    phone.hang_up()


async def by_b(out: CallingOut) -> Facts:
    """A call that carrier b completes; its record."""
    with trio.fail_after(DEADLINE):
        await out.place()
        await talk(await out.b.next_call())
    return await out.record()


def tried(record: Facts) -> list[tuple[str, int | None]]:
    return [(one["trunk"], one["sip_code"]) for one in record["attempts"]]


@pytest.mark.parametrize(
    ("manners", "status"),
    [
        (Manners(invite=503), 503),
        (Manners(invite=500), 500),
        (Manners(invite=480), 480),
        (Manners(invite=486, reason="Q.850;cause=34"), 486),
        (Manners(invite=503, rings=3, reason='Q.850;cause=38;text="network out of order"'), 503),
        (Manners(invite="silence"), None),
        (Manners(invite="trying"), None),
    ],
)
async def test_a_carrier_that_fails_is_followed_by_the_next(
    manners: Manners, status: int | None, autojump_clock: object, tmp_path: Path
) -> None:
    async with calling_out(tmp_path, manners) as out:
        record = await by_b(out)
    assert tried(record) == [("a", status), ("b", 200)]
    assert record["attempts"][0]["answered"] is None
    assert record["cause"] == "callee_hung_up"


async def test_a_carrier_that_answers_and_sends_no_rtp_is_left_for_the_next(
    autojump_clock: object, tmp_path: Path
) -> None:
    async with calling_out(tmp_path, Manners(invite=200, rings=1, rtp=False)) as out:
        record = await by_b(out)
    assert tried(record) == [("a", 200), ("b", 200)]
    assert record["attempts"][0]["reason"] == "rtp_silence"


@pytest.mark.parametrize(
    ("manners", "cause"),
    [
        (Manners(invite=486), "busy"),
        (Manners(invite=600), "busy"),
        (Manners(invite=603), "declined"),
        (Manners(invite=480, rings=2), "not_answered"),
        (Manners(invite=408, rings=2), "not_answered"),
        (Manners(invite=487, rings=2), "not_answered"),
        (Manners(invite=503, rings=2), "not_answered"),
        (Manners(invite=503, reason="Q.850;cause=17"), "busy"),
        (Manners(invite=404), "refused"),
    ],
)
async def test_a_persons_answer_never_makes_another_phone_ring(
    manners: Manners, cause: str, autojump_clock: object, tmp_path: Path
) -> None:
    async with calling_out(tmp_path, manners) as out:
        await out.place()
        record = await out.record()
        assert out.b.messages == []
    assert record["cause"] == cause
    assert tried(record) == [("a", manners.invite)]


async def test_a_phone_that_rings_unanswered_is_cancelled_and_no_other_rings(
    autojump_clock: object, tmp_path: Path
) -> None:
    async with calling_out(tmp_path) as out:
        await out.place()
        phone = await out.a.next_call()
        await phone.wait_ended()
        record = await out.record()
        assert out.b.messages == []
    assert (record["cause"], phone.ended_by) == ("not_answered", "them")
    assert 29 < (record["attempts"][0]["ended"] - record["attempts"][0]["rang"]) / 1000 < 32


async def test_early_media_is_no_reason_to_stop_while_only_the_agent_hears_it(
    autojump_clock: object, tmp_path: Path
) -> None:
    manners = Manners(invite=503, rings=2, early=True, reason="Q.850;cause=41")
    async with calling_out(tmp_path, manners) as out:
        record = await by_b(out)
    assert tried(record) == [("a", 503), ("b", 200)]


# -- where carriers are names, and connections -----------------------------------------------------------------------


@asynccontextmanager
async def carriers(
    data: Path, to_a: str, b: UserAgent, more: str = "", wire: Wires | None = None, keys: str = ""
) -> AsyncIterator[House]:
    """A house whose trunk a is at `to_a`; `keys` are more keys of it, after a comma."""
    a = f'  a: {{from: [127.0.0.41/32, 127.0.0.43/32], to: "{to_a}"{keys}}}'
    trunks = f'{a}\n  b: {{from: [127.0.0.42/32], to: "sip:{b.address}"}}'
    async with open_house(data, Mind(), more=ROUTES + more, trunks=trunks, wire=wire) as house:
        yield house


async def reached(house: House, phone: UserAgent) -> Facts:
    with trio.fail_after(DEADLINE):
        await house.switchboard.place(Order(number=NUMBER, scenario="salon"))
        await talk(await phone.next_call())
    return await house.record()


async def test_a_dead_first_srv_target_costs_four_seconds_and_not_the_call(
    autojump_clock: object, tmp_path: Path
) -> None:
    async with (
        user_agent(HOSTS["a"], name="a", manners=Manners(invite="silence")) as dead,
        user_agent("127.0.0.43", name="alive") as alive,
        user_agent(HOSTS["b"], name="b") as b,
    ):
        zone = {
            "_sip._udp.a.example SRV": [
                f"10 0 {dead.address.port} one.a.example.",
                f"20 0 {alive.address.port} two.a.example.",
            ],
            "one.a.example A": ["127.0.0.41"],
            "two.a.example A": ["127.0.0.43"],
        }
        async with (
            dns_server(zone) as (_, server),
            carriers(tmp_path, "sip:a.example", b, f'dns: ["{server}"]\n') as house,
        ):
            record = await reached(house, alive)
        assert b.messages == []
    assert tried(record) == [("a", None), ("a", 200)]


async def test_a_carrier_nobody_can_find_in_dns_is_followed_by_the_next(autojump_clock: object, tmp_path: Path) -> None:
    async with (
        user_agent(HOSTS["b"], name="b") as b,
        dns_server({}) as (_, server),
        carriers(tmp_path, "sip:gone.example", b, f'dns: ["{server}"]\n') as house,
    ):
        record = await reached(house, b)
    assert tried(record) == [("a", None), ("b", 200)]
    assert record["attempts"][0]["reason"] == "its address cannot be found"


async def test_a_name_server_that_says_nothing_leaves_time_for_the_next_carrier(
    autojump_clock: object, tmp_path: Path
) -> None:
    async with (
        user_agent(HOSTS["b"], name="b") as b,
        dns_server({}) as (server, address),
        carriers(tmp_path, "sip:a.example", b, f'dns: ["{address}"]\n') as house,
    ):
        server.silent = True
        record = await reached(house, b)
    assert tried(record) == [("a", None), ("b", 200)]


async def test_a_carrier_that_resets_our_connection_is_followed_by_the_next(
    autojump_clock: object, tmp_path: Path
) -> None:
    wire = Wires([Listener("udp", Address("127.0.0.1", 0)), Listener("tcp", Address("127.0.0.1", 0))])
    async with user_agent(HOSTS["b"], name="b") as b, trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host=HOSTS["a"])
        nursery.start_soon(trio.serve_listeners, reset, [listener])
        to = f"sip:{HOSTS['a']}:{listener.socket.getsockname()[1]};transport=tcp"
        async with carriers(tmp_path, to, b, wire=wire) as house:
            record = await reached(house, b)
        nursery.cancel_scope.cancel()
    assert tried(record) == [("a", None), ("b", 200)]


async def test_a_port_where_nobody_listens_is_known_at_once(autojump_clock: object, tmp_path: Path) -> None:
    async with (
        user_agent(HOSTS["b"], name="b") as b,
        carriers(tmp_path, "sip:127.0.0.41:9", b) as house,
    ):
        record = await reached(house, b)
    assert tried(record) == [("a", None), ("b", 200)]


async def test_the_channels_in_use_are_the_calls_that_go_on(autojump_clock: object, tmp_path: Path) -> None:
    async with (
        user_agent(HOSTS["a"], name="a") as a,
        user_agent(HOSTS["b"], name="b") as b,
        carriers(tmp_path, f"sip:{a.address}", b, keys=", channels: 1") as house,
    ):
        order = Order(number=NUMBER, scenario="salon")
        await house.switchboard.place(order)
        first = await a.next_call()
        first.pick_up()
        await trio.sleep(0.001)  # ids of one millisecond sort as they like
        await house.switchboard.place(order)
        await talk(await b.next_call())
        first.hang_up()
        await house.record(1)
        await house.switchboard.place(order)
        await talk(await a.next_call())
        records = [await house.record(n) for n in range(3)]
    assert [tried(record) for record in records] == [[("a", 200)], [("a", None), ("b", 200)], [("a", 200)]]


async def reset(stream: trio.SocketStream) -> None:
    """Take the INVITE, and answer with a TCP reset."""
    await stream.receive_some(100)
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    stream.socket.close()
