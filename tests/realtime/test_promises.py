"""What a conversation promises whatever the order of events."""

from __future__ import annotations

from typing import Any

import attrs
from hypothesis import given, settings
from hypothesis import strategies as st

from callactors.realtime import events as e
from callactors.realtime.actions import Action, Request, Send
from callactors.realtime.items import Item
from callactors.testing.realtime_words import (
    created,
    delta,
    done,
    error,
    item_done,
    ready,
    silence,
    speech,
    transcript,
    wants_tool,
    words,
)

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
