"""What leaves by a stream in each codec: timestamps, packet lengths, digits, pauses; and what is heard of it."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import trio

from callactors.audio import levels, tone
from callactors.audio.codecs import FORMATS, make_codec
from callactors.audio.convert import convert
from callactors.audio.format import AudioFormat
from callactors.audio.g711 import Samples
from callactors.rtp.events import AudioArrived, UtteranceHeard
from callactors.rtp.packet import RtpPacket
from callactors.sdp.formats import ENCODINGS, CodecName
from callactors.testing.media_peer import laid

EVERY: list[CodecName] = ["pcmu", "pcma", "g722", "opus"]


def speech(codec: str, ms: int, pitch: int = 1000) -> bytes:
    return convert(tone.sine(pitch, ms).tobytes(), AudioFormat.PCM16_8K, FORMATS[codec])


def listened(codec: str, packets: list[RtpPacket]) -> Samples:
    """What a far end hears, at 8 kHz."""
    decoder = make_codec(codec)
    audio = b"".join(decoder.decode(packet.payload) for packet in packets)
    return np.frombuffer(convert(audio, decoder.format, AudioFormat.PCM16_8K), np.int16)


@pytest.mark.parametrize("codec", EVERY)
@pytest.mark.parametrize("ptime", [10, 20, 40, 60])
async def test_packets_have_the_length_asked_for_on_the_clock_of_their_codec(
    codec: CodecName, ptime: int, autojump_clock: object
) -> None:
    async with laid() as table:
        table.start(codec=codec, ptime=ptime)
        table.stream.play("u", speech(codec, 600))
        table.stream.end("u")
        await trio.sleep(1)
        packets = table.peer.received()
        assert [heard.ms for heard in table.of(UtteranceHeard)] == [600]
    clock = ENCODINGS[codec].clock
    steps = {(b.timestamp - a.timestamp) & 0xFFFFFFFF for a, b in itertools.pairwise(packets)}
    assert steps == {ptime * clock // 1000}
    sound = listened(codec, packets)
    loud = [at for at in range(0, len(sound) - 160, 160) if levels.strength(sound[at : at + 160], 1000) > 0.8]
    assert len(loud) * 20 == pytest.approx(600, abs=40)


@pytest.mark.parametrize("codec", EVERY)
async def test_what_a_far_end_says_is_heard_at_its_pitch_and_level(codec: CodecName, autojump_clock: object) -> None:
    encoder, size = make_codec(codec), 160 * make_codec(codec).width
    audio = speech(codec, 1000)
    async with laid() as table:
        table.start(codec=codec)
        begin = trio.current_time()
        for index, at in enumerate(range(0, len(audio), size)):
            await trio.sleep_until(begin + 0.02 * (index + 1) - 0.0001)
            stamp = index * encoder.clock_rate // 50
            payload = encoder.encode(audio[at : at + size])
            number = ENCODINGS[codec].number
            table.peer.rtp.sendto(table.peer.packet(payload, kind=number, timestamp=stamp), table.stream.address)
        await trio.sleep(0.2)
        batches = table.of(AudioArrived)
    assert {batch.format for batch in batches} == {FORMATS[codec]}
    assert [b.position for b in batches[1:]] == [a.position + len(a.audio) // encoder.width for a in batches[:-1]]
    assert {len(batch.audio) // encoder.width for batch in batches[:16]} == {480}  # the speech: silence may be longer
    heard = convert(b"".join(batch.audio for batch in batches), FORMATS[codec], AudioFormat.PCM16_8K)
    sound = np.frombuffer(heard, np.int16)[2000:7000]
    assert levels.dbfs(sound) == pytest.approx(-13.0, abs=0.5)
    assert levels.strength(sound, 1000) > 0.98


@pytest.mark.parametrize("codec", EVERY)
async def test_lost_packets_are_counted_and_nobody_hears_a_hole(codec: CodecName, autojump_clock: object) -> None:
    encoder, size = make_codec(codec, "useinbandfec=1"), 160 * make_codec(codec).width
    audio, lost = speech(codec, 2000, 400), {20, 41, 62, 63, 80}
    async with laid() as table:
        table.start(codec=codec)
        begin = trio.current_time()
        for index, at in enumerate(range(0, len(audio), size)):
            await trio.sleep_until(begin + 0.02 * (index + 1) - 0.0001)
            stamp, number = index * encoder.clock_rate // 50, ENCODINGS[codec].number
            data = table.peer.packet(encoder.encode(audio[at : at + size]), kind=number, timestamp=stamp)
            if index not in lost:
                table.peer.rtp.sendto(data, table.stream.address)
        await trio.sleep(0.2)
        batches = table.of(AudioArrived)
    assert sum(batch.lost_ms for batch in batches) == 20 * len(lost)
    heard = convert(b"".join(batch.audio for batch in batches), FORMATS[codec], AudioFormat.PCM16_8K)
    sound = np.frombuffer(heard, np.int16)[1600:15_200]
    quiet = [at for at in range(0, len(sound), 80) if levels.dbfs(sound[at : at + 80]) < -35]
    assert quiet == []


async def test_digits_beside_opus_count_by_its_clock(autojump_clock: object) -> None:
    async with laid() as table:
        table.start(codec="opus")
        await trio.sleep(0.1)
        table.stream.send_digits("5")
        await trio.sleep(0.5)
        events = [packet for packet in table.peer.received() if packet.payload_type == 101]
    durations = [int.from_bytes(packet.payload[2:], "big") for packet in events]
    assert durations == [960, 1920, 2880, 3840, 4800, 4800, 4800, 4800]
    assert len({packet.timestamp for packet in events}) == 1


@pytest.mark.parametrize("codec", EVERY)
async def test_without_telephone_events_digits_are_tones_in_the_codec(codec: CodecName, autojump_clock: object) -> None:
    async with laid() as table:
        table.start(codec=codec, event=None)
        await trio.sleep(0.1)
        table.stream.send_digits("5")
        await trio.sleep(0.4)
        sound = listened(codec, table.peer.received())
    pieces = [sound[at : at + 400] for at in range(0, len(sound) - 400, 160)]
    keyed = [levels.strength(piece, 770) > 0.3 < levels.strength(piece, 1336) for piece in pieces]
    assert sum(keyed) >= 3


async def test_a_far_end_that_asked_for_pauses_is_sent_none_of_our_silence(autojump_clock: object) -> None:
    async with laid() as table:
        table.start(codec="opus", parameters="usedtx=1")
        await trio.sleep(2.1)
        quiet = table.peer.received()
        table.stream.play("u", speech("opus", 200))
        table.stream.end("u")
        await trio.sleep(0.1)
        [first, *_] = table.peer.received()
    assert len(quiet) < 40
    assert first.marker
    assert first.timestamp > quiet[-1].timestamp


@pytest.mark.parametrize(
    ("first", "then"),
    [
        ((101, "pcmu"), (None, "pcmu")),
        ((None, "pcmu"), (101, "pcmu")),
        ((None, "pcmu"), (None, "g722")),
        ((None, "opus"), (None, "pcmu")),
    ],
)
async def test_digits_that_wait_are_said_as_a_re_offer_has_it(
    first: tuple[int | None, CodecName], then: tuple[int | None, CodecName], autojump_clock: object
) -> None:
    async with laid() as table:
        table.start(event=first[0], codec=first[1])
        await trio.sleep(0.2)
        table.stream.send_digits("123456")
        await trio.sleep(0.1)
        table.start(event=then[0], codec=then[1])
        table.peer.received()
        await trio.sleep(2)
        packets = table.peer.received()
    kinds = {packet.payload_type for packet in packets}
    assert kinds == {ENCODINGS[then[1]].number, *([101] if then[0] else [])}
    if then[1] != "opus":
        assert {len(packet.payload) for packet in packets if packet.payload_type != 101} == {160}
    if then[0]:
        digits = [packet.payload[0] for packet in packets if packet.payload_type == 101 and packet.marker]
        assert digits == [2, 3, 4, 5, 6]
