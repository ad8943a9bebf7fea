"""What callers say, for measurements: sentences of the trades we serve, as many different ones as are asked for."""

from __future__ import annotations

from itertools import product
from random import Random

_WISHES = (
    "I would like to book {thing} {day}",
    "could you move {thing} so that I can come {day} please",
    "is there anything free for {thing} {day}",
    "hello I am calling about {thing} and I need it {day}",
    "could somebody call me back about {thing} {day}",
    "please cancel {thing} that I have {day}",
    "how much does {thing} cost if I come {day}",
    "my husband wanted {thing} but we cannot come {day}",
)
_THINGS = (
    "a haircut",
    "a dental cleaning",
    "a blood test",
    "a viewing of the apartment",
    "a password reset",
    "an oil change",
    "a new printer",
    "a repair of the boiler",
)
_DAYS = (
    "tomorrow morning",
    "on Monday afternoon",
    "next Thursday",
    "this weekend",
    "before Friday evening",
    "in two weeks",
)


def utterances(count: int, random: Random) -> list[str]:
    """`count` sentences, no two the same as long as there are enough (384)."""
    every = [wish.format(thing=thing, day=day) for wish, thing, day in product(_WISHES, _THINGS, _DAYS)]
    random.shuffle(every)
    return [every[index % len(every)] for index in range(count)]
