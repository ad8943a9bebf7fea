"""The conversation as a table of events in and actions out; then its promises, whatever the order of events."""

from __future__ import annotations

from typing import Any, TypeVar

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callactors.audio.format import AudioFormat
from callactors.realtime import events as e
from callactors.realtime.actions import (
    Action,
    EndOfUtterance,
    Lost,
    Play,
    Ready,
    Request,
    Send,
    Stop,
    Stumbled,
    Turn,
    Used,
)
from callactors.realtime.conversation import LONGEST, Conversation
from callactors.realtime.items import ErrorDetail, Item, Response, Session, StatusDetails, Usage
from callactors.realtime.session import Profile

PROFILE = Profile(instructions="Hi", format=AudioFormat.PCMU)
SECOND = b"\x55" * 8000
A = TypeVar("A")


def ready(profile: Profile = PROFILE, seed: tuple[e.ClientEvent, ...] = ()) -> Conversation:
    """A conversation past its handshake."""
    talk = Conversation(profile, seed)
    talk.receive(e.SessionCreated(session=Session(type="realtime")), 0.0)
    talk.receive(e.SessionUpdated(session=Session(type="realtime")), 0.0)
    return talk


def feed(talk: Conversation, *events: e.ServerEvent, now: float = 1.0) -> list[Action]:
    return [action for event in events for action in talk.receive(event, now)]


def sent(actions: list[Action], kind: type[A]) -> list[A]:
    """The client events of this kind among the actions."""
    return [action.event for action in actions if isinstance(action, Send) and isinstance(action.event, kind)]


def of(actions: list[Action], kind: type[A]) -> list[A]:
    return [action for action in actions if isinstance(action, kind)]


def created(response: str = "r", **more: Any) -> e.ResponseCreated:
    return e.ResponseCreated(response=Response(id=response, **more))


def done(response: str = "r", status: str = "completed", code: str | None = None) -> e.ResponseDone:
    details = StatusDetails(type=status, error=ErrorDetail(code=code)) if code else None
    return e.ResponseDone(response=Response(id=response, status=status, status_details=details))


def delta(item: str = "a", response: str = "r", audio: bytes = SECOND) -> e.ResponseOutputAudioDelta:
    return e.ResponseOutputAudioDelta(response_id=response, item_id=item, delta=audio)


def words(text: str, item: str = "a", response: str = "r") -> e.ResponseOutputAudioTranscriptDelta:
    return e.ResponseOutputAudioTranscriptDelta(response_id=response, item_id=item, delta=text)


def item_done(item: str = "a", response: str = "r") -> e.ResponseOutputItemDone:
    return e.ResponseOutputItemDone(response_id=response, item=Item(type="message", id=item))


def wants_tool(call: str, response: str = "r", **more: Any) -> e.ResponseOutputItemDone:
    asked = Item(type="function_call", id=f"i_{call}", call_id=call, **{"name": "book", "arguments": "{}", **more})
    return e.ResponseOutputItemDone(response_id=response, item=asked)


def speech(item: str = "u") -> e.InputAudioBufferSpeechStarted:
    return e.InputAudioBufferSpeechStarted(item_id=item, audio_start_ms=0)


def silence(item: str = "u") -> tuple[e.InputAudioBufferSpeechStopped, e.InputAudioBufferCommitted]:
    return e.InputAudioBufferSpeechStopped(item_id=item, audio_end_ms=1), e.InputAudioBufferCommitted(item_id=item)


def transcript(text: str, item: str = "u") -> e.ConversationItemInputAudioTranscriptionCompleted:
    return e.ConversationItemInputAudioTranscriptionCompleted(item_id=item, transcript=text)


def error(code: str, event_id: str | None = None) -> e.ErrorReported:
    return e.ErrorReported(error=ErrorDetail(type="t", code=code, message="m", event_id=event_id))


SAYING = (created(), words("one two three four"), delta(), delta())


