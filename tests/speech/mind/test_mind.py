"""The mind on a small made-up house: it knows nothing but the schemas it is given."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callactors.speech.mind import Act, Mind, Say, Use, make_mind

NOW = datetime(2026, 11, 22, 10, 0)


def schema(called: str, about: str, /, required: Sequence[str] | None = None, **properties: Any) -> dict[str, Any]:
    needed = list(properties) if required is None else list(required)
    return {
        "type": "function",
        "name": called,
        "description": about,
        "parameters": {"type": "object", "properties": properties, "required": needed},
    }


TABLE = schema(
    "reserve_table",
    "Reserve a table.",
    ["day", "time", "guests", "name"],
    day={"type": "string", "format": "date", "description": "the day"},
    time={"type": "string", "format": "time", "description": "the time. When would you like to come?"},
    guests={"type": "integer", "description": "the number of guests"},
    name={"type": "string", "description": "the name"},
    outside={"type": "boolean", "description": "whether to sit outside"},
)
HOURS = schema(
    "check_menu",
    "Look up the menu of a day. Callers say: what is on the menu",
    day=TABLE["parameters"]["properties"]["day"],
)
PERSON = schema("transfer_to_human", "A person.", target={"type": "string", "enum": ["kitchen", "manager"]})
ANSWER = schema("answer_question", "Notes.", question={"type": "string"})
END = schema("end_call", "Hang up.")
OVER = schema(
    "hand_over",
    "Hand over.",
    to={"type": "string", "enum": ["tables", "parties"], "description": "The colleague. tables: reserves tables. "
        "parties: plans weddings and parties."},
)  # fmt: skip
ALL = [TABLE, HOURS, PERSON, ANSWER, END]


def mind(tools: Sequence[dict[str, Any]] = ALL, instructions: str = "") -> Mind:
    made = make_mind(lambda: NOW)()
    made.configure(instructions, tools)
    return made


def said(acts: Sequence[Act]) -> str:
    return " ".join(act.text for act in acts if isinstance(act, Say))


def used(acts: Sequence[Act]) -> Use:
    (use,) = (act for act in acts if isinstance(act, Use))
    return use


def talk(made: Mind, *utterances: str) -> list[Act]:
    """Say these one after the other; the acts after the last."""
    return [made.hear(text) for text in utterances][-1]


def finished(made: Mind, acts: Sequence[Act], result: Any) -> list[Act]:
    return made.tool_finished(used(acts).call_id, result if isinstance(result, str) else json.dumps(result))


FILLED = ("I want to reserve a table tomorrow at 8 pm.", "four", "Dana")


def test_what_is_missing_is_asked_one_at_a_time_in_the_descriptions_words() -> None:
    made = mind()
    assert said(made.hear("I'd like to reserve a table.")) == "What is the day?"
    assert said(made.hear("Tomorrow.")) == "When would you like to come?"
    assert said(made.hear("Half past seven.")) == "What is the number of guests?"
    assert said(made.hear("Four.")) == "What is the name?"


def test_a_write_is_read_back_and_runs_on_yes() -> None:
    made = mind()
    back = said(talk(made, *FILLED))
    assert "tomorrow, Monday the 23rd at 8 PM" in back
    assert "guests 4, for Dana" in back
    arguments = {"day": "2026-11-23", "time": "20:00", "guests": 4, "name": "Dana"}
    assert made.hear("Yes, please.") == [Use("reserve_table", arguments)]


def test_a_correction_is_read_back_again() -> None:
    made = mind()
    talk(made, *FILLED)
    assert "7 PM" in said(made.hear("No, at seven."))
    assert "for Diana" in said(made.hear("No, it's Diana."))
    assert used(made.hear("Yes.")).arguments["time"] == "19:00"


def test_a_no_asks_what_to_change() -> None:
    made = mind()
    talk(made, *FILLED)
    assert said(made.hear("No.")) == "All right. What should I change?"
    assert said(made.hear("The name.")) == "What is the name?"
    assert "for Lee" in said(made.hear("Lee."))
    talk(made, "That's not right.")
    assert "guests 5" in said(made.hear("Five guests."))


def test_a_later_word_in_one_breath_overrides_an_earlier_one() -> None:
    made = mind()
    talk(made, "Reserve a table tomorrow at 7, no, at 8 pm", "four", "Dana")
    assert used(made.hear("Yes.")).arguments["time"] == "20:00"


def test_what_only_looks_up_needs_no_read_back() -> None:
    assert mind().hear("What is on the menu tomorrow?") == [Use("check_menu", {"day": "2026-11-23"})]


def test_the_result_is_spoken_and_more_help_offered() -> None:
    made = mind()
    talk(made, *FILLED)
    acts = made.hear("Yes.")
    assert said(finished(made, acts, {"ok": True, "say": "Done."})) == "Done. Is there anything else?"
    acts = made.hear("No, thanks.")
    assert used(acts).tool == "end_call"
    assert "Goodbye" in said(acts)


def test_a_tool_that_says_no_gets_the_wrong_value_mended() -> None:
    made = mind()
    talk(made, *FILLED)
    acts = made.hear("Yes.")
    refused = {"ok": False, "say": "8 is taken. 7 or 9?", "mend": ["time"], "offers": {"time": ["19:00", "21:00"]}}
    assert said(finished(made, acts, refused)) == "8 is taken. 7 or 9?"
    assert "9 PM" in said(made.hear("The second one."))
    assert used(made.hear("Yes.")).arguments["time"] == "21:00"


def test_the_only_offer_is_taken_with_a_yes() -> None:
    made = mind()
    talk(made, *FILLED)
    acts = made.hear("Yes.")
    finished(made, acts, {"ok": False, "say": "Taken. 9 PM?", "mend": ["time"], "offers": {"time": ["21:00"]}})
    assert "9 PM" in said(made.hear("Yes, please."))


@pytest.mark.parametrize("output", ["reserve_table could not be done: ValueError.", "{", "", '{"error": "x_y: bad"}'])
def test_a_failure_written_for_machines_is_not_read_out_and_a_person_is_offered(output: str) -> None:
    made = mind()
    talk(made, *FILLED)
    acts = made.hear("Yes.")
    words = said(finished(made, acts, output))
    assert words == "Sorry. That didn't work on my side. Shall I put you through to a person?"
    assert used(made.hear("Yes.")).tool == "transfer_to_human"


def test_a_failure_written_for_ears_is_spoken() -> None:
    made = mind([TABLE])
    talk(made, *FILLED)
    acts = made.hear("Yes.")
    assert said(finished(made, acts, "We are full.")) == "We are full. Is there anything else?"


@pytest.mark.parametrize(
    "text", ["A human, please.", "Agent!", "operator", "Can I talk to a real person?", "I want to speak to someone",
             "representative", "Get me somebody real."],
)  # fmt: skip
def test_a_person_is_reached_from_anywhere(text: str) -> None:
    made = mind()
    assert made.hear(text)[-1] == Use("transfer_to_human", {"target": "kitchen"})
    made = mind()
    made.hear("I'd like to reserve a table.")
    assert used(made.hear(text)).tool == "transfer_to_human"


def test_the_target_named_is_the_one_dialled() -> None:
    assert used(mind().hear("Put me through to the manager.")).arguments == {"target": "manager"}


@pytest.mark.parametrize(
    "text", ["Can I speak to the kitchen?", "Put me through to the kitchen.", "Could I talk to the kitchen, please?"]
)
def test_who_asks_for_a_target_by_its_name_is_put_through_to_it(text: str) -> None:
    asked = schema("transfer_to_human", "A person.", target={"type": "string", "enum": ["front_desk", "kitchen"]})
    assert mind([TABLE, asked, ANSWER, END]).hear(text)[-1] == Use("transfer_to_human", {"target": "kitchen"})


def test_a_target_that_is_only_mentioned_is_no_wish_to_be_put_through() -> None:
    assert used(mind().hear("When does the kitchen close?")).tool == "answer_question"


def test_after_a_transfer_nobody_took_the_talk_goes_on() -> None:
    made = mind()
    acts = made.hear("Operator.")
    assert said(finished(made, acts, "The transfer was not taken: refused (SIP 603).")) == "How else can I help?"
    assert said(made.hear("Reserve a table")) == "What is the day?"
    assert "nobody" in said(mind([TABLE]).hear("Operator."))


def test_two_misses_in_a_row_lead_to_a_person() -> None:
    made = mind()
    assert "didn't catch that" in said(made.hear("Florp wug."))
    assert used(made.hear("Grumble.")).tool == "transfer_to_human"


def test_a_hit_between_two_misses_forgives_the_first() -> None:
    made = mind()
    talk(made, "Florp wug.", "Reserve a table.", "Florp.", "Tomorrow.")
    assert "didn't catch" in said(made.hear("Florp."))


def test_a_question_on_the_way_is_answered_and_the_slot_asked_again() -> None:
    made = mind()
    made.hear("Reserve a table.")
    acts = made.hear("How much is a steak?")
    assert used(acts) == Use("answer_question", {"question": "How much is a steak?"})
    assert said(finished(made, acts, {"say": "Thirty dollars."})) == "Thirty dollars. What is the day?"


def test_small_talk_is_answered() -> None:
    made = mind()
    assert said(made.hear("Hello.")) == "Hello. How can I help?"
    assert said(made.hear("Thank you.")) == "You're welcome. Is there anything else?"
    assert "automated assistant" in said(made.hear("Are you a robot?"))
    assert said(made.hear("Am I talking to a human?")).startswith("I'm an automated assistant.")
    assert made.hear("...") == []


def test_a_job_can_be_dropped() -> None:
    made = mind()
    talk(made, *FILLED)
    assert "leave that" in said(made.hear("Oh, never mind."))
    assert used(made.hear("No.")).tool == "end_call"


def test_a_hand_over_carries_the_same_words_on_with_the_colleagues_tools() -> None:
    made = mind([OVER, PERSON])
    acts = made.hear("Reserve a table tomorrow at 8 pm please.")
    assert used(acts) == Use("hand_over", {"to": "tables"})
    made.configure("", [TABLE, OVER])
    assert said(finished(made, acts, {"ok": True})) == "What is the number of guests?"


def test_a_hand_over_waits_for_its_session_update() -> None:
    made = mind([OVER, PERSON])
    acts = made.hear("We are planning a wedding.")
    assert used(acts).arguments == {"to": "parties"}
    assert finished(made, acts, {"ok": True}) == []
    made.configure("", [TABLE, OVER])
    assert said(made.wake()) == "How can I help?"


def test_a_failed_hand_over_is_told() -> None:
    made = mind([OVER])
    acts = made.hear("Reserve a table.")
    assert said(finished(made, acts, "there is no colleague 'tables'")).startswith("Sorry. That didn't work")


def test_a_hand_over_is_known_by_the_new_tools_whatever_its_output_says() -> None:
    made = mind([OVER, PERSON])
    acts = made.hear("Reserve a table tomorrow at 8 pm please.")
    made.configure("", [TABLE, OVER])
    assert said(finished(made, acts, "tables carries on.")) == "What is the number of guests?"


def test_a_turn_without_words_repeats_the_question() -> None:
    made = mind()
    assert said(made.wake()) == "How can I help?"
    made.hear("Reserve a table.")
    assert said(made.wake()) == "What is the day?"


def test_words_said_while_a_tool_is_out_wait_but_not_for_ever() -> None:
    made = mind()
    acts = made.hear("What is on the menu tomorrow?")
    assert [made.hear(text) for text in ("Hm.", "Well.", "So.")] == [[], [], []]
    assert "How can I help" in said(made.hear("Hello."))
    assert finished(made, acts, {"say": "Late."}) == []


def test_the_callers_number_in_the_instructions_fills_the_phone() -> None:
    ring = schema("note_number", "Note a number. Callers say: call me back", phone={"type": "string"})
    made = mind([ring], "The caller's number is +1 312 555 0142.")
    assert "plus 1, 3 1 2, 5 5 5, 0 1 4 2" in said(made.hear("Please call me back."))


def test_half_a_phone_number_is_waited_for() -> None:
    made = mind([schema("note_number", "Note a number. Callers say: call me back", phone={"type": "string"})])
    assert said(talk(made, "Please call me back.", "It's 555.")) == "Go on."
    assert "5 5 5, 0 1 4 2" in said(made.hear("0142."))


def test_a_moment_may_come_in_two_utterances() -> None:
    made = mind([schema("plan_party", "Plan a party.", start={"type": "string", "format": "date-time"})])
    talk(made, "Plan a party.", "On Tuesday.")
    made.hear("At 7 pm.")
    assert used(made.hear("Yes.")).arguments == {"start": "2026-11-24T19:00"}


def test_free_text_is_taken_as_it_is_said() -> None:
    made = mind([schema("leave_message", "Leave a message.", message={"type": "string"}, weight={"type": "number"})])
    talk(made, "I want to leave a message.", "Ring me about the oven.", "2.5")
    assert used(made.hear("Yes.")).arguments == {"message": "Ring me about the oven.", "weight": 2.5}


def test_a_yes_or_no_slot_is_asked_and_read() -> None:
    made = mind(
        [schema("order_taxi", "Order a taxi.", now={"type": "boolean", "description": "whether it is for now. Now?"})]
    )
    assert said(made.hear("Order a taxi.")) == "Now?"
    assert "now no" in said(made.hear("No."))


def test_schemas_we_cannot_read_do_no_harm() -> None:
    made = mind([{"name": "odd"}, {"name": "odder", "parameters": {"properties": [1]}}, {}])
    assert made.hear("Hello there") != []
    assert made.tool_finished("unknown", "x") == []


@given(st.lists(st.sampled_from([
    "Reserve a table", "tomorrow", "at three", "four", "Dana", "yes", "no", "no, at four", "never mind", "the name",
    "what is on the menu", "how much is it", "florp", "operator", "thank you", "bye", "555", "the second one", "",
]), max_size=12), st.sampled_from(['{"ok": true, "say": "Done."}', '{"ok": false, "mend": ["time", "x"]}',
    "broken_thing",
    '{"ok": true, "then": "reserve_table", "offers": {"time": ["19:00"]}}', "[1]", '"Fine."']))  # fmt: skip
@settings(max_examples=120, deadline=None)
def test_no_conversation_breaks_it_and_every_argument_is_of_the_schema(talk: list[str], output: str) -> None:
    made = mind()
    for text in talk:
        for act in made.hear(text):
            if isinstance(act, Use):
                tool = next(tool for tool in ALL if tool["name"] == act.tool)
                assert set(act.arguments) <= set(tool["parameters"]["properties"])
                made.tool_finished(act.call_id, output)
        made.wake()


def test_a_caller_who_says_again_what_was_read_back_hears_it_again_however_often() -> None:
    made = mind()
    question = said(talk(made, *FILLED))
    assert [said(made.hear("It's Dana.")) for _ in range(3)] == [question] * 3
