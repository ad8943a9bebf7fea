"""What calls cost: tokens by the model's prices, minutes by the route's rate. One Purse a process, one Meter a call.

- Tokens are counted when a response is done; cached ones as any other, so that a cap is never passed unseen.
- A day is one of UTC. What was spent today before this process began is the ledger's to say.
- A cap that is reached ends in words: the call's own at once, the day's at the next call.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import attrs

from callactors.actors.messages import ModelUsed
from callactors.config import Config
from callactors.config.schema import Prices, RealtimeModel
from callactors.routing.cause import Cause

DAY = 86_400_000  # milliseconds
MILLION = 1_000_000


@attrs.define(eq=False)
class Purse:
    """What this process may spend, and has spent today. Times are the ledger's: UTC milliseconds."""

    per_call: float | None = None
    per_day: float | None = None
    prices: Mapping[str, Prices] = attrs.field(factory=dict)
    elsewhere: Callable[[int], float] = lambda now: 0.0  # what other processes of this house have spent that day
    _day: int = attrs.field(default=0, init=False)
    _spent: float = attrs.field(default=0.0, init=False)

    @classmethod
    def of(cls, config: Config, elsewhere: Callable[[int], float] = lambda now: 0.0) -> Purse:
        prices = {name: model.prices for name, model in config.models.items() if isinstance(model, RealtimeModel)}
        return cls(config.limits.usd_per_call, config.limits.usd_per_day, prices, elsewhere)

    def spend(self, usd: float, now: int) -> None:
        self._spent = self.spent(now) + usd

    def spent(self, now: int) -> float:
        """USD of this day."""
        if now // DAY != self._day:
            self._day, self._spent = now // DAY, 0.0
        return self._spent

    def empty(self, now: int) -> bool:
        """Whether the day's cap is reached."""
        return self.per_day is not None and self.spent(now) + self.elsewhere(now) >= self.per_day


@attrs.define(eq=False)
class Meter:
    """One call's cost so far: `usd`. `model` is the one the session that lives is with."""

    purse: Purse
    usd: float = attrs.field(default=0.0, init=False)
    model: str = attrs.field(default="", init=False)
    _minutes: dict[int, tuple[float, float]] = attrs.field(factory=dict, init=False)  # leg -> rate, since

    def used(self, tokens: ModelUsed, now: int) -> Cause | None:
        """A response has been paid for; why the call must end, if it must. `now` is UTC milliseconds."""
        prices = self.purse.prices.get(self.model, Prices())
        text_in = max(tokens.text_in, 0) * prices.text_in + max(tokens.audio_in, 0) * prices.audio_in
        out = max(tokens.text_out, 0) * prices.text_out + max(tokens.audio_out, 0) * prices.audio_out
        self._pay((text_in + out) / MILLION, now)
        if self.purse.per_call is not None and self.usd >= self.purse.per_call:
            return Cause.CALL_COST
        return None

    def reached(self, leg: int, rate: float | None, at: float) -> None:
        """A leg of ours was answered, by a route of this rate (USD a minute). `at` is trio.current_time()."""
        if rate:
            self._minutes.setdefault(leg, (rate, at))

    def left(self, leg: int, at: float, now: int) -> None:
        """It has ended; nothing for a leg that was not `reached`, or has ended already."""
        rate, since = self._minutes.pop(leg, (0.0, at))
        self._pay(rate * (at - since) / 60, now)

    def closed(self, at: float, now: int) -> float:
        """The call has ended, and every leg with it: its USD."""
        for leg in list(self._minutes):
            self.left(leg, at, now)
        return round(self.usd, 6)

    def _pay(self, usd: float, now: int) -> None:
        self.usd += usd
        self.purse.spend(usd, now)
