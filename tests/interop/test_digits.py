"""Keys of a baresip: as events beside G.711, as events beside Opus, and as tones in the wave that is its microphone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import trio

from callactors.audio import tone
from callactors.audio.levels import dbfs
from callactors.audio.wav import read, write
from callactors.sip.address import Address
from tests.interop.softphone import Softphone, softphone
from tests.interop.support import Exchange, Program, free_port, patient, until

KEYS = "159#"
PHONES = {  # by name: where, what it speaks
    "events": ("127.0.0.46", "PCMU/8000"),
    "wide": ("127.0.0.47", "opus/48000/2"),
    "tones": ("127.0.0.48", "PCMA/8000"),
}
CONFIG = """\
version: 1
listen: {rtp: 36000-36999}
trunks:
  events: {from: [127.0.0.46/32], media_from: [127.0.0.0/8]}
  wide: {from: [127.0.0.47/32], media_from: [127.0.0.0/8], codecs: [opus, pcmu]}
  tones: {from: [127.0.0.48/32], media_from: [127.0.0.0/8], dtmf: inband}
numbers:
  - {match: "*", trunk: events, scenario: salon}
  - {match: "*", trunk: wide, scenario: salon}
  - {match: "*", trunk: tones, scenario: salon}
directory: {front_desk: {sip: "sip:desk@127.0.0.46:5070", trunk: events}}
models: {offline: {kind: embedded}}
answer: {when: at_once}
recording: {mode: always}
"""


def typed(folder: Path) -> Path:
    """A wave of KEYS as tones, once more after each pause: a busy machine may well lose one of them.

    They are not so many that the agent, who has no use for them, gives the caller to a person before he hangs up.
    """
    keys = [np.concatenate([tone.dtmf(key, 90), tone.silence(110)]) for key in KEYS]
    file = folder / "typed.wav"
    file.write_bytes(write(np.concatenate([tone.silence(1000), *keys, tone.silence(4000)] * 8), 8000))
    return file


def quiet(folder: Path) -> Path:
    file = folder / "quiet.wav"
    file.write_bytes(write(tone.silence(60_000), 8000))
    return file


def digits(program: Program, caller: str) -> str:
    """What the record of a caller says was pressed."""
    [record] = [one for one in program.calls() if one["caller"] == caller]
    events = program.call(record["call"])["events"]
    return "".join(event["body"]["digit"] for event in events if event["kind"] == "digit")


def loudness(recording: Path) -> float:
    """Of the caller, in dBFS."""
    return dbfs(read(recording.read_bytes()).samples[:, 0])


async def types(program: Program, phone: Softphone, name: str) -> None:
    """Call, press KEYS, and hang up once each has been recorded."""
    await phone.order("dial", f"sip:salon@{program.sip}")
    await phone.wait_for("CALL_ESTABLISHED")
    if name != "tones":
        for key in KEYS:
            await phone.order("sndcode", key)
            await trio.sleep(0.3)
    await until(lambda: KEYS in digits(program, name), what=f"{KEYS} of {name}; {program.log()}")
    await phone.order("hangup")
    await program.closed(name)  # before the phone is taken away: it has said BYE


async def test_keys_of_every_kind_are_each_recorded_once(exchange: Exchange, tmp_path: Path) -> None:
    with exchange.run(*patient(tmp_path), config=CONFIG) as program:
        async with trio.open_nursery() as calling:
            for name in PHONES:
                calling.start_soon(calls, program, name, tmp_path)
        assert [digits(program, name) for name in PHONES if name != "tones"] == [KEYS, KEYS]
        [record] = await program.closed("tones")
        tape = Path(program.call(record["call"])["recording"])
        await until(tape.exists, what=f"{tape}: it is written a little after the call")
        assert loudness(tape) < -55  # their tones are taken out of it


async def calls(program: Program, name: str, folder: Path) -> None:
    host, codec = PHONES[name]
    (folder / name).mkdir()
    voice = typed(folder / name) if name == "tones" else quiet(folder / name)
    async with softphone(
        folder / name / "phone", name, voice, sip=Address(host, free_port(host)), codecs=codec
    ) as phone:
        await types(program, phone, name)
