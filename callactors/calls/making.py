"""What every call is made with, whoever began it: the process around it, and what of that one call gets.

A call is made of Terms (what it runs under), Mailboxes, a Recorder where it is recorded, and models that have room.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import attrs
import trio

from callactors.actors.recorder import Recorder
from callactors.calls.archive import Archive
from callactors.calls.models import ModelLine
from callactors.calls.money import Meter, Purse
from callactors.calls.outside import Outside
from callactors.calls.playbook import Playbook
from callactors.calls.record import CallRecord
from callactors.calls.terms import Mailboxes, Terms
from callactors.calls.voice import Cached
from callactors.config import Config
from callactors.net.media_plane import MediaPlane
from callactors.net.sip_endpoint import SipEndpoint
from callactors.routing.cause import Cause, sip_code
from callactors.scenario import models_of
from callactors.stores.ledger_writer import LedgerWriter


class Refused(Exception):
    """There will be no such call: why, and the status that says so to a carrier."""

    def __init__(self, cause: Cause, detail: str, status: int | None = None) -> None:
        self.cause, self.detail, self.status = cause, detail, status or sip_code(cause)
        super().__init__(detail)


@attrs.frozen
class Making:
    """What every call is made with, whoever began it: the process around it."""

    config: Config
    endpoint: SipEndpoint
    plane: MediaPlane
    ledger: LedgerWriter
    playbooks: Mapping[str, Playbook]
    lines: Mapping[str, ModelLine]
    cached: Cached
    tell: Callable[..., None]
    writes: Callable[[], trio.Nursery]
    outside: Outside
    purse: Purse
    archive: Archive
    location: str = ""  # PIDF-LO of this house

    def terms(self, call: str, lines: list[ModelLine]) -> Terms:
        return Terms(
            answer=self.config.answer,
            timers=self.config.timers,
            models=lines,
            cached=self.cached,
            writes=self.writes(),
            tell=partial(self.tell, call=call),
            meter=Meter(self.purse),
        )

    def recorder(self, record: CallRecord, playbook: Playbook, boxes: Mailboxes) -> Recorder | None:
        return self.archive.recorder(playbook.recording, boxes.tape, record)

    def models(self, playbook: Playbook, speaking: Callable[[ModelLine], int]) -> list[ModelLine]:
        """The models a call may use, in order: those that have room. Raises Refused when none has."""
        lines = [self.lines[name] for name in models_of(playbook.scenario, self.config)]
        free = [line for line in lines if line.concurrent is None or speaking(line) < line.concurrent]
        if not free:
            raise Refused(Cause.MODEL_DOWN, "every model has as many callers as it may")
        return free
