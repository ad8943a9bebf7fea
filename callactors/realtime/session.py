"""The session.update of a phone call (WIRE-FORMATS 2.1), built from plain arguments.

Turn detection stays at the server; the audio format is the same both ways; one modality (audio, with transcript).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from callactors.audio.format import AudioFormat
from callactors.realtime.events import SessionUpdate
from callactors.realtime.items import (
    AudioInput,
    AudioOutput,
    FunctionTool,
    NoiseReduction,
    Session,
    SessionAudio,
    Transcription,
    TurnDetection,
    WireFormat,
)


@attrs.frozen
class Profile:
    """What a model session is told about its call. `tools` are objects with name, description and parameters."""

    instructions: str
    format: AudioFormat
    tools: Sequence[Mapping[str, Any]] = ()
    voice: str | None = None
    model: str | None = None  # also in the URL; a session cannot change it
    language: str | None = None
    transcription_model: str | None = "gpt-transcribe"
    noise_reduction: str | None = "near_field"
    silence_ms: int = 500  # how long a pause ends the caller's turn
    threshold: float = 0.5
    idle_ms: int | None = None  # the model asks "are you still there?" after this much silence
    interrupt_response: bool = True
    max_output_tokens: int | None = 1024
    speed: float | None = None


def session_update(profile: Profile, event_id: str | None = None) -> SessionUpdate:
    """The first thing a client says; audio may flow once session.updated has answered it."""
    wire = WireFormat.of(profile.format)
    audio = SessionAudio(input=_input(profile, wire), output=_output(profile, wire))
    session = Session(
        type="realtime",
        model=profile.model,
        instructions=profile.instructions,
        output_modalities=("audio",),
        max_output_tokens=profile.max_output_tokens,
        audio=audio,
        tools=function_tools(profile.tools),
        tool_choice="auto",
    )
    return SessionUpdate(session=session, event_id=event_id)


def swap_update(instructions: str, tools: Sequence[Mapping[str, Any]], event_id: str | None = None) -> SessionUpdate:
    """Another agent takes over in the same session: instructions and tools change, all else stays."""
    session = Session(type="realtime", instructions=instructions, tools=function_tools(tools))
    return SessionUpdate(session=session, event_id=event_id)


def function_tools(tools: Sequence[Mapping[str, Any]]) -> tuple[FunctionTool, ...]:
    return tuple(
        FunctionTool(
            name=tool["name"],
            description=tool.get("description", ""),
            parameters=dict(tool.get("parameters") or {"type": "object", "properties": {}}),
        )
        for tool in tools
    )


def _input(profile: Profile, wire: WireFormat) -> AudioInput:
    transcription = profile.transcription_model and Transcription(
        model=profile.transcription_model, language=profile.language
    )
    return AudioInput(
        format=wire,
        noise_reduction=NoiseReduction(type=profile.noise_reduction) if profile.noise_reduction else None,
        transcription=transcription or None,
        turn_detection=_turn_detection(profile),
    )


def _output(profile: Profile, wire: WireFormat) -> AudioOutput:
    return AudioOutput(format=wire, voice=profile.voice, speed=profile.speed)


def _turn_detection(profile: Profile) -> TurnDetection:
    return TurnDetection(
        type="server_vad",
        threshold=profile.threshold,
        prefix_padding_ms=300,
        silence_duration_ms=profile.silence_ms,
        idle_timeout_ms=profile.idle_ms,
        create_response=True,
        interrupt_response=profile.interrupt_response,
    )
