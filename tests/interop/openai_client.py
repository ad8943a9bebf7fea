"""The official `openai` package's Realtime client as a program, driven line by line: asyncio stays in its process.

- A line of stdin is one call: {"call": "conversation.item.truncate", "with": {...}}; its end closes the connection.
- A line of stdout is one server event as the client gave it to us. `unread` says what the client's own models could
  not read of it: an unknown type, a missing field, one too many.
"""

from __future__ import annotations

import asyncio  # noqa: TID251  # the openai package has no client for Trio
import functools
import json
import os
import sys
from typing import Any

from openai import AsyncOpenAI
from openai.types.realtime import RealtimeServerEvent
from pydantic import BaseModel, TypeAdapter, ValidationError

_LONGEST = 2**24  # bytes in a line
_UNTOLD = {"$.session.id", "$.session.object"}  # OpenAI's own server sends them; its package has no field for them
_MODELS: TypeAdapter[Any] = TypeAdapter(RealtimeServerEvent)


async def main(url: str) -> None:
    """Serve stdin and stdout until either end closes. `url` is .../v1/realtime."""
    client = AsyncOpenAI(api_key="none", websocket_base_url=url.removesuffix("/realtime"))
    async with client.realtime.connect(model="any") as connection:
        listening = asyncio.create_task(_listen(connection))
        await _obey(connection)
        await connection.close()
        await listening


async def _listen(connection: Any) -> None:
    async for event in connection:
        facts = event.to_dict(mode="json")
        print(json.dumps({**facts, "unread": unread(facts, type(event))}), flush=True)


async def _obey(connection: Any) -> None:
    loop = asyncio.get_running_loop()
    lines = asyncio.StreamReader(limit=_LONGEST)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), os.fdopen(0, "rb"))
    while line := await lines.readline():
        order = json.loads(line)
        verb = functools.reduce(getattr, order["call"].split("."), connection)
        await verb(**order["with"])


def unread(facts: dict[str, Any], given: type) -> list[str]:
    """What the package's models cannot make of an event it gave us as `given`."""
    try:
        strict = _MODELS.validate_python(facts)
    except ValidationError as problem:
        return [str(problem)]
    wrong = [] if type(strict) is given else [f"given as {given.__name__}, and is {type(strict).__name__}"]
    return wrong + [field for field in unknown_fields(strict) if field not in _UNTOLD]


def unknown_fields(value: Any, path: str = "$") -> list[str]:
    """The fields of a parsed model that the package does not know, nested ones included."""
    found: list[str] = []
    if isinstance(value, BaseModel):
        found += [f"{path}.{name}" for name in value.model_extra or {}]
        for name in type(value).model_fields:
            found += unknown_fields(getattr(value, name), f"{path}.{name}")
    elif isinstance(value, list | tuple):
        for place, inner in enumerate(value):
            found += unknown_fields(inner, f"{path}[{place}]")
    return found


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
