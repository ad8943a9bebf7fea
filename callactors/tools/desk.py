"""The desk: what a tool may reach. One per call; a tool that wants it takes it as its first parameter.

A tool gets no socket, no path and no model: stores, the caller's number as the trunk showed it, the time, and digits
the caller keyed in private, for the token that stands for them.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

import attrs

from callactors.tools.vault import Vault

if TYPE_CHECKING:
    from callactors.stores.calendar import Calendar
    from callactors.stores.crm import Crm
    from callactors.stores.knowledge import Knowledge


@attrs.frozen
class Desk:
    """The stores, the caller's number ("" when withheld) and the business's own wall clock (naive local time)."""

    calendar: Calendar
    crm: Crm
    knowledge: Knowledge
    caller: str
    now: Callable[[], datetime]
    vault: Vault = attrs.field(factory=Vault, repr=False)

    def redeem(self, token: str) -> str:
        """What the caller keyed when `collect_digits` gave this token: once, and never to be returned or logged.

        Raises ToolFailed (said to the caller, who may type it again) for any other token.
        """
        return self.vault.redeem(token)
