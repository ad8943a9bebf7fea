"""A house whose only work is putting callers through: one number and one scenario for each way to each person.

- The people stand behind trunks of their own, each at its own address, with a port that is fixed before the house runs;
  what waits there is the test's choice (a baresip, a UserAgent), or nothing at all.
- Callers come from CALLERS or 127.0.0.1; those from MUTE belong to a trunk that takes no REFER.
- baresip speaks from 127.0.0.1 whatever it says in its description: media may come from anywhere on this machine.
- Its sentences are short, and `said` knows how each of them sounds, byte for byte.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import attrs

from callactors.audio.convert import Converter
from callactors.audio.format import AudioFormat
from callactors.net.udp import UdpSocket
from callactors.sip.address import Address
from callactors.speech.brain import Brain
from callactors.stores.ledger_reader import Facts
from callactors.testing.manners import Manners
from callactors.testing.user_agent import UserAgent, user_agent
from tests.interop.softphone import Softphone
from tests.interop.support import Exchange, Program, free_port, until
from tests.interop.tap import Packet, Tap
from tests.interop.test_softphone import audio_port

CALLERS, MUTE = "127.0.0.29", "127.0.0.30"
PEOPLE = {
    "desk": "127.0.0.31",
    "busy": "127.0.0.32",
    "declines": "127.0.0.33",
    "silent": "127.0.0.34",
    "dead": "127.0.0.35",
}
WAYS = {
    "blind": "blind",
    "attended": "attended",
    "bridged": "bridged",
    "blind_bridged": "blind, bridged",
    "attended_bridged": "attended, bridged",
    "all": "blind, attended, bridged",
}
GREETING, ANNOUNCES, BRIEFS, BACK = "Hello.", "One moment.", "A caller for you.", "Nobody is there."
NO_ANSWER = 4.0  # seconds
SCENARIO = """\
version: 1
scenario: {name}
languages: {{en: {{greeting: "{greeting}"}}}}
disclosure: none
agents: {{clerk: {{persona: clerk.md}}}}
start: clerk
handoff: {{targets: [{person}], tries: [{tries}], on_digit: "0"}}
phrases: {{transfer: "{announces}", briefing: "{briefs}", back: "{back}"}}
"""
RTP = range(8_000, 9_000)  # nobody else's on this machine: a tap hears every house, and the system gives out 32768 on
CONFIG = """\
version: 1
listen: {{rtp: {rtp}}}
trunks:
  phones: {{from: [127.0.0.1/32, {callers}/32], media_from: [127.0.0.0/8], hold: music, refers: directory}}
  mute: {{from: [{mute}/32], media_from: [127.0.0.0/8], hold: music, refer: false}}
{trunks}
numbers:
{numbers}
directory:
{directory}
models:
  offline: {{kind: embedded}}
answer: {{when: at_once}}
timers: {{first_rtp: 60, no_answer: {no_answer}}}
"""


@attrs.frozen
class Desks:
    """The running house, and where each of the people is to be."""

    program: Program
    people: dict[str, Address]
    numbers: dict[str, str]  # "bridged desk": its number

    def dials(self, way: str, person: str = "desk") -> str:
        """What a caller dials who is to be put through this way to this person by pressing 0."""
        return f"sip:{self.numbers[f'{way} {person}']}@{self.program.sip}"

    async def said(self, text: str) -> bytes:
        """The first second of how one of the house's sentences sounds, in PCMU."""
        pcm = await Brain(data=self.program.data, workers=1).phrase(text, AudioFormat.PCM16_8K)
        return Converter(AudioFormat.PCM16_8K, AudioFormat.PCMU).feed(pcm)[:8000]

    def ways(self, call: str) -> list[tuple[str, str, int | None]]:
        """Every attempt at a transfer of one call: kind, outcome and code."""
        return [(one["kind"], one["outcome"], one["sip_code"]) for one in self.program.call(call)["transfers"]]

    @asynccontextmanager
    async def phone(self, person: str, manners: Manners | None = None) -> AsyncIterator[UserAgent]:
        """A phone of ours where this person is to be."""
        wire = UdpSocket(*self.people[person])
        async with user_agent(wire.address.host, name=person, wire=wire, manners=manners) as phone:
            yield phone


