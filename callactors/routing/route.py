"""Which trunks take a number, in which order: the longest prefix, then price, then priority, then weight.

Randomness is an argument. A route's `to` is a prefix as numbers are written ("+44"); "+" is every E.164 number.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from random import Random
from typing import Annotated

import msgspec


class Try(msgspec.Struct, frozen=True, kw_only=True):
    """A trunk of a priority, and how many of its calls it takes beside the others."""

    trunk: str
    weight: Annotated[int, msgspec.Meta(ge=1)] = 1


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """A line of `routes`: `to` is a prefix; of `tries` the outer list is priority, the inner one shared by weight."""

    to: str
    tries: tuple[tuple[Try, ...], ...]
    rate: Annotated[float, msgspec.Meta(ge=0)] | None = None  # USD a minute


class Choice(msgspec.Struct, frozen=True):
    """A trunk to try, and what a minute costs there in USD; None where nobody said."""

    trunk: str
    rate: float | None = None


def choices(number: str, routes: Iterable[Route], random: Random) -> list[Choice]:
    """Every trunk that takes `number`, best first, each once; none when no route has such a prefix."""
    serving = [route for route in routes if number.startswith(route.to)]
    longest = max((len(route.to) for route in serving), default=0)
    best = sorted((route for route in serving if len(route.to) == longest), key=_price)
    found: dict[str, Choice] = {}
    for route in best:
        for group in route.tries:
            for one in by_weight(group, random):
                found.setdefault(one.trunk, Choice(one.trunk, route.rate))
    return list(found.values())


def by_weight(group: Sequence[Try], random: Random) -> list[Try]:
    """A priority's trunks, shuffled so that each comes first as often as its weight says."""
    left, order = list(group), list[Try]()
    while left:
        chosen = random.choices(left, [one.weight for one in left])[0]
        left.remove(chosen)
        order.append(chosen)
    return order


def permitted(number: str, permit: Iterable[str]) -> bool:
    """Whether a prefix of `permit` allows `number`; with none, nothing is."""
    return any(prefix and number.startswith(prefix) for prefix in permit)


def _price(route: Route) -> float:
    """Unknown is dear."""
    return float("inf") if route.rate is None else route.rate
