"""Opus and G.722 with baresip, whose codecs are other libraries': calls both ways, judged by what either end decoded.

baresip writes what came out of its decoder to a file, we have our recording. Opus is spoken under SRTP, too.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import attrs
import trio

from callactors.audio.g711 import Samples
from callactors.audio.tone import sine
from callactors.audio.wav import read, write
from callactors.sip.address import Address
from callactors.stores.ledger_reader import Facts
from callactors.testing import ears
from tests.interop.softphone import Softphone, softphone
from tests.interop.support import PLACING, Exchange, Program, free_port, patient, until
from tests.interop.tap import Tap, tapping

TONE = 600.0  # Hz: what the phones say
LONG = 60_000  # ms
PHONES = {  # by name: where, what it speaks, what its trunk speaks
    "opus": ("127.0.0.24", "opus/48000/2,PCMU", "opus, pcmu", ""),
    "sealed": ("127.0.0.25", "opus/48000/2", "opus", "srtp-mand"),
    "g722": ("127.0.0.26", "G722/16000/1", "pcma, g722", ""),
}
NUMBERS = {name: f"+1312555012{index}" for index, name in enumerate(PHONES)}
CONFIG = """\
version: 1
listen: {rtp: 35000-35999}
trunks:
TRUNKS
routes:
ROUTES
permit: ["+1"]
numbers:
NUMBERS
directory: {front_desk: {sip: "sip:desk@127.0.0.24:5070", trunk: opus}}
models: {offline: {kind: embedded}}
answer: {when: at_once}
recording: {mode: always}
"""


@attrs.frozen
class Scene:
    """A house and its baresips by name."""

    program: Program
    tap: Tap
    phones: dict[str, Softphone]


def config(addresses: dict[str, Address]) -> str:
    trunks, routes, numbers = [], [], []
    for name, (host, _, codecs, encryption) in PHONES.items():
        srtp = ", srtp: require" if encryption else ""
        trunks.append(
            f'  {name}: {{from: [{host}/32], to: "sip:{addresses[name]}", codecs: [{codecs}]{srtp}, '
            'media_from: [127.0.0.0/8], caller_ids: ["+13125550100"], country: US}'
        )
        routes.append(f'  - {{to: "{NUMBERS[name]}", tries: [[{{trunk: {name}}}]]}}')
        numbers.append(f'  - {{match: "*", trunk: {name}, scenario: salon}}')
    parts = {"TRUNKS": trunks, "ROUTES": routes, "NUMBERS": numbers}
    return re.sub("[A-Z]{5,}", lambda word: "\n".join(parts[word[0]]), CONFIG)


@asynccontextmanager
async def scene(exchange: Exchange, folder: Path) -> AsyncIterator[Scene]:
    voice = folder / "tone.wav"
    voice.write_bytes(write(sine(TONE, LONG), 8000))
    addresses = {name: Address(host, free_port(host)) for name, (host, *_) in PHONES.items()}
    with exchange.run(*patient(folder), config=config(addresses), command=PLACING) as program:
        async with tapping() as tap, trio.open_nursery() as phones:
            found: dict[str, Softphone] = {}
            for name in PHONES:
                found[name] = await phones.start(keep, folder / name, name, voice, addresses[name])
            yield Scene(program, tap, found)
            phones.cancel_scope.cancel()


async def keep(folder: Path, name: str, voice: Path, address: Address, task_status: trio.TaskStatus[Softphone]) -> None:
    _, codecs, _, encryption = PHONES[name]
    async with softphone(
        folder, NUMBERS[name], voice, sip=address, answers=True, codecs=codecs, encryption=encryption
    ) as phone:
        task_status.started(phone)
        await trio.sleep_forever()


def speaks(heard: Samples) -> bool:
    """Whether there is half a second of the agent's voice in it."""
    return len(heard) > 8000 and sum(stretch.end - stretch.start for stretch in ears.stretches(heard)) > 4000


async def talk(on: Scene, phone: Softphone) -> None:
    await phone.wait_for("CALL_ESTABLISHED")
    await until(lambda: speaks(phone.heard()), what=f"the agent's voice at {phone.address}; {on.program.log()}")
    await phone.order("hangup")


def heard_by_us(program: Program, record: Facts) -> bool:
    """Whether our recording, which is written a little later, has the phone's tone, in the left channel."""
    file = Path(program.call(record["call"])["recording"] or "")
    if not file.is_file() or file.stat().st_size < 1000:
        return False
    tape = read(file.read_bytes())
    left = tape.samples[:: tape.rate // 8000, 0]
    return ears.hears(left[-4000:], TONE)


def spoken_on_wire(tap: Tap, sent_to: Address) -> str:
    """The codec of the first description with one that went to a phone."""
    for packet in tap.packets:
        found = re.search(rb"a=rtpmap:\d+ (\S+)", packet.data)
        if packet.destination == sent_to and found:
            return found[1].decode()
    return ""


async def clean(on: Scene, record: Facts) -> None:
    """A call in which we heard the phone, and no packet of it was lost."""
    await until(partial(heard_by_us, on.program, record), 5, f"the phone's tone on our tape; {record}")
    quality = on.program.call(record["call"])["quality"]
    assert [row["lost"] for row in quality if row["direction"] == "in"] == [0]


async def talking(on: Scene) -> None:
    """Every phone hears the agent, and hangs up."""
    async with trio.open_nursery() as calls:
        for phone in on.phones.values():
            calls.start_soon(talk, on, phone)


async def test_baresip_calls_and_is_called_in_opus_and_g722_and_both_ends_hear_each_other(
    exchange: Exchange, tmp_path: Path
) -> None:
    async with scene(exchange, tmp_path) as on:
        for phone in on.phones.values():
            await phone.order("dial", f"sip:salon@{on.program.sip}")
        await talking(on)
        for name, phone in on.phones.items():
            (record,) = await on.program.closed(NUMBERS[name])
            await clean(on, record)
            assert spoken_on_wire(on.tap, phone.address) == ("G722/8000" if name == "g722" else "opus/48000/2")
            phone.forget()
        on.program.order(*(f"{number} salon" for number in NUMBERS.values()))
        await talking(on)
        for record in await on.program.closed_to(*NUMBERS.values()):
            await clean(on, record)
