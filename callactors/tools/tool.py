"""A tool as a value, and the decorator that makes one of a typed function.

- The signature is the schema, the docstring the description (schema.py); nothing is written twice.
- `run` is what the function was: sync (the executor offloads it to a thread) or async (awaited on Trio).
- `run` is None for tools the call itself performs (transfer_to_human, hand_over, end_call).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import attrs

from callactors.tools.schema import Maker, describe_function

TIME_LIMIT = 5.0  # seconds, as `timers.tool` of the default configuration


@attrs.frozen
class Tool:
    """One function a model may ask for. `parameters` is its JSON schema, always an object without extra properties."""

    name: str
    description: str
    parameters: Mapping[str, Any]
    run: Callable[..., Any] | None = attrs.field(default=None, eq=False)
    writes: bool = False  # changes the world: read back to the caller first, never cancelled halfway
    time_limit: float = TIME_LIMIT  # seconds
    outcome: str | None = None  # what the call record notes when it succeeded: booking_captured, crm_created
    wants_desk: bool = False
    makers: Mapping[str, Maker] = attrs.field(
        factory=dict, eq=False
    )  # argument -> what turns JSON into its Python type

    @property
    def is_async(self) -> bool:
        """Whether `run` must be awaited; otherwise it belongs in a thread."""
        return inspect.iscoroutinefunction(self.run)

    def schema(self) -> dict[str, Any]:
        """The tool as a Realtime session.update carries it."""
        return {
            "type": "function",
            "name": self.name,
            "description": self.description,
            "parameters": dict(self.parameters),
        }

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run it, as the plain function it was written as."""
        if self.run is None:
            raise TypeError(f"{self.name} is performed by the call, not by a function")
        return self.run(*args, **kwargs)


def tool(
    *, writes: bool = False, outcome: str | None = None, time_limit: float = TIME_LIMIT, name: str | None = None
) -> Callable[[Callable[..., Any]], Tool]:
    """Make a Tool of a typed, documented function. Raises TypeError, as the file loads, on a type no caller can say.

    >>> @tool(writes=True, outcome="booking_captured")
    ... def book(day: date) -> str:
    ...     '''Book a visit.
    ...
    ...     Args:
    ...         day: the day of the visit
    ...     '''
    """

    def make(function: Callable[..., Any]) -> Tool:
        described = describe_function(function)
        return Tool(
            name=name or described.name,
            description=described.description,
            parameters=described.parameters,
            run=function,
            writes=writes,
            time_limit=time_limit,
            outcome=outcome,
            wants_desk=described.wants_desk,
            makers=described.makers,
        )

    return make
