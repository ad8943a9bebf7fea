"""Turns: what is told of an exchange, when, and what a new session would be told."""

from __future__ import annotations

import attrs

from callactors.realtime import events as e
from callactors.realtime.actions import Action, Turn
from callactors.realtime.conversation import Conversation
from callactors.realtime.items import ErrorDetail, Session
from callactors.testing.realtime_words import (
    PROFILE,
    SAYING,
    created,
    delta,
    done,
    feed,
    item_done,
    of,
    ready,
    sent,
    silence,
    speech,
    transcript,
    wants_tool,
    words,
)

# -- turns ------------------------------------------------------------------------------------------------------------


def a_turn(talk: Conversation) -> list[Action]:
    actions = feed(talk, speech(), *silence(), now=1.0)
    actions += talk.cut_off(None, 0, 1.0)
    actions += feed(talk, transcript("Hello"), now=1.2)
    actions += feed(talk, created(), now=1.3) + feed(talk, words("Hi there"), delta(), now=1.5)
    return actions + feed(talk, item_done(), done(), now=1.6) + talk.started("a", 1.55, 1.6)


def test_a_turn_has_its_stages_in_ms_after_the_callers_last_word() -> None:
    talk = ready()
    a_turn(talk)
    (turn,) = of(talk.heard("a", 2.6), Turn)
    assert (turn.heard, turn.said, turn.cut_ms) == ("Hello", "Hi there", None)
    assert turn.stages == {
        "speech_end_to_transcript": 200,
        "to_response_created": 300,
        "to_first_audio": 500,
        "to_first_rtp": 550,
    }


PARTS = ("detection", "to_first_audio", "transcode", "slot", "onset")


def test_the_response_time_is_split_into_what_each_stage_took() -> None:
    talk = ready()
    feed(talk, speech(), *silence(), now=1.0)
    talk.last_heard(0.4, 1.0, 1.001)
    talk.cut_off(None, 0, 1.0)
    feed(talk, transcript("Hello"), created(), now=1.3)
    feed(talk, words("Hi there"), delta(), now=1.5)
    talk.queued("a", 1.503, 0.01, 1.504)
    talk.started("a", 1.52, 1.53)
    feed(talk, item_done(), done(), now=1.6)
    (turn,) = of(talk.heard("a", 2.6), Turn)
    found = {name: turn.stages[name] for name in (*PARTS, "response")}
    assert found == dict(zip(PARTS, (600, 500, 3, 17, 10), strict=True)) | {"response": 1130}
    assert found.pop("response") == sum(found.values())


def test_where_the_caller_was_heard_may_be_known_before_their_words_are_an_item() -> None:
    talk = ready()
    stopped, committed = silence()
    feed(talk, speech(), stopped, now=1.0)
    talk.last_heard(0.4, 1.0, 1.001)
    feed(talk, committed, transcript("Hello"), created(), delta(), item_done(), done(), now=1.6)
    (turn,) = of(talk.heard("a", 2.6), Turn)
    assert turn.stages["detection"] == 600


def test_what_was_said_of_a_cut_turn_is_what_was_heard_with_a_mark() -> None:
    talk = ready()
    feed(talk, *SAYING, speech())
    actions = talk.cut_off("a", 1000, 2.0) + feed(talk, done(status="cancelled"))
    assert of(actions, Turn) == [Turn("", "one two [...]", 1000, {})]


def test_a_late_transcript_belongs_to_its_own_turn() -> None:
    talk = ready()
    feed(talk, *silence("u1"), created(), delta(), item_done(), done())
    assert of(talk.heard("a", 2.0), Turn) == []
    feed(talk, *silence("u2"), created("r2"), words("Two", "b", "r2"), delta("b", "r2"), item_done("b"), done("r2"))
    actions = feed(talk, transcript("second", "u2")) + talk.heard("b", 3.0)
    actions += feed(talk, transcript("first", "u1"))
    assert [turn.heard for turn in of(actions, Turn)] == ["first", "second"]


