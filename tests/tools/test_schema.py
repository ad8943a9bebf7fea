"""A tool's signature is its schema, its docstring the description."""

from __future__ import annotations

from datetime import date, datetime, time
from enum import Enum
from typing import Any, Literal

import pytest

from callactors.tools.desk import Desk
from callactors.tools.schema import describe_function, read_docstring
from callactors.tools.tool import tool


class Size(Enum):
    SMALL = "small"
    LARGE = "large"


def order(
    desk: Desk,
    what: Literal["tea", "coffee"],
    size: Size,
    count: int,
    day: date,
    at: time,
    until: datetime,
    price: float,
    hot: bool = True,
    note: str | None = None,
) -> str:
    """Order something to drink.
    It comes hot.

    Args:
        what: what to drink
        size: how large,
            in words: small or large
        note (str): anything else

    Returns:
        what: never a parameter
    """
    return f"{desk}{what}{size}{count}{day}{at}{until}{price}{hot}{note}"


def test_the_signature_becomes_the_schema() -> None:
    properties = describe_function(order).parameters["properties"]
    assert properties["what"] == {"type": "string", "enum": ["tea", "coffee"], "description": "what to drink"}
    assert properties["size"]["enum"] == ["small", "large"]
    assert [properties[name]["type"] for name in ("count", "price", "hot")] == ["integer", "number", "boolean"]
    assert [properties[name]["format"] for name in ("day", "at", "until")] == ["date", "time", "date-time"]


def test_the_desk_is_not_an_argument_of_the_model() -> None:
    described = describe_function(order)
    assert described.wants_desk
    assert "desk" not in described.parameters["properties"]
    assert described.parameters["additionalProperties"] is False


def test_what_has_a_default_or_may_be_none_is_not_required() -> None:
    required = describe_function(order).parameters["required"]
    assert "hot" not in required
    assert "note" not in required
    assert "what" in required


def test_the_docstring_gives_descriptions_and_continuation_lines_are_joined() -> None:
    described = describe_function(order)
    assert described.description == "Order something to drink. It comes hot."
    assert described.parameters["properties"]["size"]["description"] == "how large, in words: small or large"
    assert described.parameters["properties"]["note"]["description"] == "anything else"


def test_a_function_without_a_docstring_has_an_empty_description() -> None:
    assert read_docstring("") == ("", {})


def test_a_type_no_caller_can_say_is_refused_by_name() -> None:
    def wrong(things: list[str]) -> None: ...

    with pytest.raises(TypeError, match="wrong: things"):
        tool()(wrong)


def test_a_star_parameter_is_refused() -> None:
    def wrong(**rest: Any) -> None: ...

    with pytest.raises(TypeError, match=r"\*rest"):
        tool()(wrong)


def test_a_tool_is_a_value_that_can_still_be_called() -> None:
    @tool(writes=True, outcome="crm_created", time_limit=2.0)
    def greet(name: str) -> str:
        """Greet somebody."""
        return f"Hello {name}"

    assert greet("Dana") == "Hello Dana"
    assert (greet.writes, greet.outcome, greet.time_limit, greet.is_async) == (True, "crm_created", 2.0, False)
    assert greet.schema()["name"] == "greet"


def test_an_async_tool_says_so() -> None:
    @tool()
    async def greet() -> str:
        """Greet."""
        return "Hello"

    assert greet.is_async
