from __future__ import annotations

from collections import Counter
from random import Random

from callactors.config.values import Name
from callactors.routing.route import Route, Try, choices, permitted


def route(to: str, *groups: dict[str, int], rate: float | None = None) -> Route:
    tries = tuple(tuple(Try(trunk=Name(name), weight=weight) for name, weight in group.items()) for group in groups)
    return Route(to=to, tries=tries, rate=rate)


def order(number: str, *routes: Route, seed: int = 1) -> list[str]:
    return [choice.trunk for choice in choices(number, routes, Random(seed))]


def test_the_longest_prefix_wins() -> None:
    routes = route("+", {"any": 1}), route("+4420", {"london": 1}), route("+44", {"britain": 1})
    assert order("+442071838750", *routes) == ["london"]
    assert order("+441213030000", *routes) == ["britain"]
    assert order("+13125550142", *routes) == ["any"]


def test_a_number_without_a_route_goes_nowhere() -> None:
    assert order("+13125550142", route("+44", {"britain": 1})) == []


def test_of_two_routes_with_one_prefix_the_cheaper_comes_first_and_an_unknown_price_last() -> None:
    routes = route("+1", {"dear": 1}, rate=0.02), route("+1", {"unknown": 1}), route("+1", {"cheap": 1}, rate=0.01)
    assert order("+13125550142", *routes) == ["cheap", "dear", "unknown"]
    assert [choice.rate for choice in choices("+13125550142", routes, Random(1))] == [0.01, 0.02, None]


def test_priority_comes_before_weight() -> None:
    plan = route("+1", {"first": 1}, {"heavy": 1000})
    assert {order("+13125550142", plan, seed=seed)[0] for seed in range(50)} == {"first"}


def test_weights_share_the_calls_and_every_trunk_has_its_turn() -> None:
    plan, random = route("+1", {"seventy": 70, "thirty": 30}), Random(3)
    orders = [choices("+13125550142", [plan], random) for _ in range(1_000)]
    first = Counter(found[0].trunk for found in orders)
    assert 650 <= first["seventy"] <= 750
    assert all({choice.trunk for choice in found} == {"seventy", "thirty"} for found in orders)


def test_a_trunk_named_twice_is_tried_once() -> None:
    assert order("+13125550142", route("+1", {"a": 1}, {"b": 1}, {"a": 1})) == ["a", "b"]


def test_nothing_is_permitted_by_default() -> None:
    assert not permitted("+13125550142", [])
    assert not permitted("+13125550142", [""])
    assert not permitted("+882160000000", ["+1", "+44"])
    assert permitted("+13125550142", ["+44", "+1312"])
