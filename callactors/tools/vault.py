"""Digits a caller keyed in private, for one call. Rules of this file:

- Memory only: nothing here is written down, and no repr shows a digit. The call forgets them when it ends.
- A token stands for them wherever else they are spoken of: model, ledger, log. It is redeemed once, by one tool.
- What was redeemed is still known to `scrub`, so that a tool that repeats it in its output is not repeated further.
"""

from __future__ import annotations

import re
import secrets

import attrs

from callactors.errors import ToolFailed

MASK = "[digits]"
LONG = 8  # digits that are no part of another number by chance


@attrs.define(eq=False)
class Vault:
    """Token -> digits, each token good for one look."""

    _kept: dict[str, str] = attrs.field(factory=dict, init=False, repr=False)
    _seen: set[str] = attrs.field(factory=set, init=False, repr=False)

    def keep(self, digits: str) -> str:
        """Hold digits under a new token, and return that."""
        token = f"keyed-{secrets.token_hex(6)}"
        self._kept[token] = digits
        return token

    def redeem(self, token: str) -> str:
        """The digits, this once. Raises ToolFailed for a token that is none, was used, or whose call has ended."""
        digits = self._kept.pop(token, None)
        if digits is None:
            raise ToolFailed("I no longer have that number. Please ask for it to be typed again.")
        self._seen.add(digits)
        return digits

    def scrub(self, text: str) -> str:
        """`text` without any number of this call, however it is spaced."""
        for digits in sorted({*self._kept.values(), *self._seen}, key=len, reverse=True):
            spaced = r"[ .-]?".join(digits)
            alone = rf"(?<!\d){spaced}(?!\d)"
            text = re.sub(spaced if len(digits) >= LONG else alone, MASK, text)
        return text

    def forget(self) -> None:
        """The call is over: what nobody redeemed is gone. A write that outlives it is still scrubbed."""
        self._kept.clear()
