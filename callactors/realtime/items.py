"""What Realtime events are made of: items, content parts, responses, usage, session settings (WIRE-FORMATS 2.1-2.4).

- Decoding is lenient (unknown fields are ignored, most fields may be absent): a peer's novelty must not end a call.
- Encoding leaves out what is None or UNSET: in a session, unset means unchanged and null means off.
- Nothing here has a `type` default that could be left out of the wire.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from callactors.audio.format import AudioFormat


class Part(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One content part: input_text, input_audio, output_text, output_audio (in response events: text, audio)."""

    type: str
    text: str | None = None
    audio: bytes | None = None
    transcript: str | None = None


class Item(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One item of the conversation: `type` is message, function_call or function_call_output."""

    type: str
    id: str | None = None
    object: str | None = None
    role: str | None = None  # user, assistant, system
    status: str | None = None  # in_progress, completed, incomplete
    content: tuple[Part, ...] | None = None
    name: str | None = None  # function_call
    call_id: str | None = None
    arguments: str | None = None  # JSON as text
    output: str | None = None  # function_call_output


class ErrorDetail(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`event_id` is the client event that was wrong, where the server knows."""

    type: str = ""
    code: str | None = None
    message: str = ""
    param: str | None = None
    event_id: str | None = None


class StatusDetails(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    type: str | None = None  # completed, cancelled, failed, incomplete
    reason: str | None = None  # turn_detected, client_cancelled, max_output_tokens, content_filter
    error: ErrorDetail | None = None


class CachedTokens(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    audio_tokens: int | None = None
    text_tokens: int | None = None


class TokenDetails(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    audio_tokens: int | None = None
    text_tokens: int | None = None
    cached_tokens: int | None = None
    cached_tokens_details: CachedTokens | None = None


class Usage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a response or a transcription costs: tokens, or `type` "duration" with `seconds`."""

    type: str | None = None
    total_tokens: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    input_token_details: TokenDetails | None = None
    output_token_details: TokenDetails | None = None
    seconds: float | None = None


class Response(msgspec.Struct, frozen=True, kw_only=True):
    """A response's state. `status`: in_progress, completed, cancelled, failed, incomplete."""

    id: str = ""
    object: str = "realtime.response"
    status: str = "in_progress"
    status_details: StatusDetails | None = None
    output: tuple[Item, ...] = ()
    usage: Usage | None = None
    metadata: dict[str, Any] | None = None


class FunctionTool(msgspec.Struct, frozen=True, kw_only=True):
    """A tool as the model sees it; `parameters` is a JSON schema."""

    type: str = "function"
    name: str = ""
    description: str = ""
    parameters: dict[str, Any] | None = {}


class ResponseSettings(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The optional body of response.create."""

    instructions: str | None = None
    output_modalities: tuple[str, ...] | None = None
    conversation: str | None = None  # "none" is out of band
    metadata: dict[str, str] | None = None
    input: tuple[Item, ...] | None = None
    tools: tuple[FunctionTool, ...] | None = None
    tool_choice: str | dict[str, Any] | None = None
    max_output_tokens: int | str | None = None


class WireFormat(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """audio/pcm (rate 24000 only), audio/pcmu or audio/pcma."""

    type: str
    rate: int | None = None

    @classmethod
    def of(cls, format: AudioFormat) -> WireFormat:
        """Raises ValueError for an encoding Realtime does not speak."""
        if format not in _WIRE_FORMATS:
            raise ValueError(f"no Realtime format for {format}")
        return _WIRE_FORMATS[format]

    @property
    def audio_format(self) -> AudioFormat | None:
        """None when the encoding is none of ours."""
        if self.type == "audio/pcm" and self.rate not in (None, 24_000):
            return None
        return _AUDIO_FORMATS.get(self.type)


_AUDIO_FORMATS = {"audio/pcm": AudioFormat.PCM16, "audio/pcmu": AudioFormat.PCMU, "audio/pcma": AudioFormat.PCMA}
_WIRE_FORMATS = {
    AudioFormat.PCM16: WireFormat(type="audio/pcm", rate=24_000),
    AudioFormat.PCMU: WireFormat(type="audio/pcmu"),
    AudioFormat.PCMA: WireFormat(type="audio/pcma"),
}


class NoiseReduction(msgspec.Struct, frozen=True, kw_only=True):
    type: str = "near_field"


class Transcription(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    model: str | None = None
    language: str | None = None
    prompt: str | None = None


class TurnDetection(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """server_vad (threshold, paddings, idle) or semantic_vad (eagerness). Times in ms."""

    type: str
    threshold: float | None = None
    prefix_padding_ms: int | None = None
    silence_duration_ms: int | None = None
    idle_timeout_ms: int | None = None
    eagerness: str | None = None
    create_response: bool | None = None
    interrupt_response: bool | None = None


class AudioInput(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    format: WireFormat | None = None
    noise_reduction: NoiseReduction | UnsetType | None = UNSET
    transcription: Transcription | UnsetType | None = UNSET
    turn_detection: TurnDetection | UnsetType | None = UNSET


class AudioOutput(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    format: WireFormat | None = None
    voice: str | dict[str, Any] | None = None
    speed: float | None = None


class SessionAudio(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    input: AudioInput | None = None
    output: AudioOutput | None = None


class Session(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A session's settings in GA shape, as asked for (session.update) and as told (session.created, .updated)."""

    type: Literal["realtime", "transcription"]
    id: str | None = None
    object: str | None = None
    expires_at: int | None = None  # unix seconds
    model: str | None = None
    instructions: str | None = None
    output_modalities: tuple[str, ...] | None = None
    max_output_tokens: int | str | None = None
    audio: SessionAudio | None = None
    tools: tuple[FunctionTool, ...] | None = None
    tool_choice: str | dict[str, Any] | None = None
    truncation: str | dict[str, Any] | None = None
    reasoning: dict[str, Any] | None = None
    temperature: float | None = None  # beta only


class RateLimit(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    name: str | None = None
    limit: int | None = None
    remaining: int | None = None
    reset_seconds: float | None = None
