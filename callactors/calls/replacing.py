"""An INVITE with Replaces (RFC 3891): a leg that is answered and takes the place of the one a call speaks on.

The conversation goes on: no greeting again, the same model's session, one record with one attempt more. It runs in
the call's own nursery, and ends with it.
"""

from __future__ import annotations

import attrs

from callactors.actors.sip_leg import SipLeg
from callactors.calls.call import Call
from callactors.errors import DialogGone, LedgerBroken
from callactors.routing.cause import Cause


@attrs.frozen
class Replacing:
    """One such INVITE. `leg` has taken its offer; the call lives."""

    call: Call
    leg: SipLeg

    async def run(self) -> None:
        """Answer it, then swap. The old leg gets its BYE only once the new one is answered, and there still."""
        call, leg = self.call, self.leg
        try:
            await call.run_leg(leg)
            call.record.rang(leg.trunk.name, leg.facts, leg.number)
            await call.record.reached(leg.number, leg.facts, callee=False)
            await leg.answer()
            self._swap()
        except (LedgerBroken, DialogGone):  # not written down, or gone again before it was
            call.drop_leg(leg, Cause.OVERLOAD)
        finally:
            if call.line.current is not leg:
                leg.hang_up(Cause.CANCELLED)

    def _swap(self) -> None:
        if self.leg.ended:  # by a CANCEL, while it was being written down
            self.call.record.left(self.leg.number, Cause.CANCELLED)
        else:
            self.call.replace_leg(self.leg)
            self.call.record.event("replaced", leg=self.leg.number)
