"""Transfers with real phones: attended between two baresips, a bridge when SIPp refuses the REFER, and the way back.

Everything is judged on the wire and in the record: who was referred where, who hears whom, what the caller is told.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import trio

from callactors.sip.address import Address
from tests.interop.softphone import softphone
from tests.interop.support import ROOT, Exchange, Program, free_port, sipp, until
from tests.interop.tap import tapping
from tests.interop.test_softphone import CALLER_TONE, DESK_TONE, audio_port, hears, media_ports, quiet, tone

CONFIG = """\
version: 1
listen: {{rtp: 34000-34999}}
trunks:
  loopback: {{from: [127.0.0.0/8], to: "sip:{desk}", hold: music}}
numbers:
  - {{match: "*", trunk: loopback, scenario: salon}}
directory:
  front_desk: {{sip: "sip:desk@{desk}", trunk: loopback}}
models:
  offline: {{kind: embedded}}
answer: {{when: at_once}}
timers: {{first_rtp: 60}}
"""


@contextmanager
def salon(exchange: Exchange, folder: Path, desk: Address, tries: str) -> Iterator[Program]:
    """The salon, with these ways to its front desk, and a caller's silence soon leading there."""
    shutil.copytree(ROOT / "agents", folder / "agents")
    (folder / "scenarios").mkdir()
    text = (ROOT / "scenarios" / "salon.yaml").read_text()
    text = text.replace("tries: [blind]", f"tries: [{tries}]").replace("[8, 8, handoff]", "[2, handoff]")
    (folder / "scenarios" / "salon.yaml").write_text(text)
    with exchange.run("--agents", str(folder / "agents"), config=CONFIG.format(desk=desk)) as program:
        yield program


async def test_an_attended_transfer_between_two_baresips(exchange: Exchange, tmp_path: Path) -> None:
    own, desk = Address("127.0.0.1", free_port()), Address("127.0.0.1", free_port())
    with salon(exchange, tmp_path, desk, "attended") as program:
        async with (
            tapping() as tap,
            softphone(tmp_path / "caller", "anna", tone(tmp_path, CALLER_TONE), sip=own) as phone,
            softphone(tmp_path / "desk", "desk", tone(tmp_path, DESK_TONE), sip=desk, answers=True) as person,
        ):
            await phone.order("dial", f"sip:salon@{program.sip}")
            await phone.wait_for("CALL_ESTABLISHED")
            await phone.order("sndcode", "0")
            await person.wait_for("CALL_ESTABLISHED", 2, seconds=30)
            await phone.wait_for("CALL_CLOSED", seconds=30)
            refer = tap.sip(b"REFER", to=own)[0]
            offered, answered = media_ports(tap, desk)
            await until(lambda: hears(tap, offered, DESK_TONE), 10, "the desk at the caller's ear")
            await until(lambda: hears(tap, answered, CALLER_TONE), 10, "the caller at the desk's ear")
            consult = tap.sip(b"INVITE", to=desk)[0]
    assert b"Replaces=" + call_id(consult.data).replace(b"@", b"%40") in refer.data
    [record] = await program.closed("anna")
    facts = program.call(record["call"])
    assert (facts["cause"], facts["outcome"]) == ("transferred", "handed_off")
    assert [(one["kind"], one["outcome"]) for one in facts["transfers"]] == [("attended", "completed")]


async def test_a_refer_that_gets_405_ends_in_a_bridge_to_the_desk(exchange: Exchange, tmp_path: Path) -> None:
    desk = Address("127.0.0.1", free_port())
    with salon(exchange, tmp_path, desk, "blind, bridged") as program:
        async with (
            tapping() as tap,
            softphone(tmp_path / "desk", "desk", tone(tmp_path, DESK_TONE), sip=desk, answers=True) as person,
        ):
            done = await sipp(tmp_path, program.sip, "-rtp_echo", scenario="refuses_to_be_referred")
            assert done.code == 0, done.errors
            await person.wait_for("CALL_CLOSED", seconds=10)
            caller = tap.sip(b"INVITE", to=program.sip)[0]
            assert hears(tap, audio_port(caller), DESK_TONE)
            assert hears(tap, media_ports(tap, desk)[1], DESK_TONE)  # SIPp gives back what it hears
    [record] = await program.closed("sipp")
    facts = program.call(record["call"])
    assert (facts["cause"], facts["outcome"]) == ("transferred", "handed_off")
    assert [(one["kind"], one["outcome"], one["sip_code"]) for one in facts["transfers"]] == [
        ("blind", "refused", 405),
        ("bridged", "completed", None),
    ]


async def test_a_transfer_that_fails_returns_the_caller_to_the_agent_who_says_so(
    exchange: Exchange, tmp_path: Path
) -> None:
    own, desk = Address("127.0.0.1", free_port()), Address("127.0.0.1", free_port())
    with salon(exchange, tmp_path, desk, "attended, bridged") as program:
        async with tapping() as tap, softphone(tmp_path / "caller", "anna", quiet(tmp_path), sip=own) as phone:
            await phone.order("dial", f"sip:salon@{program.sip}")
            await phone.wait_for("CALL_ESTABLISHED")
            await phone.order("sndcode", "0")
            await until(lambda: program.log("transfer_ended"), 30, "the end of the transfer")
            back = trio.current_time()
            port = audio_port(tap.sip(b"INVITE", to=program.sip)[0])
            await until(lambda: [at for at in tap.speech[port] if at > back], 10, "the agent's word")
            await phone.order("hangup")
            [record] = await program.closed("anna")
    facts = program.call(record["call"])
    assert [(one["kind"], one["outcome"]) for one in facts["transfers"]] == [("attended", "failed")]
    assert (facts["cause"], facts["outcome"]) == ("caller_hung_up", "none")


def call_id(message: bytes) -> bytes:
    lines = (line for line in message.split(b"\r\n") if line.lower().startswith(b"call-id:"))
    return next(lines).partition(b":")[2].strip()
