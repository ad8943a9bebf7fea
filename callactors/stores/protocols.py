"""What a tool may ask of a store, whoever keeps it: SQL here, a CalDAV server or somebody's CRM by HTTP or MCP later.

All of it blocks and is thread-safe: tools call it through offload. A "no" is a ToolFailed whose text a caller may hear.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Protocol

from callactors.stores.calendar import Booking, Slot
from callactors.stores.crm import Record
from callactors.stores.knowledge import Passage


class CalendarStore(Protocol):
    """Appointments. Times are the house's wall clock, naive; `part` is any, morning, afternoon or evening."""

    def services(self) -> dict[str, int]:
        """Minutes by service."""

    def resources(self) -> list[str]:
        """Who or what can be booked."""

    def free(
        self, day: date, service: str, part: str = "any", *, resource: str | None = None, after: datetime | None = None
    ) -> list[Slot]:
        """Every start that day at which the service fits, earliest first. Raises UnknownService."""

    def book(
        self,
        service: str,
        start: datetime,
        name: str,
        phone: str = "",
        resource: str | None = None,
        *,
        after: datetime | None = None,
    ) -> Booking:
        """Atomic and durable. Raises SlotTaken and NotOpen (both with `alternatives`), UnknownService."""

    def cancel(
        self,
        booking: int | None = None,
        *,
        name: str | None = None,
        phone: str | None = None,
        start: datetime | None = None,
    ) -> Booking:
        """Frees the time, keeps the record. Raises NoSuchBooking, also when more than one is meant."""

    def bookings(self, day: date | None = None, *, cancelled: bool = False, limit: int = 1000) -> list[Booking]:
        """By time."""

    def find(
        self, name: str | None = None, phone: str | None = None, *, after: datetime | None = None
    ) -> list[Booking]:
        """A person's appointments, earliest first."""


class CrmStore(Protocol):
    """People."""

    def remember(self, name: str, phone: str = "", note: str = "") -> Record:
        """Make or add to a record; `new` tells which. Raises ValueError without name and number."""

    def find(self, name: str | None = None, phone: str | None = None) -> Record | None:
        """By number, else by name."""

    def records(self, limit: int = 1000) -> list[Record]:
        """Newest change first."""


class KnowledgeStore(Protocol):
    """Passages that may answer a question."""

    def search(self, question: str, k: int = 3) -> list[Passage]:
        """Best first; any text is a safe question."""