@contextmanager
def desks(exchange: Exchange) -> Iterator[Desks]:
    """Run it."""
    people = {name: Address(host, free_port(host)) for name, host in PEOPLE.items()}
    pairs = [(way, person) for way in WAYS for person in PEOPLE]
    numbers = {f"{way} {person}": f"+1312555{index:04}" for index, (way, person) in enumerate(pairs)}
    for way, person in pairs:
        _write_scenario(exchange.folder, way, person)
    config = CONFIG.format(
        rtp=f"{RTP.start}-{RTP[-1]}",
        callers=CALLERS,
        mute=MUTE,
        no_answer=NO_ANSWER,
        trunks="\n".join(
            f'  {name}: {{from: [{at.host}/32], media_from: [127.0.0.0/8], to: "sip:{at}", hold: music}}'
            for name, at in people.items()
        ),
        numbers="\n".join(
            f'  - {{match: "{number}", trunk: {trunk}, scenario: {what.replace(" ", "_")}}}'
            for what, number in numbers.items()
            for trunk in ("phones", "mute")
        ),
        directory="\n".join(f'  {name}: {{sip: "sip:{name}@{at}", trunk: {name}}}' for name, at in people.items()),
    )
    with exchange.run("--agents", str(exchange.folder / "agents"), config=config) as program:
        yield Desks(program, people, numbers)


def _write_scenario(folder: Path, way: str, person: str) -> None:
    name = f"{way}_{person}"
    (folder / "agents" / name).mkdir(parents=True)
    (folder / "agents" / name / "clerk.md").write_text("# Clerk: puts callers through\n\nPut them through.\n")
    (folder / "scenarios").mkdir(exist_ok=True)
    (folder / "scenarios" / f"{name}.yaml").write_text(
        SCENARIO.format(
            name=name, person=person, tries=WAYS[way], greeting=GREETING, announces=ANNOUNCES, briefs=BRIEFS, back=BACK
        )
    )


def header(name: str, packet: Packet) -> bytes:
    """A header's text."""
    found = re.search(rb"\r\n" + name.encode() + rb"[ \t]*:[ \t]*([^\r]*)\r\n", packet.data, re.IGNORECASE)
    return found[1] if found else b""


def answer_to(tap: Tap, invite: Packet) -> Packet:
    """The 200 to an INVITE, with its description."""
    answers = tap.sip(b"SIP/2.0 200", to=invite.source)
    call = header("call-id", invite)
    return next(p for p in answers if header("call-id", p) == call and b"m=audio" in p.data)


@attrs.define(eq=False)
class Caller:
    """A baresip in a call with the agent."""

    house: Desks
    phone: Softphone
    tap: Tap
    name: str

    async def calls(self, way: str, person: str = "desk") -> None:
        """Call, and hear the greeting."""
        await self.phone.order("dial", self.house.dials(way, person))
        await self.phone.wait_for("CALL_ESTABLISHED")
        await until(lambda: self._mine(), what="its INVITE on the wire")
        await self.hears(GREETING)

    async def asks(self, way: str, person: str = "desk") -> None:
        """Call, and press 0 once the agent listens."""
        await self.calls(way, person)
        await self.phone.order("sndcode", "0")

    async def hears(self, text: str, seconds: float = 20, times: int = 1) -> None:
        """Until one of the house's sentences has sounded at this phone."""
        sound = await self.house.said(text)

        def heard() -> bool:
            return self.tap.law[self.port].count(sound) >= times

        await until(heard, seconds, f"{text!r} at {self.name}'s ear")

    @property
    def invite(self) -> Packet:
        """How it called."""
        return self._mine()[0]

    @property
    def answer(self) -> Packet:
        """How it was answered."""
        return answer_to(self.tap, self.invite)

    @property
    def port(self) -> int:
        """Where the agent's voice comes to."""
        return audio_port(self.invite)

    def _mine(self) -> list[Packet]:
        offers = self.tap.sip(b"INVITE", to=self.house.program.sip)
        return [offer for offer in offers if offer.source == self.phone.address]

    async def record(self) -> Facts:
        """The record of its call, once that has ended."""
        [record] = await self.house.program.closed(self.name)
        return self.house.program.call(record["call"])


def at(host: str = CALLERS) -> Address:
    return Address(host, free_port(host))
