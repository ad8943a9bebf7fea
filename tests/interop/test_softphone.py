"""A baresip softphone calls the salon, is greeted, books by speaking, presses 0 and is put through to another baresip.

Everything is judged on the wire: when the greeting began, when the agent had finished asking, whether the two talk.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, time, timedelta
from pathlib import Path

import attrs
import numpy as np
import trio

from callactors.audio.tone import silence, sine
from callactors.audio.wav import write
from callactors.sip.address import Address
from callactors.speech import weights
from callactors.speech.tts.voice import Voice
from callactors.stores.calendar import Booking, Calendar
from tests.interop.softphone import Softphone, softphone
from tests.interop.support import Exchange, Program, free_port, until
from tests.interop.tap import Packet, Tap, tapping

GREETED = 1.5  # seconds from the 200 to the first audible RTP
QUIET = 0.9  # seconds after which the agent has finished
RATE = 8000
SAYS = ("I'd like a haircut tomorrow at three.", "My name is Dana, and my number is 5 5 5, 0 1 4 2.", "Yes, please.")
DESK_TONE = 1000.0  # Hz: what the person at the desk "says"
CALLER_TONE = 600.0
CONFIG = """\
version: 1
listen: {{rtp: 33000-33999}}
trunks:
  loopback: {{from: [127.0.0.0/8]}}
numbers:
  - {{match: "*", trunk: loopback, scenario: salon}}
directory:
  front_desk: {{sip: "sip:desk@{desk}", trunk: loopback}}
models:
  offline: {{kind: embedded}}
answer: {{when: at_once}}
recording: {{mode: always}}
"""


async def test_a_softphone_is_greeted_books_by_speaking_and_talks_to_the_desk_after_pressing_0(
    exchange: Exchange, tmp_path: Path
) -> None:
    sentences = await spoken(tmp_path)
    own, desk = Address("127.0.0.1", free_port()), Address("127.0.0.1", free_port())
    with exchange.run(config=CONFIG.format(desk=desk)) as program:
        async with (
            tapping() as tap,
            softphone(tmp_path / "caller", "anna", quiet(tmp_path), sip=own) as phone,
            softphone(tmp_path / "desk", "desk", tone(tmp_path, DESK_TONE), sip=desk, answers=True) as person,
        ):
            caller = Caller(phone, tap, program)
            await caller.dials()
            assert caller.greeted_after() <= GREETED
            for sentence in sentences:
                await caller.says(sentence)
            booking = await until(lambda: booked(program), what=f"a booking; {program.log('turn')}")
            assert (booking.service, booking.name, booking.phone[-7:]) == ("haircut", "Dana", "5550142")
            assert booking.start == datetime.combine(datetime.now().date() + timedelta(days=1), time(15))
            await caller.is_put_through(person)
            assert transferred_in_order(tap, program.sip, own)
            await phone.order("ausrc", f"aufile,{tone(tmp_path, CALLER_TONE)}")
            offered, answered = media_ports(tap, desk)
            await until(lambda: hears(tap, offered, DESK_TONE), what="the desk at the caller's ear")
            await until(lambda: hears(tap, answered, CALLER_TONE), what="the caller at the desk's ear")
    [record] = await program.closed("anna")
    facts = program.call(record["call"])
    assert (facts["cause"], facts["outcome"]) == ("transferred", "handed_off")
    assert [(one["outcome"], one["sip_code"]) for one in facts["transfers"]] == [("completed", 200)]


@attrs.define(eq=False)
class Caller:
    """Somebody on the phone who waits for the other one to finish, and then speaks."""

    phone: Softphone
    tap: Tap
    program: Program
    port: int = 0  # where the agent's voice goes to
    _since: float = 0.0

    async def dials(self) -> None:
        """Until the greeting has been said."""
        await self.phone.order("dial", f"sip:salon@{self.program.sip}")
        await self.phone.wait_for("CALL_ESTABLISHED")
        self.port = audio_port(self.tap.sip(b"INVITE", to=self.program.sip)[0])
        await self._heard_out()

    def greeted_after(self) -> float:
        """Seconds from the 200 to the first packet of the greeting that can be heard."""
        answer = self.tap.sip(b"SIP/2.0 200", to=self.phone.address)[0]
        return self.tap.speech[self.port][0] - answer.at

    async def says(self, sentence: Path) -> None:
        """One sentence, and the answer to its end."""
        self._since = trio.current_time()
        await self.phone.order("ausrc", f"aufile,{sentence}")
        await self._heard_out()

    async def is_put_through(self, person: Softphone) -> None:
        await self.phone.order("sndcode", "0")
        await person.wait_for("CALL_ESTABLISHED")
        await self.phone.wait_for("CALL_CLOSED")

    async def _heard_out(self) -> None:
        """Until the agent has spoken since we did, and is quiet."""

        def finished() -> bool:
            heard = self.tap.speech[self.port]
            return bool(heard) and heard[-1] > self._since and trio.current_time() - heard[-1] > QUIET

        await until(finished, what=f"an answer; {self.program.log()}")


def booked(program: Program) -> Booking | None:
    """The one appointment in the salon's calendar."""
    calendar = Calendar(f"sqlite:///{program.data}/stores.db", "salon")
    try:
        return next(iter(calendar.bookings()), None)
    finally:
        calendar.close()


