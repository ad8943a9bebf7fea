"""What a tool returned, as the model hears it and as the call record notes it.

A tool returns a sentence, or a dict: `say` (a sentence for the caller), `ok` (False: it said no), and by need
`mend` (arguments to ask again), `offers` (argument -> values worth offering), `then` (the tool that usually follows),
`outcomes` (when it had others than the declared one), and any facts of its own.
"""

from __future__ import annotations

from typing import Any

import msgspec

from callactors.tools.tool import Tool


def output_of(result: Any) -> str:
    """A tool's result as the text of a function_call_output. Raises TypeError on values JSON does not know."""
    return msgspec.json.encode({"ok": True, "say": result} if isinstance(result, str) else result).decode()


def outcomes_of(tool: Tool, result: Any) -> tuple[str, ...]:
    """The outcomes a finished tool brought about: none when it said no."""
    if isinstance(result, dict):
        if not result.get("ok", True):
            return ()
        if "outcomes" in result:
            return tuple(result["outcomes"])
    return (tool.outcome,) if tool.outcome else ()
