"""What a conversation asks its shell to do: the answer to every input is a list of these, to be done in order."""

from __future__ import annotations

import attrs

from callactors.realtime.events import ClientEvent
from callactors.realtime.items import Usage


@attrs.frozen
class Ready:
    """The session is set up: the caller's audio may flow."""


@attrs.frozen
class Send:
    event: ClientEvent


@attrs.frozen
class Play:
    utterance: str
    audio: bytes


@attrs.frozen
class EndOfUtterance:
    """No more audio of it comes."""

    utterance: str


@attrs.frozen
class Stop:
    """The caller speaks: flush play-out, and answer with `cut_off`."""


@attrs.frozen
class SpeechOver:
    """The model says that the caller has stopped; answer with `last_heard`, where that is known."""

    at: float


@attrs.frozen
class Request:
    """A tool request; `arguments` is the model's JSON, unchecked. Answer with `tool_finished`."""

    tool_request_id: str
    tool: str
    arguments: str


@attrs.frozen
class Turn:
    """One exchange is over. `stages` in ms after the end of the caller's speech."""

    heard: str
    said: str
    cut_ms: int | None
    stages: dict[str, float]


@attrs.frozen
class Stumbled:
    """A response failed, and its one retry too: somebody else must say something."""

    code: str


@attrs.frozen
class Used:
    usage: Usage


@attrs.frozen
class Lost:
    """The session is of no more use. A fatal one would fail again with the same settings."""

    code: str
    fatal: bool


Action = Ready | Send | Play | EndOfUtterance | Stop | SpeechOver | Request | Turn | Stumbled | Used | Lost
