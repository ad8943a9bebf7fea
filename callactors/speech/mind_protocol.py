"""What a mind must do to sit in the cascade: hear words and say what happens next. It does no I/O and never waits.

The embedded one is speech/mind; a chat model behind the same face may take its place; tests script one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable


class Say(Protocol):
    """An act: speak `text`."""

    @property
    def text(self) -> str: ...


@runtime_checkable
class Use(Protocol):
    """An act: run `tool` with `arguments`; its output comes back through `tool_finished`."""

    @property
    def tool(self) -> str: ...

    @property
    def arguments(self) -> Mapping[str, Any]: ...


Act = Say | Use


class MindProtocol(Protocol):
    """One conversation. The acts returned are done in their order."""

    def configure(self, instructions: str, tools: Sequence[Mapping[str, Any]]) -> None:
        """New instructions and tools (name, description, parameters as JSON schema); the conversation goes on."""

    def hear(self, text: str) -> Sequence[Any]:
        """The caller's words, a finished utterance."""

    def tool_finished(self, call_id: str, output: str) -> Sequence[Any]:
        """The output of the tool asked for."""

    def wake(self) -> Sequence[Any]:
        """A turn was asked for without new words."""


MakeMind = Callable[[], MindProtocol]
