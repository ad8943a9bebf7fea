"""What the media bench's generator and model peer make of packets and frames, and what the two come to together."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterator

import numpy as np
import pytest
import wsproto
from hypothesis import given, settings
from hypothesis import strategies as st
from wsproto.events import AcceptConnection, Request, TextMessage

from callactors.audio import g711
from callactors.audio.convert import Converter
from callactors.audio.format import AudioFormat
from callactors.commands.bench import keyed
from callactors.commands.bench.ear import Ear
from callactors.commands.bench.facts import (
    Appended,
    CallHeard,
    Loaded,
    Marked,
    PeerReport,
    Said,
    Script,
    Sounded,
    Spread,
)
from callactors.commands.bench.latencies import latencies
from callactors.commands.bench.peer_session import PeerSession, marked, unmasked
from callactors.rtp.packet import RtpPacket

NUMBER, COUNT = 1234, 5


def packets(audio: bytes) -> Iterator[bytes]:
    """PCMU as RTP, 20 ms each."""
    for place in range(len(audio) // 160):
        payload = audio[place * 160 : place * 160 + 160]
        yield RtpPacket(0, place, place * 160, 7, payload).to_bytes()


def ear() -> Ear:
    return Ear(array("d"), 0, 160, since=0.0, until=1e9)


def spoken(number: int, count: int) -> bytes:
    """Quiet, then a keyed utterance that went through a 24 kHz model's way: PCMU as a caller gets it."""
    cells = [False] * 10 + keyed.cells(number, count) + [True] * 20
    wide = keyed.samples(cells, 24_000).tobytes()
    return Converter(AudioFormat.PCM16, AudioFormat.PCMU).feed(wide)


# -- numbers in speech ------------------------------------------------------------------------------------------------


@given(number=st.integers(0, 4095), count=st.integers(0, 15))
@settings(max_examples=100)
def test_a_number_is_read_back_and_one_wrong_cell_is_noticed(number: int, count: int) -> None:
    cells = keyed.cells(number, count)
    assert keyed.read(cells) == (number, count)
    cells[number % keyed.CELLS] ^= True
    assert keyed.read(cells) is None


def test_the_ear_reads_it_through_a_resampler_and_g711() -> None:
    listener = ear()
    for place, packet in enumerate(packets(spoken(NUMBER, COUNT))):
        listener.hears(packet, 5.0 + place * 0.02)
    (sounded,) = listener.sounded
    assert (sounded.number, sounded.count, round(sounded.at, 2)) == (NUMBER, COUNT, 5.2)


def test_a_lost_packet_in_the_number_loses_that_utterance_alone() -> None:
    listener = ear()
    both = [*packets(spoken(NUMBER, 1) + b"\xff" * 3200 + spoken(NUMBER, 2))]
    del both[14]
    for place, packet in enumerate(both):
        listener.hears(packet, 5.0 + place * 0.02)
    assert [one.count for one in listener.sounded] == [2]


# -- the ear ----------------------------------------------------------------------------------------------------------


def test_a_packet_more_than_20_ms_after_its_turn_is_late_and_one_twice_is_heard_once() -> None:
    listener = ear()
    sent = list(packets(b"\xff" * 800))
    for packet, at in zip([*sent[:3], sent[2], *sent[3:]], (1.0, 1.02, 1.04, 1.041, 1.09, 1.11), strict=True):
        listener.hears(packet, at)
    assert (listener.received, listener.late, len(listener.gaps)) == (5, 1, 4)


def test_only_the_window_counts() -> None:
    listener = Ear(array("d"), 0, 160, since=1.03, until=1.07)
    for place, packet in enumerate(packets(b"\xff" * 800)):
        listener.hears(packet, 1.0 + place * 0.02)
    assert listener.received == 2


@pytest.mark.parametrize("data", [b"", b"\x80\x00", b"\x00" * 30, RtpPacket(13, 1, 1, 7, b"x" * 20).to_bytes()])
def test_what_is_no_packet_of_the_stream_is_not_counted(data: bytes) -> None:
    listener = ear()
    listener.hears(data, 1.0)
    assert listener.received == 0


# -- the model peer ---------------------------------------------------------------------------------------------------


class Client:
    """A WebSocket client by wsproto against one PeerSession."""

    def __init__(self, session: PeerSession) -> None:
        self.session, self.protocol = session, wsproto.WSConnection(wsproto.ConnectionType.CLIENT)
        self.heard: list[dict[str, object]] = []
        self.receive(self.protocol.send(Request(host="x", target="/v1/realtime")))

    def receive(self, data: bytes, now: float = 1.0) -> None:
        """Send, then read whatever came back."""
        self.session.receive(data, now)
        self.read()

    def read(self) -> None:
        self.protocol.receive_data(bytes(self.session.out))
        self.session.out.clear()
        for event in self.protocol.events():
            if isinstance(event, TextMessage):
                self.heard.append(json.loads(event.data))
            else:
                assert isinstance(event, AcceptConnection)

    def say(self, now: float = 1.0, **event: object) -> None:
        self.receive(self.protocol.send(TextMessage(json.dumps(event))), now)

    @property
    def kinds(self) -> list[object]:
        return [event["type"] for event in self.heard]


