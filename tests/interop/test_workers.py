"""`run --workers 2`, seen from its callers: one public port, two processes, and what becomes of whom when one dies."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import urllib.request
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from itertools import pairwise
from pathlib import Path

import attrs
import pytest
import trio

from callactors.net.udp import UdpSocket
from callactors.sip.address import Address
from callactors.testing.certificate import Authority
from callactors.testing.manners import Manners
from callactors.testing.phone_call import PhoneCall
from callactors.testing.scripted_model import Peer, ScriptedModel
from callactors.testing.stream_wire import stream_wire
from callactors.testing.user_agent import NotAnswered, UserAgent, user_agent
from tests.interop.proxy import kamailio
from tests.interop.support import CARRIER, Exchange, Program, free_port, sipp, until

HOST = "127.0.0.1"
PROXY = "127.0.0.41"
NAMED = "127.0.0.22"  # a trunk that shows a certificate
NARROW = "127.0.0.20"  # a trunk of three channels
CALLS = 40
LIMIT = 6
TOLD = 2.0  # seconds until every caller of a dead worker has its BYE
REPLACED = 3.0  # seconds until another answers in its place
HOUSE = """\
version: 1
node: a1
listen: {{rtp: 36000-36999, sip: [{{udp: "{sip}"}}, {{tcp: "{sip}"}}{listener}]}}
trunks:
  carrier: {{from: [127.0.0.1/32, 127.0.0.10/31, 127.0.0.41/32]}}
  narrow: {{from: [127.0.0.20/32], channels: 3}}
{trunk}
numbers:
  - {{match: "*", trunk: carrier, scenario: salon}}
  - {{match: "*", trunk: narrow, scenario: salon}}
{number}
directory:
  front_desk: {{sip: "sip:desk@127.0.0.1:5070", trunk: carrier}}
models:
  main: {{kind: realtime, url: "ws://127.0.0.1:{model}/v1/realtime"}}
answer: {{when: at_once}}
timers: {{drain: 5, first_rtp: 60}}
limits: {{lag_ms: off, cpu: off, {limits}}}
"""
LISTENER = """, {{tls: "{tls}", cert: "{cert}", key: "{cert}", ca: "{ca}"}}"""
NAMED_TRUNK = """  named: {{from: [127.0.0.22/32], tls: {{ca: "{ca}", identity: [sbc.example]}}}}"""
NAMED_NUMBER = """  - {match: "*", trunk: named, scenario: salon}"""
CARRIER_TO_REGISTER_WITH = """\
  home:
    from: [127.0.0.30/32]
    to: "sip:{address}"
    auth: {{user: us, password: pw}}
    register: {{}}
    probe: {{every: 1}}
"""


@pytest.fixture(scope="module")
def model_port() -> Iterator[int]:
    """Kept for us: nobody else is given it meanwhile."""
    with socket.socket() as kept:
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        kept.bind((HOST, 0))
        yield kept.getsockname()[1]


@attrs.frozen
class Secure:
    """Where the pair listens for TLS, and who issues certificates."""

    address: Address
    authority: Authority


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Secure:
    return Secure(Address(HOST, free_port()), Authority(tmp_path_factory.mktemp("authority")))


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory, phrases: Path, model_port: int, secure: Secure) -> Iterator[Program]:
    """A house of two workers with room for LIMIT calls."""
    authority, tls = secure.authority, str(secure.address)
    config = house(
        model_port,
        f"calls: {LIMIT}",
        LISTENER.format(tls=tls, cert=authority.issue(HOST), ca=authority.ca),
        NAMED_TRUNK.format(ca=authority.ca),
        NAMED_NUMBER,
    )
    with Exchange(tmp_path_factory.mktemp("pair"), phrases).run("--workers", "2", config=config, sip="") as program:
        yield program


def house(model_port: int, limits: str = "", listener: str = "", trunk: str = "", number: str = "") -> str:
    sip = Address(HOST, free_port())
    return HOUSE.format(model=model_port, limits=limits, sip=sip, listener=listener, trunk=trunk, number=number)


@asynccontextmanager
async def listening_model(port: int) -> AsyncIterator[ScriptedModel]:
    """One that listens and has nothing to say."""

    async def script(peer: Peer) -> None:
        await peer.greet()
        await peer.stay()

    model = ScriptedModel(script)
    async with trio.open_nursery() as nursery:
        await nursery.start(lambda task_status: model.serve(port=port, task_status=task_status))
        yield model
        nursery.cancel_scope.cancel()


async def place(phone: UserAgent, program: Program, count: int) -> list[PhoneCall]:
    """That many calls at once; those that were answered."""
    answered: list[PhoneCall] = []

    async def one() -> None:
        with suppress(NotAnswered):
            answered.append(await phone.dial(f"sip:anyone@{program.sip}"))

    async with trio.open_nursery() as nursery:
        for _ in range(count):
            nursery.start_soon(one)
    return answered


def worker_of(call: PhoneCall) -> int:
    """As our peer's tag says."""
    assert isinstance(call.agent, UserAgent)
    found = re.match(r"a1\.(\d)-", call.agent.endpoint.dialog(call.session).remote_tag)
    assert found is not None
    return int(found[1])