# -- the handshake ----------------------------------------------------------------------------------------------------


def test_the_first_thing_said_is_the_session_and_what_came_too_early_is_said_after_it() -> None:
    talk = Conversation(PROFILE)
    assert talk.digit("1", 0.0) == []
    (update,) = talk.receive(e.SessionCreated(session=Session(type="realtime")), 0.0)
    assert sent([update], e.SessionUpdate)
    assert talk.receive(e.SessionCreated(session=Session(type="realtime")), 0.0) == []
    actions = talk.receive(e.SessionUpdated(session=Session(type="realtime")), 0.0)
    assert isinstance(actions[0], Ready)
    assert sent(actions, e.ConversationItemCreate)
    assert sent(actions, e.ResponseCreate)
    assert talk.receive(e.SessionUpdated(session=Session(type="realtime")), 0.0) == []


def test_a_handshake_that_takes_ten_seconds_is_lost() -> None:
    talk = Conversation(PROFILE)
    assert talk.next_timer(5.0) == 15.0
    assert talk.expire(14.9) == []
    assert talk.expire(15.0) == [Lost("timeout", fatal=False)]


# -- tools ------------------------------------------------------------------------------------------------------------


def test_tools_are_requested_by_item_done_alone_and_once() -> None:
    arguments = e.ResponseFunctionCallArgumentsDone(response_id="r", item_id="i", call_id="c", name="n", arguments="{}")
    actions = feed(ready(), created(), arguments, wants_tool("c"), wants_tool("c"))
    assert of(actions, Request) == [Request("c", "book", "{}")]


def test_one_response_is_asked_for_after_all_requests_are_answered_and_the_response_is_done() -> None:
    talk = ready()
    feed(talk, created(), wants_tool("c"), wants_tool("d"))
    assert not sent(talk.tool_finished("c", "1", 1.0), e.ResponseCreate)
    assert not sent(feed(talk, done()), e.ResponseCreate)
    actions = talk.tool_finished("d", "2", 1.0)
    assert [event.item.output for event in sent(actions, e.ConversationItemCreate)] == ["2"]
    assert len(sent(actions, e.ResponseCreate)) == 1
    assert talk.tool_finished("d", "again", 1.0) == []


def test_a_result_before_the_end_of_its_response_waits_for_it() -> None:
    talk = ready()
    feed(talk, created(), wants_tool("c"))
    assert not sent(talk.tool_finished("c", "1", 1.0), e.ResponseCreate)
    assert len(sent(feed(talk, done()), e.ResponseCreate)) == 1


@pytest.mark.parametrize("broken", [{"status": "incomplete"}, {"name": ""}, {"arguments": "x" * 70_000}])
def test_a_request_that_was_cut_short_is_answered_and_not_run(broken: dict[str, str]) -> None:
    actions = feed(ready(), created(), wants_tool("c", **broken))
    assert of(actions, Request) == []
    assert sent(actions, e.ConversationItemCreate)[0].item.call_id == "c"


def test_a_result_while_the_caller_speaks_is_sent_but_the_server_answers_it_with_the_speech() -> None:
    talk = ready()
    feed(talk, created(), wants_tool("c"), done(), speech())
    actions = talk.tool_finished("c", "1", 1.0)
    assert sent(actions, e.ConversationItemCreate)
    assert not sent(actions, e.ResponseCreate)
    assert not sent(feed(talk, *silence(), created("r2"), done("r2")), e.ResponseCreate)


def test_if_the_server_does_not_answer_the_speech_the_result_is_spoken_after_all() -> None:
    talk = ready()
    feed(talk, created(), wants_tool("c"), done(), speech())
    talk.tool_finished("c", "1", 1.0)
    feed(talk, *silence(), now=2.0)
    assert talk.next_timer(2.0) == 5.0
    assert len(sent(talk.expire(5.0), e.ResponseCreate)) == 1


# -- barge-in ---------------------------------------------------------------------------------------------------------