def client(audio: str = "audio/pcm") -> Client:
    made = Client(PeerSession(7, Script(shortest=2, longest=2), watched=True))
    made.say(type="session.update", session={"audio": {"input": {"format": {"type": audio}}}})
    return made


def test_a_session_is_set_up_as_the_realtime_api_does_it() -> None:
    assert client().kinds == ["session.created", "session.updated"]


def test_after_the_first_append_it_speaks_by_its_script_faster_than_real_time() -> None:
    talking = client()
    talking.say(now=10.0, type="input_audio_buffer.append", audio="")
    began = talking.session.next_at
    assert 10 <= began <= 14
    for _ in range(11):
        talking.session.speak(talking.session.next_at)
    talking.read()
    spoken = talking.kinds[2:]
    assert spoken[:2] == ["response.created", "response.output_item.added"]
    assert spoken.count("response.output_audio.delta") == 10
    assert spoken[-1] == "response.done"
    assert talking.session.next_at == pytest.approx(began + 11 * 0.04)
    talking.session.speak(talking.session.next_at)
    assert talking.session.next_at == pytest.approx(began + 4.0)  # half of the time it is quiet


@pytest.mark.parametrize(("audio", "rate", "law"), [("audio/pcm", 24_000, False), ("audio/pcmu", 8_000, True)])
def test_a_loud_packet_is_found_in_an_append(audio: str, rate: int, law: bool) -> None:
    import pybase64

    frame = rate // 50
    samples = np.zeros(3 * frame, np.int16)
    samples[frame : 2 * frame] = 12_000
    sent = g711.pcmu_encode(samples) if law else samples.tobytes()
    talking = client(audio)
    talking.say(now=3.0, type="input_audio_buffer.append", audio=pybase64.b64encode(sent).decode())
    assert talking.session.appended == [Appended(7, 3.0, 1, 1)]


def test_half_a_loud_packet_is_none() -> None:
    samples = np.zeros(1440, np.int16)
    samples[:100] = 12_000
    assert marked(samples, 480) is None


def test_being_asked_for_a_response_it_makes_an_empty_one() -> None:
    talking = client()
    talking.say(type="response.create", response={"metadata": {"utterance": "local:1"}})
    assert talking.kinds[2:] == ["response.created", "response.done"]


@given(payload=st.binary(max_size=300), mask=st.binary(min_size=4, max_size=4))
@settings(max_examples=50)
def test_unmasking_is_its_own_inverse(payload: bytes, mask: bytes) -> None:
    assert unmasked(unmasked(payload, mask), mask) == payload
    assert unmasked(payload, mask)[:1] == bytes(one ^ mask[0] for one in payload[:1])


# -- both together ----------------------------------------------------------------------------------------------------


def loaded(heard: CallHeard) -> Loaded:
    return Loaded(
        offered=1, up=1, refused={}, gone=0, window=(10.0, 20.0), cpu_s=1.0, rss_kb=100, received=500, expected=500,
        late=0, gap_ms=Spread(), setup_ms=Spread(), sender_ms=Spread(), heard=(heard,),
    )  # fmt: skip


def report(said: tuple[Said, ...], appended: tuple[Appended, ...]) -> PeerReport:
    return PeerReport(sessions=1, appends=1, late_ms=Spread(), cpu_s=0.1, said=said, appended=appended)


def test_a_deltas_and_an_appends_way_are_measured_from_end_to_end() -> None:
    mark = Marked(tuple(12.0 + 0.02 * place for place in range(7)))  # the loud packet left at 12.06
    call = CallHeard((Sounded(7, 1, 12.513), Sounded(9, 3, 14.0)), (mark,))
    found = latencies(loaded(call), report((Said(7, 1, 12.5),), (Appended(7, 12.084, 1, 1), Appended(8, 12.5, 0, 2))))
    assert (found.delta_to_rtp.p50, found.delta_to_rtp.count) == (13.0, 1)
    assert (found.batch_to_append.p50, found.first_to_append.p50) == (4.0, 44.0)


def test_what_was_not_said_or_not_in_the_window_is_not_measured() -> None:
    call = CallHeard((Sounded(7, 1, 9.9), Sounded(7, 2, 18.0)), ())
    found = latencies(loaded(call), report((Said(7, 1, 9.89), Said(7, 2, 16.5)), ()))
    assert found.delta_to_rtp.count == 0