def test_a_failed_transcript_is_no_reason_to_wait() -> None:
    talk = ready()
    feed(talk, *silence(), created(), delta(), item_done(), done())
    failed = e.ConversationItemInputAudioTranscriptionFailed(item_id="u", error=ErrorDetail(code="c"))
    assert of(talk.heard("a", 2.0) + feed(talk, failed), Turn)


def test_words_before_an_answer_are_one_turn() -> None:
    talk = ready()
    feed(talk, *silence("u1"), transcript("I need", "u1"), speech("u2"), *silence("u2"), transcript("a cut", "u2"))
    feed(talk, created(), delta(), item_done(), done())
    assert of(talk.heard("a", 2.0), Turn)[0].heard == "I need a cut"


def test_a_turn_with_a_tool_is_one_turn() -> None:
    talk = ready()
    feed(talk, *silence(), transcript("Book it"), created(), words("One moment."), delta(), item_done())
    feed(talk, wants_tool("c"), done())
    assert of(talk.heard("a", 2.0), Turn) == []
    talk.tool_finished("c", "ok", 2.0)
    feed(talk, created("r2"), words("Booked.", "b", "r2"), delta("b", "r2"), item_done("b"), done("r2"))
    assert of(talk.heard("b", 3.0), Turn)[0].said == "One moment. Booked."


def test_transcripts_that_never_come_hold_only_so_many_turns() -> None:
    talk = ready()
    actions: list[Action] = []
    for n in range(8):
        actions += feed(talk, *silence(f"u{n}"), created(f"r{n}"), delta(f"a{n}", f"r{n}"), done(f"r{n}"))
        actions += talk.heard(f"a{n}", 2.0)
    assert len(of(actions, Turn)) == 3


def test_without_transcription_a_turn_does_not_wait_for_one() -> None:
    talk = ready(attrs.evolve(PROFILE, transcription_model=None))
    feed(talk, *silence(), created(), delta(), item_done(), done())
    assert of(talk.heard("a", 2.0), Turn)


def test_the_rest_of_an_ended_session_is_told_as_far_as_it_got() -> None:
    talk = ready()
    feed(talk, *silence(), transcript("Hello"), *SAYING)
    assert talk.rest() == [
        Turn(
            "Hello",
            "one two three four [...]",
            None,
            {"speech_end_to_transcript": 0.0, "to_response_created": 0.0, "to_first_audio": 0.0},
        )
    ]
    assert talk.rest() == []


def test_a_replay_tells_words_tools_and_answers_in_order() -> None:
    talk = ready()
    feed(talk, *silence(), transcript("Book it"), created(), wants_tool("c"), done())
    talk.tool_finished("c", "booked", 1.0)
    feed(talk, created("r2"), words("Done.", "b", "r2"), delta("b", "r2"), item_done("b"), done("r2"))
    talk.heard("b", 2.0)
    items = [event.item for event in talk.replay() if isinstance(event, e.ConversationItemCreate)]
    assert [item.role or item.type for item in items] == ["user", "function_call", "function_call_output", "assistant"]
    heir = Conversation(PROFILE, talk.replay())
    feed(heir, e.SessionCreated(session=Session(type="realtime")))
    actions = feed(heir, e.SessionUpdated(session=Session(type="realtime")))
    assert len(sent(actions, e.ConversationItemCreate)) == 4
    assert heir.replay() == talk.replay()


def test_an_answer_of_which_nothing_was_heard_said_nothing() -> None:
    talk = ready()
    feed(talk, *SAYING, speech())
    actions = talk.cut_off("a", 0, 2.0) + feed(talk, done(status="cancelled"))
    assert of(actions, Turn) == [Turn("", "", 0, {})]


def test_the_callers_items_in_one_turn_are_bounded() -> None:
    talk = ready()
    for n in range(70):
        feed(talk, *silence(f"u{n}"), transcript(f"{n}", f"u{n}"))
    feed(talk, created(), delta(), item_done(), done())
    (turn,) = of(talk.heard("a", 2.0), Turn)
    assert turn.heard.split() == [str(n) for n in range(6, 70)]
