"""The salon's tools: find a time, book it, cancel it, remember a customer.

What the salon offers is the three tables below; `prepare` puts them into the calendar when the process starts.
"""

from __future__ import annotations

import datetime as dt
from datetime import date, time
from typing import Any, Literal

from callactors.stores.calendar import Booking, CannotBook
from callactors.stores.calendar import Slot as Free
from callactors.tools.aloud import day_aloud, either, time_aloud
from callactors.tools.desk import Desk
from callactors.tools.tool import tool

Service = Literal["haircut", "beard trim", "colour", "highlights", "blow dry"]
PartOfDay = Literal["morning", "afternoon", "evening", "any"]

SERVICES = {"haircut": 45, "beard trim": 30, "colour": 90, "highlights": 120, "blow dry": 30}  # minutes
STYLISTS = ["Maria", "Leo", "Sam"]
HOURS = {"mon-sat": "09:00-19:00", "sun": "10:00-17:00"}
OFFERED = 3  # times told at once; a listener keeps no more


def prepare(desk: Desk) -> None:
    """Set up the salon's calendar. Bookings already there stay."""
    desk.calendar.configure(SERVICES, STYLISTS, HOURS)


@tool()
def find_slot(desk: Desk, service: Service, day: date, part_of_day: PartOfDay = "any") -> dict[str, Any]:
    """Find free times for a service on a day. Callers say: what times are free; when can I come in;
    do you have anything on Friday; is there anything free tomorrow afternoon.

    Args:
        service: The service. What would you like to have done?
        day: The day of the visit. What day would you like?
        part_of_day: The part of the day that suits the caller.
    """
    slots = desk.calendar.free(day, service, part_of_day, after=desk.now())
    spoken_day = day_aloud(day, desk.now().date())
    if not slots:
        return {
            "ok": False,
            "say": f"I'm sorry. There is nothing free for a {service} {spoken_day}. What other day would suit you?",
            "mend": ["day"],
        }
    offered = _spread(slots)
    times = either(time_aloud(slot.start.time()) for slot in offered)
    return {
        "ok": True,
        "say": f"Yes. For a {service} {spoken_day}, I have {times}, among others. What time would you like?",
        "offers": {"time": [f"{slot.start:%H:%M}" for slot in offered]},
        "then": "book_slot",
    }


@tool(writes=True, outcome="booking_captured")
def book_slot(desk: Desk, service: Service, day: date, time: time, name: str, phone: str) -> dict[str, Any]:
    """Book an appointment. Callers say: I'd like a haircut tomorrow at three; I need a cut; book me in for Friday;
    can I get an appointment; I want to make a booking.

    Args:
        service: The service. What would you like to have done?
        day: The day of the visit. What day would you like?
        time: The time of the visit. What time would you like?
        name: The customer's name. What name is it for?
        phone: The customer's phone number. What is your phone number?
    """
    start = dt.datetime.combine(day, time)
    try:
        booking = desk.calendar.book(service, start, name, phone, after=desk.now())
    except CannotBook as taken:
        return _instead(taken, start, desk.now().date())
    record = desk.crm.remember(name, phone, f"{service} on {day.isoformat()} at {time:%H:%M}")
    return {
        "ok": True,
        "say": f"You're booked. {_visit(booking, desk.now().date())}. See you then, {name}.",
        "booking": booking.id,
        "customer": record.id,
        "outcomes": ["booking_captured", *(["crm_created"] if record.new else [])],
    }


@tool(writes=True)
def cancel_booking(desk: Desk, name: str, day: date) -> dict[str, Any]:
    """Cancel an appointment. Callers say: I need to cancel my appointment; cancel my haircut on Friday;
    I can't make it tomorrow.

    Args:
        name: The name the appointment is under. What name is the appointment under?
        day: The day of the appointment. What day is the appointment?
    """
    spoken_day = day_aloud(day, desk.now().date())
    found = _appointments(desk, name, day)
    if not found:
        return {
            "ok": False,
            "say": f"I can't find an appointment for {name} {spoken_day}. What name is the appointment under?",
            "mend": ["name"],
        }
    if len(found) > 1:
        times = " and ".join(time_aloud(one.start.time()) for one in found)
        return {"ok": False, "say": f"{name} has {len(found)} appointments {spoken_day}, at {times}."}
    cancelled = desk.calendar.cancel(found[0].id)
    return {
        "ok": True,
        "say": f"It's cancelled. That was a {cancelled.service}, {spoken_day} at {time_aloud(cancelled.start.time())}.",
        "booking": cancelled.id,
    }


@tool(writes=True, outcome="crm_created")
def remember_customer(desk: Desk, name: str, phone: str, note: str = "") -> dict[str, Any]:
    """Remember a customer. Callers say: please call me back; take a message; put me on your list;
    I'm a new customer; can you note my number.

    Args:
        name: The customer's name. What is your name?
        phone: The customer's phone number. What is your phone number?
        note: What to remember about them.
    """
    record = desk.crm.remember(name, phone, note)
    return {"ok": True, "say": f"Thank you. I've noted that, {record.name}.", "customer": record.id}


def _instead(taken: CannotBook, start: dt.datetime, today: date) -> dict[str, Any]:
    """What could be had instead: other times of that day, else the first of another."""
    same_day = [slot for slot in taken.alternatives if slot.start.date() == start.date()]
    problem = f"I'm sorry. {time_aloud(start.time())} {day_aloud(start.date(), today)} can't be had."
    if same_day:
        times = either(time_aloud(slot.start.time()) for slot in same_day)
        offers = {"time": [f"{slot.start:%H:%M}" for slot in same_day]}
        return {
            "ok": False, "say": f"{problem} I could do {times}. What time would you like?",
            "mend": ["time"], "offers": offers,
        }  # fmt: skip
    if taken.alternatives:
        first = taken.alternatives[0].start
        problem += f" The next free time is {day_aloud(first.date(), today)} at {time_aloud(first.time())}."
    return {"ok": False, "say": f"{problem} What day would you like?", "mend": ["day", "time"]}


def _visit(booking: Booking, today: date) -> str:
    when = f"{day_aloud(booking.start.date(), today)} at {time_aloud(booking.start.time())}"
    return f"A {booking.service} with {booking.resource}, {when}"


def _appointments(desk: Desk, name: str, day: date) -> list[Booking]:
    """By name, by first name when only one has it, or by the number the caller rings from."""
    that_day = desk.calendar.bookings(day)
    wanted = name.casefold().split()
    exact = [one for one in that_day if one.name.casefold().split() == wanted]
    begins = [one for one in that_day if one.name.casefold().split()[: len(wanted)] == wanted]
    if exact or len(begins) == 1:
        return exact or begins
    own = desk.calendar.find(phone=desk.caller) if desk.caller else []
    return [one for one in own if one.start.date() == day]


def _spread(slots: list[Free]) -> list[Free]:
    """A few that lie apart, on the hour where there are enough."""
    hourly = [slot for slot in slots if slot.start.minute == 0]
    among = hourly if len(hourly) >= OFFERED else slots
    step = max(1, (len(among) - 1) // (OFFERED - 1)) if len(among) > 1 else 1
    return among[::step][:OFFERED]
