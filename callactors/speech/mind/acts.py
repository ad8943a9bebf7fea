"""What a mind decides: to say something, or to use a tool. Values only; the cascade performs them."""

from __future__ import annotations

from typing import Any

import attrs


@attrs.frozen
class Say:
    """Speak this. Its first sentence is short, so that the first audio comes soon."""

    text: str


@attrs.frozen
class Use:
    """Run this tool; its output comes back by `tool_finished` with this `call_id`. Arguments are JSON values."""

    tool: str
    arguments: dict[str, Any]
    call_id: str = attrs.field(default="", eq=False)


Act = Say | Use
