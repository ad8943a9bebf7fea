"""Calls whose process died: a BYE to each peer of theirs, and the record closed."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from callactors.config import Config
from callactors.errors import MalformedMessage
from callactors.meters.log import log
from callactors.net.sip_endpoint import SipEndpoint
from callactors.routing.cause import Cause
from callactors.stores.ledger_orphans import Orphan

CSEQ_AFTER_CRASH = 1000  # added to a stored CSeq: the dead process may have sent more than it wrote


def send_byes(
    orphans: Sequence[Orphan], cause: Cause, endpoint: SipEndpoint, config: Config, tell: Callable[..., None]
) -> None:
    """A BYE for every dialog of these calls; their records are the ledger's to close (`close_orphans`)."""
    for orphan in orphans:
        for facts in orphan.dialogs:
            try:
                endpoint.bye_orphan(facts, facts.cseq + CSEQ_AFTER_CRASH, config.account)
            except MalformedMessage as error:
                log().warning("orphan.no_bye", call=orphan.call, error=str(error))
        tell("ended", orphan.call, cause=cause.value, by="us")