def transferred_in_order(tap: Tap, us: Address, caller: Address) -> bool:
    """REFER, its 202, a NOTIFY that says 200, and only then our BYE (RFC 3515)."""
    referred = tap.sip(b"REFER", to=caller)[0]
    accepted = tap.sip(b"SIP/2.0 202", to=us)[0]
    final = next(packet for packet in tap.sip(b"NOTIFY", to=us) if b"\r\n\r\nSIP/2.0 200" in packet.data)
    bye = tap.sip(b"BYE", to=caller)[0]
    return referred.at < accepted.at < final.at < bye.at


def media_ports(tap: Tap, desk: Address) -> tuple[int, int]:
    """Where the caller and the desk hear each other: of the INVITE to the desk, and of its answer."""
    invite = tap.sip(b"INVITE", to=desk)[-1]
    answer = next(p for p in tap.sip(b"SIP/2.0 200", to=invite.source) if p.source == desk and b"m=audio" in p.data)
    return audio_port(invite), audio_port(answer)


def audio_port(message: Packet) -> int:
    return int(message.data.partition(b"m=audio ")[2].split()[0])


def hears(tap: Tap, port: int, frequency: float) -> bool:
    """Whether the last half second that came to this port is a tone of this frequency."""
    heard = tap.audio(port)[-RATE // 2 :]
    if len(heard) < RATE // 2:
        return False
    spectrum = np.abs(np.fft.rfft(heard.astype(np.float64)))
    return abs(float(np.argmax(spectrum)) * 2 - frequency) < 10


# -- what is said ----------------------------------------------------------------------------------------------------


async def spoken(folder: Path) -> list[Path]:
    """Each sentence as a file with a long silence behind it, in the embedded voice."""
    voice = Voice(weights.find(weights.VOICE), weights.find(weights.VOICE_CONFIG))
    files = []
    async with trio.open_nursery() as speaking:
        await speaking.start(voice.run)
        for number, sentence in enumerate(SAYS):
            await voice.begin(sentence, RATE)
            pieces = [np.frombuffer(piece, np.int16) async for piece in sentences(voice)]
            files.append(folder / f"says-{number}.wav")
            files[-1].write_bytes(write(np.concatenate([*pieces, silence(30_000)]), RATE))
        speaking.cancel_scope.cancel()
    return files


async def sentences(voice: Voice) -> AsyncIterator[bytes]:
    while (piece := await voice.sentence()) is not None:
        yield piece


def quiet(folder: Path) -> Path:
    (folder / "quiet.wav").write_bytes(write(silence(60_000), RATE))
    return folder / "quiet.wav"


def tone(folder: Path, frequency: float) -> Path:
    file = folder / f"tone-{frequency:.0f}.wav"
    file.write_bytes(write(sine(frequency, 60_000), RATE))
    return file