def pids(program: Program, worker: int) -> list[int]:
    """Of every process that has been this worker, in order."""
    lines = program.log("worker.ready")
    return [int(found[1]) for line in lines if (found := re.search(rf" worker={worker} pid=(\d+)", line))]


def ports(program: Program) -> list[int]:
    """The workers' own."""
    found = (re.search(r" worker=(\d) .*sip=\S+?:(\d+)", line) for line in program.log("worker.ready"))
    return [port for _, port in sorted({(int(one[1]), int(one[2])) for one in found if one is not None})]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_a_worker_killed_under_forty_calls_costs_its_callers_a_bye_and_the_others_nothing(
    exchange: Exchange, model_port: int
) -> None:
    with exchange.run("--workers", "2", config=house(model_port), sip="") as program, program.before_others():
        async with listening_model(model_port), user_agent(HOST, manners=Manners(rtp=False)) as phone:
            calls = await place(phone, program, CALLS)
            mine = {call: worker_of(call) for call in calls}
            assert all(abs(count - CALLS / 2) <= 2 for count in Counter(mine.values()).values())
            dead = [call for call, worker in mine.items() if worker == 0]
            living = [call for call, worker in mine.items() if worker == 1]
            await until(lambda: all(len(call.line.heard) > 50 for call in calls), what="everybody to hear us")
            before = trio.current_time()  # forty calls that come at once may make each other late
            await until(lambda: all(len(call.line.heard) > 100 for call in calls), what="everybody to hear more")
            killed = trio.current_time()
            [pid] = pids(program, 0)
            os.kill(pid, signal.SIGKILL)
            with trio.fail_after(TOLD):
                for call in dead:
                    await call.wait_ended()
            assert {call.ended_by for call in dead} == {"them"}
            await until(lambda: len(pids(program, 0)) == 2, REPLACED, "another worker 0")
            again = await phone.dial(f"sip:anyone@{program.sip}")
            assert trio.current_time() - killed < REPLACED
            assert worker_of(again) == 0
            records = await until(lambda: closed(program, len(dead)), 5, "the dead worker's records")
            assert {(one["cause"], one["ended_by"], one["sip_code"]) for one in records} == {("crash", "us", 200)}
            assert not any(call.ended.is_set() for call in living)
            assert not any(missing(call, before) for call in living)
            heard = sum(len(call.line.heard) for call in living)
            assert sum(skipped(call, before) for call in living) < 0.01 * heard


def closed(program: Program, count: int) -> list[dict[str, object]] | None:
    found = [one for one in program.calls() if one["ended"] is not None]
    return found if len(found) == count else None


def missing(call: PhoneCall, since: float) -> int:
    """Packets that never came."""
    numbers = [heard.packet.sequence for heard in call.line.heard if heard.at >= since]
    return sum((later - earlier - 1) % 65_536 for earlier, later in pairwise(numbers))


