"""The session.update of a phone call."""

from __future__ import annotations

import pytest

from callactors.audio.format import AudioFormat
from callactors.realtime.items import WireFormat
from callactors.realtime.session import Profile, session_update, swap_update


def test_the_format_is_the_same_both_ways() -> None:
    audio = session_update(Profile(instructions="", format=AudioFormat.PCM16)).session.audio
    assert audio is not None
    assert audio.input is not None
    assert audio.output is not None
    assert audio.input.format == audio.output.format == WireFormat(type="audio/pcm", rate=24_000)


@pytest.mark.parametrize("format", [AudioFormat.PCM16, AudioFormat.PCMU, AudioFormat.PCMA])
def test_every_format_realtime_speaks_has_a_name_on_the_wire(format: AudioFormat) -> None:
    assert WireFormat.of(format).audio_format is format


def test_a_format_realtime_does_not_speak_is_refused() -> None:
    with pytest.raises(ValueError, match="pcm16_8k"):
        WireFormat.of(AudioFormat.PCM16_8K)


@pytest.mark.parametrize("wire", [WireFormat(type="audio/pcm", rate=16_000), WireFormat(type="audio/opus")])
def test_a_wire_format_we_do_not_speak_is_none_of_ours(wire: WireFormat) -> None:
    assert wire.audio_format is None


def test_turn_detection_is_the_servers() -> None:
    update = session_update(Profile(instructions="", format=AudioFormat.PCMU, silence_ms=400, idle_ms=8000))
    assert update.session.audio is not None
    assert update.session.audio.input is not None
    detection = update.session.audio.input.turn_detection
    assert detection
    assert (detection.type, detection.silence_duration_ms, detection.idle_timeout_ms) == ("server_vad", 400, 8000)


def test_a_swap_touches_instructions_and_tools_alone() -> None:
    session = swap_update("You book.", [{"name": "find"}]).session
    assert (session.instructions, session.audio, session.tool_choice) == ("You book.", None, None)
    assert [tool.name for tool in session.tools or ()] == ["find"]
