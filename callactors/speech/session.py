"""A Realtime session's settings as the cascade keeps them, and what it makes of a session.update (WIRE-FORMATS 2.1).

- Unset means unchanged, null means off. A value we cannot honour is InvalidValue, and then nothing has changed.
- Voice and model names are free text: they are told back, never chosen by.
"""

from __future__ import annotations

from typing import Any

import attrs
from msgspec import UNSET

from callactors.audio.format import AudioFormat
from callactors.errors import Theirs
from callactors.realtime.items import (
    AudioInput,
    AudioOutput,
    FunctionTool,
    Session,
    SessionAudio,
    Transcription,
    TurnDetection,
    WireFormat,
)
from callactors.speech.endpointing import HANG_OVER_MS

MODEL = "callactors-embedded"


class InvalidValue(Theirs):
    """A client event asks for what we cannot do: `param` is the field, `code` the Realtime error code."""

    def __init__(self, param: str, problem: str, code: str = "invalid_value") -> None:
        self.param, self.problem, self.code = param, problem, code
        super().__init__(f"{param}: {problem}" if param else problem)


@attrs.frozen
class Turns:
    """Server VAD: when a turn is over, and what we then do of our own accord."""

    threshold: float = 0.5
    prefix_ms: int = 300
    hang_over_ms: int = HANG_OVER_MS
    create_response: bool = True
    interrupt_response: bool = True


@attrs.frozen
class Settings:
    """What the client has set so far. `turns` None is push-to-talk."""

    id: str
    model: str = MODEL
    instructions: str = ""
    tools: tuple[FunctionTool, ...] = ()
    spoken: bool = True  # output_modalities: audio, or text alone
    heard_as: AudioFormat = AudioFormat.PCM16
    spoken_as: AudioFormat = AudioFormat.PCM16
    voice: str | dict[str, Any] = "joe"
    transcribed: bool = True  # whether transcripts of the caller are told
    turns: Turns | None = Turns()

    def wire(self) -> Session:
        """As session.created and session.updated tell it."""
        return Session(
            type="realtime",
            object="realtime.session",
            id=self.id,
            model=self.model,
            instructions=self.instructions,
            output_modalities=("audio",) if self.spoken else ("text",),
            tools=self.tools,
            tool_choice="auto",
            audio=SessionAudio(
                input=AudioInput(
                    format=WireFormat.of(self.heard_as),
                    transcription=Transcription(model="whisper-tiny.en", language="en") if self.transcribed else None,
                    turn_detection=_told(self.turns),
                ),
                output=AudioOutput(format=WireFormat.of(self.spoken_as), voice=self.voice, speed=1.0),
            ),
        )

    def updated(self, wanted: Session) -> Settings:
        """These settings with what `wanted` asks for. Raises InvalidValue."""
        if wanted.type != "realtime":
            raise InvalidValue("session.type", f"{wanted.type} sessions are not available; use realtime")
        if wanted.tool_choice not in (None, "auto"):
            raise InvalidValue("session.tool_choice", f"{wanted.tool_choice} is not available; use auto")
        audio = wanted.audio or SessionAudio()
        changes: dict[str, Any] = _spoken(wanted) | _heard(self, audio.input) | _voiced(audio.output)
        if wanted.instructions is not None:
            changes["instructions"] = wanted.instructions
        if wanted.tools is not None:
            changes["tools"] = _checked_tools(wanted.tools)
        return attrs.evolve(self, **changes)


def _told(turns: Turns | None) -> TurnDetection | None:
    if turns is None:
        return None
    return TurnDetection(
        type="server_vad",
        threshold=turns.threshold,
        prefix_padding_ms=turns.prefix_ms,
        silence_duration_ms=turns.hang_over_ms,
        create_response=turns.create_response,
        interrupt_response=turns.interrupt_response,
    )


def modalities(wanted: tuple[str, ...] | None, param: str) -> bool | None:
    """Whether audio is wanted; None where nothing was said. Raises InvalidValue."""
    if wanted is None:
        return None
    if set(wanted) not in ({"audio"}, {"text"}):
        raise InvalidValue(param, f'{list(wanted)} is not available; use ["audio"] or ["text"]')
    return "audio" in wanted


def _spoken(wanted: Session) -> dict[str, Any]:
    spoken = modalities(wanted.output_modalities, "session.output_modalities")
    return {} if spoken is None else {"spoken": spoken}


def _heard(current: Settings, wanted: AudioInput | None) -> dict[str, Any]:
    if wanted is None:
        return {}
    changes: dict[str, Any] = {}
    if wanted.format is not None:
        changes["heard_as"] = _format(wanted.format, "session.audio.input.format")
    if wanted.transcription is not UNSET:
        changes["transcribed"] = wanted.transcription is not None
    if isinstance(wanted.turn_detection, TurnDetection):
        changes["turns"] = _turns(current.turns or Turns(), wanted.turn_detection)
    elif wanted.turn_detection is None:
        changes["turns"] = None
    return changes


def _voiced(wanted: AudioOutput | None) -> dict[str, Any]:
    if wanted is None:
        return {}
    changes: dict[str, Any] = {}
    if wanted.format is not None:
        changes["spoken_as"] = _format(wanted.format, "session.audio.output.format")
    if wanted.voice is not None:
        changes["voice"] = wanted.voice
    return changes


def _format(wanted: WireFormat, param: str) -> AudioFormat:
    found = wanted.audio_format
    if found is None:
        rate = f" at {wanted.rate}" if wanted.rate else ""
        raise InvalidValue(
            param, f"{wanted.type}{rate} is not available; use audio/pcm (24000), audio/pcmu, audio/pcma"
        )
    return found


def _turns(current: Turns, wanted: TurnDetection) -> Turns:
    param = "session.audio.input.turn_detection"
    if wanted.type != "server_vad":
        raise InvalidValue(f"{param}.type", f"{wanted.type} is not available; use server_vad or null")
    _within(wanted.threshold, 0.0, 1.0, f"{param}.threshold")
    _within(wanted.prefix_padding_ms, 0, 5_000, f"{param}.prefix_padding_ms")
    _within(wanted.silence_duration_ms, 100, 10_000, f"{param}.silence_duration_ms")
    asked = {
        "threshold": wanted.threshold,
        "prefix_ms": wanted.prefix_padding_ms,
        "hang_over_ms": wanted.silence_duration_ms,
        "create_response": wanted.create_response,
        "interrupt_response": wanted.interrupt_response,
    }
    changes: dict[str, Any] = {name: value for name, value in asked.items() if value is not None}
    return attrs.evolve(current, **changes)


def _within(value: float | None, low: float, high: float, param: str) -> None:
    if value is not None and not low <= value <= high:
        raise InvalidValue(param, f"{value} is not between {low} and {high}")


def _checked_tools(tools: tuple[FunctionTool, ...]) -> tuple[FunctionTool, ...]:
    names: set[str] = set()
    for number, tool in enumerate(tools):
        if tool.type != "function":
            raise InvalidValue(f"session.tools[{number}].type", f"{tool.type} is not available; use function")
        if not tool.name or tool.name in names:
            raise InvalidValue(f"session.tools[{number}].name", f"{tool.name!r} is empty or named twice")
        names.add(tool.name)
    return tools