def skipped(call: PhoneCall, since: float) -> int:
    """Frames their sender was too late for: it says so by the timestamps."""
    stamps = [heard.packet.timestamp for heard in call.line.heard if heard.at >= since]
    return sum(max(0, (later - earlier) // 160 - 1) for earlier, later in pairwise(stamps) if later > earlier)


async def test_a_parent_that_is_killed_takes_its_workers_with_it_and_every_caller_gets_a_bye(
    exchange: Exchange, model_port: int
) -> None:
    with exchange.run("--workers", "2", config=house(model_port), sip="") as program:
        async with listening_model(model_port), user_agent(HOST) as phone:
            calls = await place(phone, program, 4)
            workers = [*pids(program, 0), *pids(program, 1)]
            program.signal(signal.SIGKILL)
            assert await program.exit_code() == -signal.SIGKILL
            with trio.fail_after(3):
                for call in calls:
                    await call.wait_ended()
            await until(lambda: not any(map(alive, workers)), 5, "the workers to be gone")


async def test_sigterm_drains_every_worker_and_the_parent_ends_with_0(exchange: Exchange, model_port: int) -> None:
    with exchange.run("--workers", "2", config=house(model_port), sip="") as program:
        async with listening_model(model_port), user_agent(HOST) as phone:
            calls = await place(phone, program, 2)
            assert {worker_of(call) for call in calls} == {0, 1}
            program.signal(signal.SIGTERM)
            await until(lambda: program.log("draining"), 2, "the drain")
            assert await place(phone, program, 1) == []
            for call in calls:
                assert not call.ended.is_set()
                call.hang_up()
            assert await program.exit_code(5) == 0
            causes = Counter(one["cause"] for one in program.calls())
            assert causes == {"caller_hung_up": 2, "overload": 1}


async def test_a_second_sigterm_hangs_up_in_every_worker_at_once(exchange: Exchange, model_port: int) -> None:
    with exchange.run("--workers", "2", config=house(model_port), sip="") as program:
        async with listening_model(model_port), user_agent(HOST) as phone:
            calls = await place(phone, program, 4)
            program.signal(signal.SIGTERM)
            await until(lambda: program.log("draining"), 2, "the drain")
            program.signal(signal.SIGTERM)
            assert await program.exit_code(6) == 0
            with trio.fail_after(1):
                for call in calls:
                    await call.wait_ended()
            assert {call.ended_by for call in calls} == {"them"}
            assert {(one["cause"], one["ended_by"]) for one in program.calls()} == {("drained", "us")}


async def test_limits_hold_over_all_workers_to_the_call(pair: Program, model_port: int) -> None:
    async with listening_model(model_port), user_agent(HOST) as phone, user_agent(NARROW) as narrow:
        few = await place(narrow, pair, 8)
        assert len(few) == 3
        many = await place(phone, pair, 10)
        assert len(many) == LIMIT - 3
        assert {worker_of(call) for call in [*few, *many]} == {0, 1}
        many[0].hang_up()
        await until(lambda: readyz(pair) == (200, {"status": "ready", "calls": LIMIT - 1, "reason": ""}), 3, "room")
        [another] = await place(phone, pair, 1)
        told = await until(lambda: full(pair), 3, "the house to be full")
        assert told == (503, {"status": "busy", "calls": LIMIT, "reason": f"limits.calls is {LIMIT}"})
        assert "SIP/2.0 503" in await options(pair.sip)
        for call in [*few, *many, another]:
            call.hang_up()
        await until(lambda: readyz(pair) == (200, {"status": "ready", "calls": 0, "reason": ""}), 5, "all to leave")


def readyz(program: Program) -> tuple[int, dict[str, object]]:
    with socket.create_connection(program.web) as web:
        web.sendall(f"GET /readyz HTTP/1.0\r\nHost: {program.web}\r\n\r\n".encode())
        with web.makefile("rb") as answer:
            whole = answer.read().decode()
    head, _, body = whole.partition("\r\n\r\n")
    return int(head.split()[1]), json.loads(body)


def full(program: Program) -> tuple[int, dict[str, object]] | None:
    found = readyz(program)
    return found if found[0] == 503 else None


async def test_the_public_port_and_every_worker_answer_options(pair: Program) -> None:
    for port in [pair.sip.port, *ports(pair)]:
        assert "SIP/2.0 200" in await options(Address(HOST, port))


async def options(to: Address) -> str:
    """What sipsak's OPTIONS is answered."""
    done = await trio.run_process(
        ["sipsak", "-v", "-s", f"sip:anyone@{to}"], capture_stdout=True, stderr=subprocess.STDOUT, check=False
    )
    return done.stdout.decode()


async def test_callers_who_send_everything_to_the_public_port_are_understood(
    pair: Program, model_port: int, tmp_path: Path
) -> None:
    async with listening_model(model_port):
        done = await sipp(
            tmp_path, pair.sip, "-key", "caller", "bythebook", "-d", "300", "-r", "10",
            scenario="talks_and_hangs_up", host=CARRIER, calls=6,
        )  # fmt: skip
        assert done.code == 0, done.errors
        records = await pair.closed("bythebook", 6)
        assert {one["node"] for one in records} == {"a1.0", "a1.1"}
        assert {one["cause"] for one in records} == {"caller_hung_up"}


async def test_a_dispatcher_in_front_may_go_to_the_workers_own_ports(
    pair: Program, model_port: int, tmp_path: Path
) -> None:
    proxy, targets = Address(PROXY, free_port(PROXY)), tmp_path / "targets"
    await trio.Path(targets).write_text("".join(f"1 sip:{HOST}:{port}\n" for port in ports(pair)))
    async with listening_model(model_port), kamailio(tmp_path, "dispatcher", proxy, targets=targets):
        done = await sipp(
            tmp_path, proxy, "-key", "caller", "dispatched", "-d", "300", "-r", "10",
            scenario="talks_through_proxies", host=CARRIER, calls=6,
        )  # fmt: skip
        assert done.code == 0, done.errors
        records = await pair.closed("dispatched", 6)
        assert Counter((one["node"], one["cause"]) for one in records) == {
            ("a1.0", "caller_hung_up"): 3,
            ("a1.1", "caller_hung_up"): 3,
        }


async def test_a_house_registers_once_with_its_public_port_and_probes_once(exchange: Exchange, model_port: int) -> None:
    carrier = UdpSocket("127.0.0.30", 0)
    trunk = CARRIER_TO_REGISTER_WITH.format(address=carrier.address)
    config = house(model_port, trunk=trunk)
    asked: list[bytes] = []
    with exchange.run("--workers", "2", config=config, sip="") as program, trio.move_on_after(1.5):
        while True:
            asked += [data for data, _ in await carrier.receive()]
    carrier.close()
    registers = [one for one in asked if one.startswith(b"REGISTER")]
    probes = [one for one in asked if one.startswith(b"OPTIONS")]
    assert said(rb"Contact: <sip:\w+@[\d.]+:(\d+)", registers) == {b"%d" % program.sip.port}
    for kind in (registers, probes):
        assert len(said(rb"Call-ID: (\S+)", kind)) == 1


def said(pattern: bytes, messages: list[bytes]) -> set[bytes]:
    return {found[1] for one in messages if (found := re.search(pattern, one)) is not None}


async def test_a_call_over_tcp_is_held_by_a_worker_and_carried_by_the_parent(pair: Program, model_port: int) -> None:
    async with listening_model(model_port), user_agent(HOST, wire=stream_wire(HOST), transport="tcp") as phone:
        call = await phone.dial(f"sip:anyone@{pair.sip};transport=tcp")
        await talks_and_leaves(call, pair)


async def test_a_trunk_is_known_to_workers_by_the_certificate_that_the_parent_has_seen(
    pair: Program, model_port: int, secure: Secure
) -> None:
    wire = stream_wire(NAMED, "tls", certificate=secure.authority.issue("sbc.example", NAMED), ca=secure.authority.ca)
    async with listening_model(model_port), user_agent(NAMED, wire=wire, transport="tls") as phone:
        call = await phone.dial(f"sip:anyone@{secure.address};transport=tls")
        await talks_and_leaves(call, pair)


async def talks_and_leaves(call: PhoneCall, program: Program) -> None:
    await until(lambda: len(call.line.heard) > 10, 5, "to hear us")
    assert await call.hold() == 200
    call.hang_up()
    await until(lambda: readyz(program)[1]["calls"] == 0, 5, "the worker to have got the BYE")


def test_metrics_name_the_worker_of_every_sample(pair: Program) -> None:
    with urllib.request.urlopen(f"http://{pair.web}/metrics") as answer:
        page = answer.read().decode()
    assert 'callactors_workers_ready{worker="parent"} 2.0' in page
    samples = [line for line in page.splitlines() if not line.startswith("#")]
    assert {found[1] for line in samples if (found := re.search(r'worker="(\w+)"', line))} == {"parent", "0", "1"}
    assert all('worker="' in line for line in samples)
