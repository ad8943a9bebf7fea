"""REFER inside a dialog, both ways (RFC 3515, RFC 4488): the subscription it opens, and the NOTIFYs of it."""

from __future__ import annotations

from callactors.sip.acknowledging import Acknowledging
from callactors.sip.address import Hop
from callactors.sip.core import Core
from callactors.sip.dialog import Dialog
from callactors.sip.events import ReferAnswered
from callactors.sip.message import Response
from callactors.sip.transfer import notify_headers, refer_headers
from callactors.sip.usage import Terms


class Referring(Acknowledging):
    """The part of a session that asks the peer to dial, or tells how a call it asked for goes."""

    def __init__(self, core: Core, number: int, dialog: Dialog, peer: Hop, terms: Terms) -> None:
        super().__init__(core, number, dialog, peer, terms)
        self.subscriptions: set[str] = set()  # ids (CSeq numbers) of REFERs of ours
        self._event = "refer"  # what a NOTIFY of ours calls the subscription; empty without one
        self._referred = 0  # REFERs of theirs

    def refer(self, refer_to: str, referred_by: str | None, now: float) -> None:
        """Ask the peer to dial; ReferAnswered, then Notified, tell how it went. Who asks is our end of the dialog."""
        if self.ended or not self.confirmed:
            return
        numbers: list[str] = []

        def numbered(number: int) -> None:
            self.subscriptions.difference_update(numbers)
            numbers.append(str(number))
            self.subscriptions.add(str(number))

        def done(status: int, response: Response | None, now: float) -> None:
            if status >= 300:
                self.subscriptions.difference_update(numbers)
            self.tell(ReferAnswered(self.number, status))
            self.lost(status, now)

        headers = [("Contact", self.contact), *refer_headers(refer_to, referred_by or self.dialog.local_uri)]
        self.send("REFER", now, done, headers=headers, numbered=numbered)

    def referred(self, number: int, subscribe: bool) -> None:
        """They sent a REFER with this CSeq; from the second on its subscription goes by that number (RFC 3515)."""
        self._referred += 1
        event = f"refer;id={number}" if self._referred > 1 else "refer"
        self._event = event if subscribe else ""

    def notify(self, sipfrag: bytes, terminated: bool, now: float) -> None:
        """Report on the last call the peer asked us to make, if it wants to hear of it."""
        if self._event:
            headers = [("Contact", self.contact), *notify_headers(self._event, terminated)]
            self.send("NOTIFY", now, lambda status, response, now: None, headers=headers, body=sipfrag)
