"""SRTP with baresip, whose SRTP is another library's: calls both ways, judged by what either end decoded.

baresip writes what came out of its decoder to a file, we have our recording; on the wire there is nothing to hear.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import attrs
import numpy as np
import trio

from callactors.audio.g711 import Samples
from callactors.audio.tone import sine
from callactors.audio.wav import read, write
from callactors.sip.address import Address
from callactors.stores.ledger_reader import Facts
from callactors.testing import ears
from callactors.testing.ears import loud
from tests.interop.softphone import Softphone, softphone
from tests.interop.support import PLACING, Exchange, Program, free_port, patient, until
from tests.interop.tap import Tap, tapping

MUST, MAY, CLEAR = "127.0.0.14", "127.0.0.15", "127.0.0.16"
CALLED = ("+13125550114", "+13125550115", "+13125550116")
TONE = 600.0  # Hz: what the phones say
LONG = 60_000  # ms
CONFIG = """\
version: 1
listen: {{rtp: 36000-36999}}
trunks:
  must: {{from: [127.0.0.14/32], to: "sip:{must}", srtp: require, codecs: [opus, pcmu], {same}}}
  may: {{from: [127.0.0.15/32], to: "sip:{may}", srtp: prefer, {same}}}
  clear: {{from: [127.0.0.16/32], to: "sip:{clear}", srtp: prefer, {same}}}
routes:
  - {{to: "+13125550114", tries: [[{{trunk: must}}]]}}
  - {{to: "+13125550115", tries: [[{{trunk: may}}]]}}
  - {{to: "+13125550116", tries: [[{{trunk: clear}}]]}}
permit: ["+1"]
numbers: [{{match: "*", trunk: must, scenario: salon}}, {{match: "*", trunk: may, scenario: salon}},
  {{match: "*", trunk: clear, scenario: salon}}]
directory: {{front_desk: {{sip: "sip:desk@127.0.0.14:5070", trunk: must}}}}
models: {{offline: {{kind: embedded}}}}
answer: {{when: at_once}}
recording: {{mode: always}}
"""
SAME = 'media_from: [127.0.0.0/8], caller_ids: ["+13125550100"], country: US'  # baresip speaks from 127.0.0.1


@attrs.frozen
class Scene:
    """A house and four baresips: one that insists on SRTP, one that would like it, one that has none on a trunk where
    that will do, and one that has none where it will not.
    """

    program: Program
    tap: Tap
    must: Softphone
    may: Softphone
    clear: Softphone
    hopeless: Softphone

    def goes_on_after(self, at: float) -> bool:
        """Whether there was anything on the wire after this time."""
        return self.tap.packets[-1].at > at


@asynccontextmanager
async def scene(exchange: Exchange, folder: Path) -> AsyncIterator[Scene]:
    voice = folder / "tone.wav"
    voice.write_bytes(write(sine(TONE, LONG), 8000))
    must, may, clear, hopeless = (Address(host, free_port(host)) for host in (MUST, MAY, CLEAR, MUST))
    config = CONFIG.format(must=must, may=may, clear=clear, same=SAME)
    phone = partial(softphone, voice=voice, answers=True)
    with exchange.run(*patient(folder), config=config, command=PLACING) as program:
        async with (
            tapping() as tap,
            phone(folder / "must", "+13125550114", sip=must, encryption="srtp-mand", codecs="opus/48000/2") as one,
            phone(folder / "may", "+13125550115", sip=may, encryption="srtp") as other,
            phone(folder / "clear", "+13125550116", sip=clear) as third,
            phone(folder / "hopeless", "+13125550117", sip=hopeless) as fourth,
        ):
            yield Scene(program, tap, one, other, third, fourth)


def speaks(heard: Samples) -> bool:
    """Whether there is a second of the agent's voice in it."""
    return len(heard) > 8000 and sum(stretch.end - stretch.start for stretch in ears.stretches(heard)) > 4000


async def talk(on: Scene, phone: Softphone) -> None:
    """Until the agent has been heard at the phone, which then holds us, takes us back, and speaks a little longer."""
    before = len(phone.heard())
    await phone.wait_for("CALL_ESTABLISHED")
    await until(
        lambda: speaks(phone.heard()[before:]), what=f"the agent's voice at {phone.address}; {on.program.log()}"
    )
    for order in ("hold", "resume"):
        await phone.order(order)
        await until(partial(on.goes_on_after, trio.current_time() + 1.5))
    await phone.order("hangup")


def caller_heard(program: Program, record: Facts) -> bool:
    """Whether our recording has the phone's tone to its end, in the left channel."""
    recording = program.call(record["call"])["recording"]
    if recording is None:
        return False
    tape = read(Path(recording).read_bytes())
    end = tape.samples[-tape.rate // 2 :, 0]
    return loud(end) and abs(float(np.argmax(np.abs(np.fft.rfft(end)))) * 2 - TONE) < 10


async def test_baresip_and_we_call_each_other_under_srtp_and_both_ends_hear_each_other_by_opus_too(
    exchange: Exchange, tmp_path: Path
) -> None:
    async with scene(exchange, tmp_path) as on:
        for phone in (on.must, on.may, on.clear, on.hopeless):
            await phone.order("dial", f"sip:salon@{on.program.sip}")
        await on.hopeless.wait_for("CALL_CLOSED")
        await all_talk(on)
        for caller in CALLED:
            (record,) = await on.program.closed(caller)
            await until(partial(caller_heard, on.program, record), 5, f"the tone of {caller} on tape")
            assert suites(on.program, record) == ([] if caller == CALLED[-1] else ["AES_CM_128_HMAC_SHA1_80"])
        (refused,) = await on.program.closed("+13125550117")
        assert (refused["cause"], refused["sip_code"]) == ("bad_offer", 488)
        await we_call(on)
        assert nothing_bears_a_key(on)


def suites(program: Program, record: Facts) -> list[str]:
    """What the record says the call was encrypted with."""
    events = program.call(record["call"])["events"]
    answered = [one["body"] for one in events if one["kind"] == "answered"]
    return [one["srtp"] for one in answered if "srtp" in one]


async def all_talk(on: Scene) -> None:
    async with trio.open_nursery() as talking:
        for phone in (on.must, on.may, on.clear):
            talking.start_soon(talk, on, phone)


async def we_call(on: Scene) -> None:
    """Everybody side by side; only who is in clear has to be asked twice."""
    for phone in (on.must, on.may, on.clear):
        phone.events.clear()
    on.program.order(*(f"{number} salon" for number in CALLED))
    await all_talk(on)
    for record in await on.program.closed_to(*CALLED):
        await until(partial(caller_heard, on.program, record), 5, f"the tone of {record['called']} on tape")
        tried = [one["sip_code"] for one in on.program.call(record["call"])["attempts"]]
        assert tried == ([488, 200] if record["called"] == CALLED[-1] else [200])


def nothing_bears_a_key(on: Scene) -> bool:
    """Whether no file, log or capture of ours has any of the keys that were on the wire."""
    keys = {found for packet in on.tap.packets for found in re.findall(rb"inline:([A-Za-z0-9+/=]+)", packet.data)}
    files = [*(file for file in on.program.data.rglob("*") if file.is_file()), on.program.log_file]
    assert len(keys) >= 10
    assert "inline:[redacted]" in on.program.capture()
    return not any(key in file.read_bytes() for file in files for key in keys)
