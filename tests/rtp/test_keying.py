"""Digits on their way out: as events, as tones, and not more than can be sent."""

from __future__ import annotations

import pytest

from callactors.audio.format import AudioFormat
from callactors.rtp.keying import MOST, Keying
from callactors.rtp.playout import FRAME
from callactors.rtp.telephone_event import EventPacket


def slots(keying: Keying) -> list[EventPacket | bytes | None]:
    taken: list[EventPacket | bytes | None] = []
    while keying:
        taken.append(keying.take())
    return taken


def test_a_digit_is_events_and_then_a_pause() -> None:
    keying = Keying()
    keying.press("5")
    sent = slots(keying)
    assert isinstance(sent[0], EventPacket)
    assert sent[-1] is None


def test_where_no_events_are_agreed_on_it_is_a_tone() -> None:
    keying = Keying()
    keying.speak(AudioFormat.PCMU)
    keying.press("a")
    assert {len(slot) for slot in slots(keying) if isinstance(slot, bytes)} == {FRAME}


def test_what_is_no_key_is_refused_and_nothing_of_it_sent() -> None:
    keying = Keying()
    with pytest.raises(ValueError, match="no key"):
        keying.press("1x")
    assert not keying


def test_a_flood_of_digits_is_dropped() -> None:
    keying = Keying()
    keying.press("1" * 10_000)
    assert keying.dropped == 10_000 - MOST
    assert len(slots(keying)) < 1_600  # half a minute


@pytest.mark.parametrize("tones", [None, AudioFormat.PCMU])
def test_digits_that_have_not_begun_are_said_as_is_agreed_on_when_their_turn_comes(tones: AudioFormat | None) -> None:
    keying = Keying()
    keying.speak(tones)
    keying.press("123")
    keying.take()
    keying.speak(AudioFormat.PCM16)
    sent = slots(keying)
    assert {len(slot) for slot in sent if isinstance(slot, bytes)} == {FRAME * 6}
    assert not any(isinstance(slot, EventPacket) for slot in sent)
    alone = Keying()
    alone.speak(AudioFormat.PCM16)
    alone.press("23")
    assert sent == slots(alone)