def test_speech_stops_play_out_and_what_was_not_heard_is_truncated() -> None:
    talk = ready()
    feed(talk, *SAYING)
    assert of(feed(talk, speech()), Stop) == [Stop()]
    (cut,) = sent(talk.cut_off("a", 1480, 2.0), e.ConversationItemTruncate)
    assert (cut.item_id, cut.audio_end_ms) == ("a", 1480)


def test_truncation_is_clamped_to_the_audio_received() -> None:
    talk = ready()
    feed(talk, *SAYING, speech())
    (cut,) = sent(talk.cut_off("a", 9_999, 2.0), e.ConversationItemTruncate)
    assert cut.audio_end_ms == 2000


def test_an_item_heard_whole_is_not_truncated() -> None:
    talk = ready()
    feed(talk, *SAYING, item_done(), done(), speech())
    assert not sent(talk.cut_off("a", 2000, 2.0), e.ConversationItemTruncate)


def test_of_what_was_queued_the_earlier_was_heard_and_the_later_was_not() -> None:
    talk = ready()
    feed(talk, created(), delta("a"), item_done("a"), delta("b"), item_done("b"), delta("c"), speech())
    cuts = sent(talk.cut_off("b", 400, 2.0), e.ConversationItemTruncate)
    assert [(cut.item_id, cut.audio_end_ms) for cut in cuts] == [("b", 400), ("c", 0)]


def test_a_sentence_of_our_own_that_sounded_leaves_what_had_not_begun_unheard() -> None:
    talk = ready()
    feed(talk, created(), delta("a"), item_done("a"), delta("b"), item_done("b"), speech())
    talk.started("a", 1.5, 1.5)
    cuts = sent(talk.cut_off("local:hold", 300, 2.0), e.ConversationItemTruncate)
    assert [(cut.item_id, cut.audio_end_ms) for cut in cuts] == [("b", 0)]


def test_when_nothing_sounded_everything_finished_had_been_heard() -> None:
    talk = ready()
    feed(talk, *SAYING, item_done(), done(), speech())
    assert not sent(talk.cut_off(None, 0, 2.0), e.ConversationItemTruncate)


def test_late_audio_of_a_response_spoken_over_is_dropped_and_the_next_one_sounds() -> None:
    talk = ready()
    feed(talk, *SAYING, speech())
    late = feed(talk, delta(), words("more"), done(status="cancelled"), delta())
    assert not of(late, Play)
    assert of(feed(talk, *silence(), created("r2"), delta("b", "r2")), Play)


def test_where_the_server_does_not_interrupt_we_cancel_before_we_truncate() -> None:
    talk = ready(attrs.evolve(PROFILE, interrupt_response=False))
    feed(talk, *SAYING)
    actions = feed(talk, speech())
    assert sent(actions, e.ResponseCancel)[0].response_id == "r"
    assert sent(talk.cut_off("a", 100, 2.0), e.ConversationItemTruncate)


def test_a_sentence_under_a_local_name_is_never_truncated() -> None:
    talk = ready()
    (create,) = sent(talk.say("One moment.", "local:1", 1.0), e.ResponseCreate)
    assert create.response is not None
    actions = feed(talk, created(metadata={"utterance": "local:1"}), delta(), speech())
    assert of(actions, Play)[0].utterance == "local:1"
    assert not sent(talk.cut_off("local:1", 10, 2.0), e.ConversationItemTruncate)


def test_a_server_that_echoes_no_metadata_still_gets_our_name_right() -> None:
    talk = ready()
    talk.say("One moment.", "local:1", 1.0)
    assert of(feed(talk, created(), delta()), Play)[0].utterance == "local:1"


def test_a_sentence_of_ours_that_makes_no_sound_is_still_ended() -> None:
    talk = ready()
    talk.say("One moment.", "local:1", 1.0)
    assert of(feed(talk, created(), done()), EndOfUtterance) == [EndOfUtterance("local:1")]


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


