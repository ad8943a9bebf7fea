"""The salon, in sentences: scenario, personas, tools, stores and the embedded mind together, without a phone."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import attrs
import pytest

from callactors.errors import ToolFailed
from callactors.scenario.library import Library
from callactors.scenario.persona import instructions
from callactors.scenario.schema import Conversation, Scenario
from callactors.speech.mind import Act, Mind, Say
from callactors.speech.mind.picking import Rank, shared_words
from callactors.speech.ranker import rank_by_words
from callactors.stores.calendar import Calendar
from callactors.stores.crm import Crm
from callactors.stores.knowledge import Knowledge
from callactors.tools.arguments import validate
from callactors.tools.desk import Desk
from callactors.tools.generated import HAND_OVER, TRANSFER, generated
from callactors.tools.loading import Vertical, load_vertical
from callactors.tools.result import outcomes_of, output_of
from callactors.tools.tool import Tool

NOW = datetime(2026, 11, 22, 10, 0)  # a Sunday
LIBRARY = Library.find()
SALON: Scenario = LIBRARY.scenario("salon")
AGENTS: Vertical = load_vertical(LIBRARY.agents("salon"), "salon")


@attrs.define
class TextCall:
    """A call without audio: what the caller says goes to the mind, what the mind decides is done."""

    desk: Desk
    mind: Mind
    tools: Mapping[str, Tool] = attrs.field(factory=dict)
    said: list[str] = attrs.field(factory=list)
    used: list[tuple[str, dict[str, Any]]] = attrs.field(factory=list)
    outcomes: list[str] = attrs.field(factory=list)

    def become(self, agent: str) -> None:
        specialist = SALON.agents[agent]
        others = {str(name): SALON.agents[name].description for name in specialist.handover}
        own = {str(name): AGENTS.tools[name] for name in specialist.tools}
        self.tools = own | generated(specialists=others, targets=SALON.handoff.targets, knowledge=True)
        persona = instructions(LIBRARY.persona(SALON, agent), SALON, agent)
        self.mind.configure(persona, [tool.schema() for tool in self.tools.values()])

    def hear(self, *utterances: str) -> str:
        """Say these; what the agent said to the last."""
        for text in utterances:
            before = len(self.said)
            self._perform(self.mind.hear(text))
        return " ".join(self.said[before:])

    def _perform(self, acts: list[Act]) -> None:
        for act in acts:
            if isinstance(act, Say):
                self.said.append(act.text)
                continue
            self.used.append((act.tool, act.arguments))
            output = self._run(self.tools[act.tool], act.arguments)
            if output is not None:
                self._perform(self.mind.tool_finished(act.call_id, output))

    def _run(self, tool: Tool, arguments: dict[str, Any]) -> str | None:
        """The output for the model, or None where the call goes elsewhere."""
        if tool.name == HAND_OVER:
            self.become(arguments["to"])
            return '{"ok": true}'
        if tool.name == TRANSFER:
            self.outcomes.append("handed_off")
        if tool.run is None:
            return None
        values = validate(tool, json.dumps(arguments))
        try:
            result = tool.run(self.desk, **values)
        except ToolFailed as error:
            return str(error)
        self.outcomes.extend(outcomes_of(tool, result))
        return output_of(result)


MakeCall = Callable[..., TextCall]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    url = f"sqlite:///{tmp_path}/stores.db"
    made = Desk(Calendar(url), Crm(url), Knowledge(url), "+13125550100", lambda: NOW)
    assert AGENTS.prepare is not None
    AGENTS.prepare(made)
    made.knowledge.load(LIBRARY.knowledge(SALON))
    yield made
    for store in (made.calendar, made.crm, made.knowledge):
        store.close()


@pytest.fixture
def call(desk: Desk) -> MakeCall:
    def start(rank: Rank = shared_words) -> TextCall:
        made = TextCall(desk, Mind(now=lambda: NOW, rank=rank))
        made.become(SALON.start)
        return made

    return start


BOOKED = ("I'd like a hair cut tomorrow at 3.", "It's Dana.", "555-0142.", "Yes, please.")


def _wanted(conversation: Conversation) -> list[tuple[str, dict[str, Any]]]:
    return [(name, arguments or {}) for step in conversation.expect.tools for name, arguments in step.items()]


def _fits(wanted: tuple[str, dict[str, Any]], used: tuple[str, dict[str, Any]]) -> bool:
    return wanted[0] == used[0] and all(str(used[1].get(name)) == str(value) for name, value in wanted[1].items())


@pytest.mark.parametrize("rank", [shared_words, rank_by_words])
@pytest.mark.parametrize("conversation", SALON.conversations, ids=lambda conversation: conversation.name)
def test_every_conversation_of_the_scenario_comes_out_as_expected(
    call: MakeCall, conversation: Conversation, rank: Rank
) -> None:
    line = call(rank)
    line.hear(*conversation.say)
    remaining = iter(line.used)
    for wanted in _wanted(conversation):
        assert any(_fits(wanted, used) for used in remaining), (wanted, line.used, line.said)
    if conversation.expect.outcome not in (None, "none"):
        assert conversation.expect.outcome in line.outcomes
    for words in conversation.expect.says:
        assert words in " ".join(line.said)


def test_a_booking_is_in_the_calendar_and_the_customer_remembered(call: MakeCall, desk: Desk) -> None:
    line = call()
    line.hear(*BOOKED)
    (booking,) = desk.calendar.bookings()
    assert (booking.service, booking.name, booking.phone) == ("haircut", "Dana", "5550142")
    assert booking.start == datetime(2026, 11, 23, 15, 0)
    record = desk.crm.find(phone="5550142")
    assert record is not None
    assert record.name == "Dana"
    assert line.outcomes == ["booking_captured", "crm_created"]


def test_a_known_customer_is_not_created_twice(call: MakeCall, desk: Desk) -> None:
    desk.crm.remember("Dana", "5550142")
    line = call()
    line.hear(*BOOKED)
    assert line.outcomes == ["booking_captured"]
    assert len(desk.crm.records()) == 1


def test_a_taken_time_is_answered_with_others_and_one_of_them_booked(call: MakeCall, desk: Desk) -> None:
    for who in ("A", "B", "C"):
        desk.calendar.book("haircut", datetime(2026, 11, 23, 15, 0), who, "5550100")
    line = call()
    words = line.hear(*BOOKED)
    assert "3 PM tomorrow, Monday the 23rd can't be had" in words
    assert "What time would you like?" in words
    line.hear("The first one.", "Yes.")
    assert line.outcomes == ["booking_captured", "crm_created"]
    assert len(desk.calendar.bookings()) == 4


def test_a_time_outside_the_hours_is_not_booked(call: MakeCall, desk: Desk) -> None:
    line = call()
    words = line.hear("I'd like a haircut tomorrow at 11 pm.", "It's Dana.", "555-0142.", "Yes, please.")
    assert "can't be had" in words
    assert desk.calendar.bookings() == []


def test_cancelling_frees_the_time(call: MakeCall, desk: Desk) -> None:
    desk.calendar.book("haircut", datetime(2026, 11, 23, 15, 0), "Dana Reyes", "5550142")
    line = call()
    words = line.hear("I need to cancel my appointment.", "My name is Dana.", "It's tomorrow.", "Yes.")
    assert "It's cancelled." in words
    assert desk.calendar.bookings() == []


def test_an_appointment_that_is_not_there_is_asked_for_again(call: MakeCall) -> None:
    line = call()
    words = line.hear("I need to cancel my appointment.", "My name is Dana.", "It's tomorrow.", "Yes.")
    assert "I can't find an appointment for Dana" in words
    assert "for Robin" in line.hear("It's Robin.")


def test_two_appointments_of_one_day_are_left_to_a_person(call: MakeCall, desk: Desk) -> None:
    for hour in (11, 15):
        desk.calendar.book("haircut", datetime(2026, 11, 23, hour, 0), "Dana", "5550142")
    line = call()
    words = line.hear("I need to cancel my appointment.", "My name is Dana.", "It's tomorrow.", "Yes.")
    assert "2 appointments tomorrow, Monday the 23rd, at 11 AM and 3 PM" in words
    line.hear("Yes, please.")
    assert line.used[-1] == (TRANSFER, {"target": "front_desk"})


def test_the_callers_number_finds_an_appointment_under_a_misheard_name(call: MakeCall, desk: Desk) -> None:
    desk.calendar.book("haircut", datetime(2026, 11, 23, 15, 0), "Dayna", "312 555 0100")
    words = call().hear("I need to cancel my appointment.", "My name is Diana.", "It's tomorrow.", "Yes.")
    assert "It's cancelled." in words


def test_a_full_day_asks_for_another(desk: Desk) -> None:
    day = (NOW + timedelta(days=1)).date()
    for hour in range(9, 19):
        for who in ("A", "B", "C"):
            desk.calendar.book("blow dry", datetime.combine(day, NOW.time()).replace(hour=hour), who, "5550100")
            desk.calendar.book("blow dry", datetime.combine(day, NOW.time()).replace(hour=hour, minute=30), who, "1")
    result = AGENTS.tools["find_slot"](desk, "haircut", day)
    assert result["ok"] is False
    assert result["mend"] == ["day"]


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        ("How much is a haircut?", "45 dollars"), ("Where are you?", "Orchard Street"),
        ("Do you have parking?", "behind"),
        ("Are you open on Sundays?", "10 AM to 5 PM"), ("Can I pay by credit card?", "debit cards"),
        ("Who are your stylists?", "Maria"), ("How long does colour take?", "hour and a half"),
    ],
)  # fmt: skip
def test_questions_about_the_house_are_answered_from_its_notes(call: MakeCall, asked: str, answer: str) -> None:
    assert answer in call().hear(asked)


@pytest.mark.parametrize(
    ("said", "to"),
    [
        ("I'd like to book an appointment.", "booking"), ("Hey cut tomorrow at 3.", "booking"),
        ("Is there anything free on Friday?", "booking"), ("I'd like to make a reservation for a haircut.", "booking"),
        ("I need a hair cut tomorrow at 3 p.m. please.", "booking"), ("I can't come tomorrow.", "care"),
        ("I need to move my appointment to Friday.", "care"), ("Tell me about your services.", "services"),
    ],
)  # fmt: skip
def test_the_caller_reaches_the_specialist_whose_work_it_is(call: MakeCall, said: str, to: str) -> None:
    line = call()
    line.hear(said)
    assert line.used[0] == (HAND_OVER, {"to": to})


@pytest.mark.parametrize("agent", SALON.agents)
def test_every_specialist_reads_back_before_it_writes(agent: str) -> None:
    tools = [AGENTS.tools[name] for name in SALON.agents[agent].tools]
    assert all(tool.writes for tool in tools if tool.name != "find_slot")


def test_every_first_sentence_is_short(call: MakeCall) -> None:
    line = call()
    line.hear(*BOOKED, "How much is a haircut?", "Operator.")
    assert all(len(words.split(".")[0].split()) <= 9 for words in line.said)
