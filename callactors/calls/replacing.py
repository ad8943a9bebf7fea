"""An INVITE with Replaces (RFC 3891): a leg that is answered and takes the place of the one a call speaks on.

The conversation goes on: no greeting again, the same model's session, one record with one attempt more. It runs in
the call's own nursery, and ends with it.
"""

from __future__ import annotations

import attrs

from callactors.actors.sip_leg import SipLeg
from callactors.calls.call import Call
from callactors.errors import LedgerBroken
from callactors.routing.cause import Cause


@attrs.frozen
class Replacing:
    """One such INVITE. `leg` has taken its offer; the call lives."""

    call: Call
    leg: SipLeg

    async def run(self) -> None:
        """Answer it, then swap. The old leg gets its BYE only once the new one is answered."""
        try:
            await self.call.run_leg(self.leg)
            self.call.record.rang(self.leg.trunk.name, self.leg.facts, self.leg.number)
            await self.call.record.reached(self.leg.number, self.leg.facts, callee=False)
            await self.leg.answer()
            await self.call.replace_leg(self.leg)
            self.call.record.event("replaced", leg=self.leg.number)
        except (LedgerBroken, KeyError):  # not written down, or gone again before it was
            self.call.drop_leg(self.leg, Cause.OVERLOAD)
        finally:
            if self.call.line.current is not self.leg:
                self.leg.hang_up(Cause.CANCELLED)