# -- errors and failures ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "fatal"),
    [
        ("session_expired", False),
        ("beta_api_shape_disabled", True),
        ("invalid_api_key", True),
        ("model_not_found", True),
    ],
)
def test_the_fatal_errors_end_the_session(code: str, fatal: bool) -> None:
    assert of(feed(ready(), error(code)), Lost) == [Lost(code, fatal)]


@pytest.mark.parametrize("code", ["response_cancel_not_active", "invalid_value", "item_retrieve_invalid_item_id"])
def test_the_benign_errors_do_nothing(code: str) -> None:
    assert feed(ready(), error(code)) == []


def test_an_already_active_response_is_waited_for_and_asked_again() -> None:
    talk = ready()
    talk.say("Hello", "", 1.0)
    assert not sent(feed(talk, error("conversation_already_has_active_response", "create_1")), e.ResponseCreate)
    assert talk.next_timer(1.0) == 2.0
    assert len(sent(talk.expire(2.0), e.ResponseCreate)) == 1


def test_a_response_that_is_always_already_active_is_given_up() -> None:
    talk = ready()
    talk.say("Hello", "", 1.0)
    for now in (2.0, 4.0):
        feed(talk, error("conversation_already_has_active_response"), now=now)
        assert sent(talk.expire(now + 1), e.ResponseCreate)
    assert of(feed(talk, error("conversation_already_has_active_response")), Stumbled)


def test_an_already_active_error_about_nothing_of_ours_is_ignored() -> None:
    assert feed(ready(), error("conversation_already_has_active_response", "other")) == []


@pytest.mark.parametrize("failure", [error("server_error"), error("bad", "create_1")])
def test_a_request_for_a_response_that_errs_is_tried_once_more(failure: e.ErrorReported) -> None:
    talk = ready()
    talk.say("Hello", "local:1", 1.0)
    feed(talk, failure, now=1.0)
    assert len(sent(talk.expire(2.0), e.ResponseCreate)) == 1
    actions = feed(talk, error("server_error"), now=2.0)
    assert of(actions, Stumbled)
    assert of(actions, EndOfUtterance) == [EndOfUtterance("local:1")]


def test_a_server_error_about_nothing_we_asked_is_ignored() -> None:
    assert feed(ready(), error("server_error")) == []


@pytest.mark.parametrize("status", ["failed", "incomplete"])
def test_a_failed_response_is_retried_once_then_somebody_else_must_speak(status: str) -> None:
    talk = ready()
    feed(talk, *silence(), created(), done(status=status, code="rate_limit_exceeded"))
    assert len(sent(talk.expire(2.0), e.ResponseCreate)) == 1
    actions = feed(talk, created("r2"), done("r2", status, "rate_limit_exceeded"))
    assert of(actions, Stumbled) == [Stumbled("rate_limit_exceeded")]


def test_a_failure_without_details_is_just_failed() -> None:
    talk = ready()
    feed(talk, created(), done(status="failed"))
    talk.expire(2.0)
    assert of(feed(talk, created("r2"), done("r2", "failed")), Stumbled) == [Stumbled("failed")]


def test_a_hundred_errors_are_enough() -> None:
    talk = ready()
    actions = [action for _ in range(101) for action in feed(talk, error("invalid_value"))]
    assert actions == [Lost("too_many_errors", fatal=False)]


def test_a_model_that_goes_silent_in_a_response_is_lost() -> None:
    talk = ready()
    feed(talk, created(), now=1.0)
    assert talk.next_timer(1.0) == 21.0
    assert talk.expire(21.0) == [Lost("stalled", fatal=False)]


# -- floods -----------------------------------------------------------------------------------------------------------


