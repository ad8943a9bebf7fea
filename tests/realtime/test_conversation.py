"""The conversation as a table of events in and actions out."""

from __future__ import annotations

import attrs
import pytest

from callactors.realtime import events as e
from callactors.realtime.actions import EndOfUtterance, Lost, Play, Ready, Request, Stop, Stumbled, Turn, Used
from callactors.realtime.conversation import LONGEST, Conversation
from callactors.realtime.items import Response, Session, Usage
from callactors.testing.realtime_words import (
    PROFILE,
    SAYING,
    SECOND,
    created,
    delta,
    done,
    error,
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
    assert talk.next_timer(1.0) == 13.0
    assert talk.expire(13.0) == [Lost("stalled", fatal=False)]


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


def test_audio_after_the_end_of_its_item_is_dropped() -> None:
    assert not of(feed(ready(), created(), delta(), item_done(), delta()), Play)[1:]


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
