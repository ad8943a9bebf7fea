"""The beta shape of the Realtime API as a rewriting of GA objects, both ways (WIRE-FORMATS section 3's table).

Works on decoded JSON objects. Dead at api.openai.com, still spoken by compatible servers. What beta does not know
(truncation, reasoning, idle_timeout_ms) is left out on the way to it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Json = dict[str, Any]

_NAMES: dict[str, str] = {  # beta's name: GA's
    "response.audio.delta": "response.output_audio.delta",
    "response.audio.done": "response.output_audio.done",
    "response.audio_transcript.delta": "response.output_audio_transcript.delta",
    "response.audio_transcript.done": "response.output_audio_transcript.done",
    "response.text.delta": "response.output_text.delta",
    "response.text.done": "response.output_text.done",
    "transcription_session.update": "session.update",
    "transcription_session.updated": "session.updated",
}
_BETA_NAMES: dict[str, str] = {ga: beta for beta, ga in _NAMES.items() if not beta.startswith("transcription")} | {
    "conversation.item.added": "conversation.item.created"  # GA's .done has no counterpart and keeps its name
}
_FORMATS = {"pcm16": "audio/pcm", "g711_ulaw": "audio/pcmu", "g711_alaw": "audio/pcma"}
_BETA_FORMATS = {ga: beta for beta, ga in _FORMATS.items()}
_SAME = ("id", "object", "expires_at", "model", "instructions", "tools", "tool_choice", "temperature")
_SAME_RESPONSE = ("instructions", "conversation", "metadata", "tools", "tool_choice")


def knows(name: str) -> bool:
    """Whether this is a beta name of an event GA calls otherwise."""
    return name in _NAMES


def to_beta(event: Json) -> Json:
    """A GA event as beta writes it."""
    name = str(event["type"])
    renamed = _BETA_NAMES.get(name, name)
    if name == "session.update" and event["session"].get("type") == "transcription":
        renamed = "transcription_session.update"
    flat = _rewritten(event, renamed, _flat_session, _flat_response, _flat_item)
    if name == "session.update":
        flat["session"].pop("model", None)  # beta takes it from the URL alone
    return flat


def to_ga(event: Json) -> Json:
    """A beta event as GA writes it. Raises TypeError, AttributeError or KeyError for what is no event at all."""
    name = str(event["type"])
    event = _rewritten(event, _NAMES.get(name, name), _deep_session, _deep_response, _deep_item)
    if name.startswith("transcription_session."):
        event["session"]["type"] = "transcription"
    return event


def _rewritten(
    event: Json,
    name: str,
    session: Callable[[Json], Json],
    response: Callable[[Json], Json],
    item: Callable[[Json], Json],
) -> Json:
    event = {**event, "type": name}
    for field, change in (("session", session), ("response", response), ("item", item)):
        if event.get(field) is not None:
            event[field] = change(_object(event[field]))
    return event


def _object(value: Any) -> Json:
    if not isinstance(value, dict):
        raise TypeError("not an object")
    return value


# -- sessions -----------------------------------------------------------------------------------------------------


def _flat_session(session: Json) -> Json:
    audio = session.get("audio") or {}
    into, out = audio.get("input") or {}, audio.get("output") or {}
    flat = {name: session[name] for name in _SAME if name in session}
    _copy(session, "output_modalities", flat, "modalities", _flat_modalities)
    _copy(session, "max_output_tokens", flat, "max_response_output_tokens")
    _copy(into, "format", flat, "input_audio_format", _flat_format)
    _copy(into, "noise_reduction", flat, "input_audio_noise_reduction")
    _copy(into, "transcription", flat, "input_audio_transcription")
    _copy(into, "turn_detection", flat, "turn_detection", _flat_turns)
    _copy(out, "format", flat, "output_audio_format", _flat_format)
    _copy(out, "voice", flat, "voice")
    _copy(out, "speed", flat, "speed")
    return flat


def _deep_session(flat: Json) -> Json:
    session: Json = {"type": "realtime", **{name: flat[name] for name in _SAME if name in flat}}
    into: Json = {}
    out: Json = {}
    _copy(flat, "modalities", session, "output_modalities", _deep_modalities)
    _copy(flat, "max_response_output_tokens", session, "max_output_tokens")
    _copy(flat, "input_audio_format", into, "format", _deep_format)
    _copy(flat, "input_audio_noise_reduction", into, "noise_reduction")
    _copy(flat, "input_audio_transcription", into, "transcription")
    _copy(flat, "turn_detection", into, "turn_detection")
    _copy(flat, "output_audio_format", out, "format", _deep_format)
    _copy(flat, "voice", out, "voice")
    _copy(flat, "speed", out, "speed")
    if into or out:
        session["audio"] = {**({"input": into} if into else {}), **({"output": out} if out else {})}
    return session


def _copy(
    source: Mapping[str, Any], name: str, target: Json, called: str, change: Callable[[Any], Any] | None = None
) -> None:
    if name in source:
        target[called] = change(source[name]) if change and source[name] is not None else source[name]


def _flat_modalities(modalities: list[str]) -> list[str]:
    return ["text", "audio"] if "audio" in modalities else ["text"]


def _deep_modalities(modalities: list[str]) -> list[str]:
    return ["audio"] if "audio" in modalities else ["text"]


def _flat_format(format: Json) -> str:
    return _BETA_FORMATS.get(format.get("type", ""), "pcm16")


def _deep_format(name: str) -> Json:
    kind = _FORMATS.get(name, name)
    return {"type": kind, "rate": 24_000} if kind == "audio/pcm" else {"type": kind}


def _flat_turns(turns: Json) -> Json:
    return {name: value for name, value in turns.items() if name != "idle_timeout_ms"}


# -- responses and items ------------------------------------------------------------------------------------------


def _flat_response(response: Json) -> Json:
    if "status" in response:  # a server telling, not a client asking
        return {**response, "output": [_flat_item(item) for item in response.get("output") or ()]}
    flat = {name: response[name] for name in _SAME_RESPONSE if name in response}
    _copy(response, "output_modalities", flat, "modalities", _flat_modalities)
    _copy(response, "max_output_tokens", flat, "max_response_output_tokens")
    _copy(response, "input", flat, "input", lambda items: [_flat_item(item) for item in items])
    return flat


def _deep_response(response: Json) -> Json:
    if "status" in response:
        return {**response, "output": [_deep_item(item) for item in response.get("output") or ()]}
    deep = {name: response[name] for name in _SAME_RESPONSE if name in response}
    _copy(response, "modalities", deep, "output_modalities", _deep_modalities)
    _copy(response, "max_response_output_tokens", deep, "max_output_tokens")
    _copy(response, "input", deep, "input", lambda items: [_deep_item(item) for item in items])
    return deep


def _flat_item(item: Json) -> Json:
    return _with_parts(item, {"output_text": "text", "output_audio": "audio"})


def _deep_item(item: Json) -> Json:
    return _with_parts(item, {"text": "output_text", "audio": "output_audio"})


def _with_parts(item: Json, names: Mapping[str, str]) -> Json:
    if not item.get("content"):
        return item
    return {**item, "content": [{**part, "type": names.get(part["type"], part["type"])} for part in item["content"]]}
