"""Digits that a caller types and nobody else hears: card numbers, codes, PINs. Rules of this file:

- While it runs the line is private: the caller's audio is silence to model and tape, their keys are sensitive, and the
  tape is paused. It stays private for SETTLE after; keys that come within TAIL (the # too many), or where it was not
  finished within its patience (the rest of it), are dropped.
- The digits go to the vault and nowhere else. The model gets a token, and the last four where they give nothing away.
- Who speaks instead of typing is told that only keys are taken. `*` starts over.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import attrs
import msgspec
import trio

from callactors.actors.messages import DigitPressed, PauseRecording, ResumeRecording, TurnEnded
from callactors.calls.line import Line
from callactors.calls.record import CallRecord
from callactors.errors import BadArguments
from callactors.tools.vault import Vault

LOOK = 0.25  # seconds between looks at the clock and at whether the agent speaks
SETTLE = 0.5  # seconds the line stays private after the last key: its tone has not quite arrived
TAIL = 4.0  # seconds in which keys are still part of what was typed
LONGEST = 170.0  # seconds, whatever is pressed
REMINDERS = 2
HIDES = 9  # digits from which on the last four may be told
WITHHELD = "[withheld]"
REASON = "digits"  # of the pause


@attrs.frozen
class Wanted:
    """What is to be typed: `most` digits, or fewer and the `terminator` ("" for none), a key every `patience` s."""

    purpose: str
    most: int
    terminator: str = "#"
    patience: float = 15.0


def wanted_of(arguments: dict[str, object]) -> Wanted:
    """A request's arguments, which fit the schema already. Raises BadArguments for numbers out of range."""
    most, patience = arguments["digits"], arguments.get("timeout", 15)
    terminator = str(arguments.get("terminator", "#"))
    if not isinstance(most, int) or not 1 <= most <= 32:
        raise BadArguments(f"digits: {most} is not from 1 to 32")
    if not isinstance(patience, int) or not 5 <= patience <= 60:
        raise BadArguments(f"timeout: {patience} is not from 5 to 60 seconds")
    return Wanted(str(arguments["purpose"]), most, "" if terminator == "none" else terminator, float(patience))


@attrs.define(eq=False)
class Collecting:
    """One call's private typing, one number at a time."""

    line: Line
    vault: Vault
    record: CallRecord
    tape: Callable[[PauseRecording | ResumeRecording], object]
    hush: Callable[[], object]  # the agent, when the caller begins to type
    remind: Callable[[], object]  # say that only keys are taken
    _wanted: Wanted | None = attrs.field(default=None, init=False)
    _keys: str = attrs.field(default="", init=False, repr=False)
    _done: bool = attrs.field(default=False, init=False)
    _stirred_at: float = attrs.field(default=0.0, init=False)
    _tail_until: float = attrs.field(default=-math.inf, init=False)
    _stir: trio.Event = attrs.field(factory=trio.Event, init=False)
    _round: int = attrs.field(default=0, init=False)

    @property
    def busy(self) -> bool:
        """Whether the caller is typing something now."""
        return self._wanted is not None

    def takes(self, pressed: DigitPressed) -> bool:
        """Whether a key is private, and therefore nobody else's."""
        if self._wanted is None:
            return pressed.sensitive or trio.current_time() < self._tail_until
        self._press(pressed.digit, self._wanted)
        return True

    def withheld(self, turn: TurnEnded) -> TurnEnded:
        """The turn as the record may have it: what a caller said while typing is not in it."""
        return msgspec.structs.replace(turn, heard=WITHHELD) if self.line.private and turn.heard else turn

    async def ask(self, wanted: Wanted) -> dict[str, object]:
        """Take what is typed; what the model is told. One at a time. `settle` must follow."""
        self._begin(wanted)
        try:
            await self._typed(wanted)
        finally:
            keys, complete = self._keys, self._done
            self._wanted, self._keys, self._done = None, "", False
            self._tail_until = trio.current_time() + (TAIL if complete else wanted.patience)
            self.record.event("digits_typed", purpose=wanted.purpose, count=len(keys), complete=complete)
        return self._answer(wanted, keys, complete)

    async def settle(self) -> None:
        """Once the last tone has died away the line is everybody's again, unless more is typed by then."""
        mine = self._round
        await trio.sleep(SETTLE)
        if mine == self._round:
            self.line.private = False
            self.tape(ResumeRecording(at=trio.current_time(), reason=REASON))

    def _begin(self, wanted: Wanted) -> None:
        self._round += 1
        self._wanted, self._stirred_at = wanted, trio.current_time()
        self.line.private = True
        self.tape(PauseRecording(at=self._stirred_at, reason=REASON))
        self.record.event("digits_asked", purpose=wanted.purpose, most=wanted.most)

    def _press(self, key: str, wanted: Wanted) -> None:
        if not self._keys:
            self.hush()
        if key == wanted.terminator:
            self._done = True
        elif key == "*":
            self._keys = ""
        elif key.isdigit() and not self._done:
            self._keys += key
            self._done = len(self._keys) >= wanted.most
        self._stirred_at = trio.current_time()
        self._stir.set()

    async def _typed(self, wanted: Wanted) -> None:
        """Until it is complete, or nothing has stirred for too long."""
        latest, reminders = trio.current_time() + LONGEST, 0
        while not self._done and trio.current_time() < min(latest, self._stirred_at + wanted.patience):
            self._stir = trio.Event()
            with trio.move_on_after(LOOK):
                await self._stir.wait()
            if self.line.heard().utterance is not None:
                self._stirred_at = trio.current_time()  # nobody types before they know what
            elif self.line.murmured() and reminders < REMINDERS and not self._keys:
                reminders += 1
                self.remind()

    def _answer(self, wanted: Wanted, keys: str, complete: bool) -> dict[str, object]:
        if not keys or not complete:
            said = f"Only {len(keys)} digits were typed." if keys else "Nothing was typed."
            return {"ok": False, "digits": len(keys), "say": f"{said} Please type it again, or ask for a colleague."}
        card = wanted.purpose == "card_number"
        if card and not is_card_number(keys):
            return {"ok": False, "digits": len(keys), "valid": False, "say": _MISTYPED}
        told: dict[str, object] = {"ok": True, "token": self.vault.keep(keys), "digits": len(keys)}
        if card:
            told["valid"] = True
        if len(keys) >= HIDES:
            told["last_four"] = keys[-4:]
        return {**told, "say": "Thank you, I have it."}


_MISTYPED = "That is not a valid card number. Please type it again."


def is_card_number(digits: str) -> bool:
    """Whether digits are as many as a card's and pass the Luhn check (ISO/IEC 7812-1 annex B)."""
    if not 12 <= len(digits) <= 19:
        return False
    doubled = (int(digit) * (1 + index % 2) for index, digit in enumerate(reversed(digits)))
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0