def test_an_overflowing_response_is_cancelled_once_and_its_late_audio_dropped() -> None:
    talk = ready()
    feed(talk, *SAYING)
    actions = talk.overflowed("a", 1.0)
    assert sent(actions, e.ResponseCancel)[0].response_id == "r"
    assert of(actions, EndOfUtterance) == [EndOfUtterance("a")]
    assert talk.overflowed("a", 1.0) == []
    assert talk.overflowed("never heard of", 1.0) == []
    assert not of(feed(talk, delta()), Play)


def test_overflow_of_a_finished_response_cancels_nothing() -> None:
    talk = ready()
    feed(talk, *SAYING, done())
    assert not sent(talk.overflowed("a", 1.0), e.ResponseCancel)


def test_an_endless_utterance_is_cancelled() -> None:
    talk = ready()
    endless = [delta(audio=SECOND * 60) for _ in range(LONGEST // 60_000 + 1)]
    assert sent(feed(talk, created(), *endless), e.ResponseCancel)


@pytest.mark.parametrize(
    "flood",
    [
        [created(f"r{n}") for n in range(70)],
        [wants_tool(f"c{n}") for n in range(40)],
        [delta(f"a{n}", audio=b"12345678") for n in range(300)],
    ],
    ids=["responses", "requests", "utterances"],
)
def test_a_flood_ends_the_session(flood: list[e.ServerEvent]) -> None:
    assert of(feed(ready(), *flood), Lost)[0] == Lost("flood", fatal=False)


def test_a_thousand_ordinary_turns_keep_little() -> None:
    talk = ready()
    for n in range(1000):
        feed(talk, *silence(f"u{n}"), transcript("Hello", f"u{n}"), created(f"r{n}"), delta(f"a{n}", f"r{n}"))
        feed(talk, wants_tool(f"c{n}", f"r{n}"), item_done(f"a{n}", f"r{n}"), done(f"r{n}"))
        talk.tool_finished(f"c{n}", "ok", 1.0)
        feed(talk, created(f"s{n}"), done(f"s{n}"))
        assert of(talk.heard(f"a{n}", 1.0), Turn)
    assert len(talk.replay()) <= 64


# -- small rules ------------------------------------------------------------------------------------------------------


def test_usage_is_told() -> None:
    usage = Usage(total_tokens=3)
    response = Response(id="r", status="completed", usage=usage)
    assert of(feed(ready(), e.ResponseDone(response=response)), Used) == [Used(usage)]


def test_the_whole_transcript_replaces_a_partial_one() -> None:
    talk = ready()
    whole = e.ResponseOutputAudioTranscriptDone(response_id="r", item_id="a", transcript="Hello there")
    sound_over = e.ResponseOutputAudioDone(response_id="r", item_id="a")
    feed(talk, created(), words("Hello"), delta(), sound_over, whole, item_done(), done())
    assert of(talk.heard("a", 2.0), Turn)[0].said == "Hello there"


def test_events_about_the_unknown_are_ignored() -> None:
    other = Response(id="r", status="completed")
    events: list[e.ServerEvent] = [
        e.ResponseOutputAudioDone(response_id="x", item_id="x"),
        e.ResponseOutputAudioTranscriptDone(response_id="x", item_id="x", transcript="x"),
        transcript("x", "x"),
        e.RateLimitsUpdated(),
        e.Unknown("x"),
        e.ResponseDone(response=other),
        e.ResponseDone(response=other),
    ]
    talk = ready()
    assert feed(talk, *events) == []
    assert talk.heard("x", 1.0) == talk.started("x", 1.0, 1.0) == talk.cut_off("x", 1, 1.0) == []


def test_a_swap_changes_the_agent_and_asks_it_to_speak() -> None:
    actions = ready().swap("You book.", [{"name": "find"}], 1.0)
    assert sent(actions, e.SessionUpdate)[0].session.instructions == "You book."
    assert sent(actions, e.ResponseCreate)


def test_wishes_are_bounded_and_wishes_for_an_answer_are_one() -> None:
    talk = ready()
    feed(talk, created())
    for n in range(20):
        talk.say(f"Sentence {n}", "", 1.0)
        talk.digit("1", 1.0)
    actions = feed(talk, done())
    count = 0
    while creates := sent(actions, e.ResponseCreate):
        count += len(creates)
        actions = feed(talk, created(f"n{count}"), done(f"n{count}"))
    assert count <= 8


# -- whatever the order -----------------------------------------------------------------------------------------------

RESPONSES = st.sampled_from(["r", "s"])
ITEMS = st.sampled_from(["a", "b"])
CALLS = st.sampled_from(["c", "d", "e"])
SERVER = st.one_of(
    RESPONSES.map(created),
    st.builds(done, RESPONSES, st.sampled_from(["completed", "failed", "cancelled", "incomplete"])),
    st.builds(delta, ITEMS, RESPONSES, st.just(b"\x55" * 800)),
    st.builds(words, st.just("hello "), ITEMS, RESPONSES),
    st.builds(wants_tool, CALLS, RESPONSES),
    st.builds(item_done, ITEMS, RESPONSES),
    st.just(speech()),
    st.sampled_from(silence()),
    st.just(transcript("hi")),
    st.builds(error, st.sampled_from(["server_error", "conversation_already_has_active_response", "x"])),
)
OURS = st.one_of(
    st.tuples(st.just("tool_finished"), CALLS, st.just("out")),
    st.tuples(st.just("cut_off"), ITEMS | st.none(), st.integers(0, 500)),
    st.tuples(st.just("heard"), ITEMS),
    st.tuples(st.just("overflowed"), ITEMS),
    st.tuples(st.just("digit"), st.just("5")),
    st.tuples(st.just("say"), st.just("Hello"), st.sampled_from(["", "local:1"])),
    st.tuples(st.just("expire")),
)


@attrs.define
class Promises:
    """What must hold over a whole run."""

    outstanding: bool = False
    active: set[str] = attrs.field(factory=set)
    over: set[str] = attrs.field(factory=set)
    outputs: list[str] = attrs.field(factory=list)
    requests: list[str] = attrs.field(factory=list)
    received: dict[str, int] = attrs.field(factory=dict)

    def server(self, event: object) -> None:
        match event:
            case e.ResponseCreated():
                self.outstanding = False
            case e.ErrorReported():
                self.outstanding = False  # which of ours an error is about is the conversation's to judge
            case e.ResponseOutputAudioDelta():
                self.outstanding = False  # a response told without its beginning
                self.received[event.item_id] = self.received.get(event.item_id, 0) + len(event.delta) // 8
            case e.ResponseDone() | e.ResponseOutputItemDone() | e.ResponseOutputAudioTranscriptDelta():
                self.outstanding = False

    def ours(self, action: Action) -> None:
        match action:
            case Request():
                self.requests.append(action.tool_request_id)
            case Send(event=e.ResponseCreate()):
                assert not self.outstanding
                self.outstanding = True
            case Send(event=e.ConversationItemCreate(item=Item(type="function_call_output", call_id=str() as call))):
                self.outputs.append(call)
            case Send(event=e.ConversationItemTruncate(item_id=item, audio_end_ms=ms)):
                assert ms <= self.received[item]


@settings(max_examples=200, deadline=None)
@given(st.lists(SERVER | OURS, max_size=40))
def test_at_most_one_create_is_outstanding_and_every_call_gets_one_output(steps: list[Any]) -> None:
    talk, promises = ready(), Promises()
    for now, step in enumerate(steps):
        if isinstance(step, tuple):
            actions = getattr(talk, step[0])(*step[1:], float(now))
        else:
            promises.server(step)
            actions = talk.receive(step, float(now))
        for action in actions:
            promises.ours(action)
    for call in set(promises.requests) - set(promises.outputs):
        for action in talk.tool_finished(call, "late", 99.0):
            promises.ours(action)
    assert sorted(promises.outputs) == sorted(set(promises.requests))
