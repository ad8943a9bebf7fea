"""session.update: unset is unchanged, null is off, what we cannot do is refused and changes nothing."""

from __future__ import annotations

import pytest

from callactors.audio.format import AudioFormat
from callactors.realtime.items import (
    AudioInput,
    AudioOutput,
    FunctionTool,
    Session,
    SessionAudio,
    TurnDetection,
    WireFormat,
)
from callactors.speech.session import InvalidValue, Settings, Turns

BEFORE = Settings("sess_1", instructions="Be kind.")


def update(audio_input: AudioInput | None = None, audio_output: AudioOutput | None = None) -> Settings:
    return BEFORE.updated(Session(type="realtime", audio=SessionAudio(input=audio_input, output=audio_output)))


def test_unset_is_unchanged() -> None:
    assert BEFORE.updated(Session(type="realtime")) == BEFORE


def test_formats_go_each_way_by_themselves() -> None:
    after = update(AudioInput(format=WireFormat(type="audio/pcmu")), AudioOutput(format=WireFormat(type="audio/pcma")))
    assert (after.heard_as, after.spoken_as) == (AudioFormat.PCMU, AudioFormat.PCMA)


def test_null_turn_detection_is_push_to_talk() -> None:
    assert update(AudioInput(turn_detection=None)).turns is None


def test_server_vad_may_be_set_in_part() -> None:
    after = update(AudioInput(turn_detection=TurnDetection(type="server_vad", silence_duration_ms=700)))
    assert after.turns == Turns(hang_over_ms=700)


def test_what_is_told_back_can_be_sent_again() -> None:
    assert BEFORE.updated(BEFORE.wire()) == BEFORE


@pytest.mark.parametrize(
    ("wanted", "param"),
    [
        (Session(type="transcription"), "session.type"),
        (Session(type="realtime", output_modalities=("video",)), "session.output_modalities"),
        (Session(type="realtime", tool_choice="required"), "session.tool_choice"),
        (Session(type="realtime", tool_choice={"type": "function", "name": "a"}), "session.tool_choice"),
        (Session(type="realtime", tools=(FunctionTool(name="a"), FunctionTool(name="a"))), "session.tools[1].name"),
        (Session(type="realtime", tools=(FunctionTool(type="mcp", name="a"),)), "session.tools[0].type"),
    ],
)
def test_what_we_cannot_do_names_its_field(wanted: Session, param: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        BEFORE.updated(wanted)
    assert refused.value.param == param


@pytest.mark.parametrize("wire", [WireFormat(type="audio/opus"), WireFormat(type="audio/pcm", rate=16_000)])
def test_other_formats_are_refused(wire: WireFormat) -> None:
    with pytest.raises(InvalidValue, match="use audio/pcm"):
        update(AudioInput(format=wire))


@pytest.mark.parametrize(
    "detection",
    [
        TurnDetection(type="semantic_vad"),
        TurnDetection(type="server_vad", threshold=1.5),
        TurnDetection(type="server_vad", silence_duration_ms=5),
        TurnDetection(type="server_vad", prefix_padding_ms=-1),
    ],
)
def test_turn_detection_outside_its_bounds_is_refused(detection: TurnDetection) -> None:
    with pytest.raises(InvalidValue, match="turn_detection"):
        update(AudioInput(turn_detection=detection))
