"""A model session against a scripted model: what the call's other actors see, and that only a session ever dies."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import attrs
import msgspec
import pytest
import trio
import trio.testing

from callactors.actors.mailbox import Mailbox
from callactors.actors.messages import (
    AgentAudio,
    AgentAudioEnded,
    AgentCutOff,
    AgentSpoke,
    AgentStarted,
    CallerAudio,
    DigitPressed,
    Message,
    ModelLost,
    ModelReady,
    ModelStumbled,
    ModelTakes,
    ModelUsed,
    PlayoutOverflowed,
    SayThis,
    StopSpeaking,
    SwapAgent,
    ToolFinished,
    ToolRequested,
    TurnEnded,
)
from callactors.actors.model_connection import Connect, ModelConnection, in_process, over_websocket
from callactors.actors.realtime_session import RealtimeSession
from callactors.audio.format import AudioFormat
from callactors.errors import ModelFailed
from callactors.realtime import events as e
from callactors.realtime.items import Item, Response, Session, TokenDetails, Usage
from callactors.realtime.session import Profile
from callactors.testing.scripted_model import Peer, Script, ScriptedModel

PROFILE = Profile(
    instructions="You answer for a salon.",
    format=AudioFormat.PCMU,
    tools=({"name": "book", "description": "Book", "parameters": {"type": "object", "properties": {}}},),
)
M = TypeVar("M", bound=Message)


@attrs.define(eq=False)
class Desk:
    """The call around a session, as a test sees it."""

    model: ScriptedModel
    session: RealtimeSession
    audio: Mailbox[CallerAudio]
    mailbox: Mailbox[Message]
    voice: Mailbox[Message]
    desk: Mailbox[Message]

    async def tell(self, message: Message) -> None:
        await self.mailbox.send(message)

    async def told(self, kind: type[M]) -> M:
        return await _next(self.desk, kind)

    async def voiced(self, kind: type[M]) -> M:
        return await _next(self.voice, kind)

    @property
    def peer(self) -> Peer:
        return self.model.peers[-1]


async def _next(box: Mailbox[Message], kind: type[M]) -> M:
    with trio.fail_after(60):
        async for message in box:
            if isinstance(message, kind):
                return message
    raise AssertionError(f"no {kind.__name__}")


def new_session(connect: Connect, number: int, profile: Profile = PROFILE) -> RealtimeSession:
    return RealtimeSession(connect, number, Mailbox(16), Mailbox(64), Mailbox(512), Mailbox(512), profile)


@asynccontextmanager
async def call(script: Script, profile: Profile = PROFILE, **more: object) -> AsyncIterator[Desk]:
    """A session running against `script`."""
    model = ScriptedModel(script, **more)  # type: ignore[arg-type]  # a test's own keyword
    session = new_session(model.connect, 7, profile)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(session.run)
        yield Desk(model, session, session.caller_audio, session.mailbox, session.voice, session.desk)
        nursery.cancel_scope.cancel()


def heard(utterance: str, ms: int = 1000) -> AgentSpoke:
    return AgentSpoke(at=0.0, utterance=utterance, ms=ms, first_rtp_at=0.0)


async def greeting_only(peer: Peer) -> None:
    await peer.greet()
    await peer.stay()


# -- the ordinary call ------------------------------------------------------------------------------------------------


async def test_ready_is_told_after_session_updated_and_the_transcoder_learns_the_format(autojump_clock: object) -> None:
    async with call(greeting_only) as desk:
        assert (await desk.told(ModelReady)).session == 7
        assert (await desk.voiced(ModelTakes)).format is AudioFormat.PCMU
        update = desk.peer.heard[0]
        assert update.session.instructions == "You answer for a salon."
        assert update.session.tools[0].name == "book"


async def test_the_callers_batches_are_appended_as_they_come_but_only_once_ready(autojump_clock: object) -> None:
    async def script(peer: Peer) -> None:
        await trio.sleep(1)
        assert not peer.audio
        await peer.greet()
        await peer.expect_audio(960)
        await peer.stay()

    async with call(script) as desk:
        for position in (0, 480):
            batch = CallerAudio(at=0, leg=0, format=AudioFormat.PCMU, audio=b"\xff" * 480, position=position)
            desk.audio.offer(batch)
        desk.audio.offer(CallerAudio(at=0, leg=0, format=AudioFormat.PCM16, audio=b"\0" * 480, position=0))
        await desk.told(ModelReady)
        await trio.sleep(1)
        assert desk.peer.audio == 960


async def test_a_turn_is_told_when_its_answer_was_heard_to_the_end(autojump_clock: object) -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()
        item = await peer.caller_says(None)
        await trio.sleep(0.25)
        await peer.reply("Hello there.", ms=1000)
        await peer.tell(e.ConversationItemInputAudioTranscriptionCompleted(item_id=item, transcript="Hi."))
        await peer.stay()

    async with call(script) as desk:
        audio = await desk.voiced(AgentAudio)
        ended = await desk.voiced(AgentAudioEnded)
        assert audio.utterance == ended.utterance
        await desk.tell(AgentStarted(at=0, utterance=ended.utterance, first_rtp_at=trio.current_time() + 0.5))
        await desk.tell(heard(ended.utterance))
        turn = await desk.told(TurnEnded)
    assert (turn.heard, turn.said, turn.cut_ms) == ("Hi.", "Hello there.", None)
    assert turn.stages["to_response_created"] == pytest.approx(250, abs=5)
    assert turn.stages["to_first_rtp"] == pytest.approx(750, abs=5)


async def test_a_tool_request_is_made_once_answered_once_and_followed_by_one_response(autojump_clock: object) -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()
        call_id = await peer.request_tool("book", {"at": "9:00"})
        assert await peer.tool_output(call_id) == '{"ok": true}'
        await peer.expect(e.ResponseCreate)
        await peer.reply("Booked.")
        await peer.stay()

    async with call(script) as desk:
        request = await desk.told(ToolRequested)
        assert (request.tool, msgspec.json.decode(request.arguments)) == ("book", {"at": "9:00"})
        finished = ToolFinished(
            at=0, session=7, tool_request_id=request.tool_request_id, output='{"ok": true}', failed=False
        )
        for _ in range(2):
            await desk.tell(finished)
        await desk.voiced(AgentAudioEnded)
        outputs = [event for event in desk.peer.heard if isinstance(event, e.ConversationItemCreate)]
        assert len(outputs) == 1


async def test_a_result_for_another_session_is_not_ours(autojump_clock: object) -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()
        await peer.request_tool("book", {})
        await peer.stay()

    async with call(script) as desk:
        request = await desk.told(ToolRequested)
        await desk.tell(ToolFinished(at=0, session=6, tool_request_id=request.tool_request_id, output="", failed=False))
        await trio.sleep(1)
        assert not any(isinstance(event, e.ConversationItemCreate) for event in desk.peer.heard)


async def test_barge_in_stops_play_out_and_truncates_at_what_was_heard(autojump_clock: object) -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()
        response, item = await peer.start_reply()
        await peer.speak(response, item, "one two three four", 2000)
        await trio.sleep(1)
        await peer.caller_starts()
        await peer.cancelled(response)
        truncate = await peer.expect(e.ConversationItemTruncate)
        assert (truncate.item_id, truncate.audio_end_ms) == (item, 1000)
        await peer.stay()

    async with call(script) as desk:
        audio = await desk.voiced(AgentAudio)
        await desk.voiced(StopSpeaking)
        await desk.tell(AgentCutOff(at=0, utterance=audio.utterance, ms=1000))
        turn = await desk.told(TurnEnded)
    assert (turn.said, turn.cut_ms) == ("one two [...]", 1000)


async def test_a_digit_reaches_the_model_as_text_unless_it_is_sensitive(autojump_clock: object) -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()
        item = await peer.expect(e.ConversationItemCreate)
        assert item.item.content is not None
        assert item.item.content[0].text == "DTMF: 4"
        await peer.expect(e.ResponseCreate)
        await peer.reply("Four it is.")
        await peer.stay()

    async with call(script) as desk:
        await desk.tell(DigitPressed(at=0, leg=0, digit="3", sensitive=True))
        await desk.tell(DigitPressed(at=0, leg=0, digit="4"))
        await desk.voiced(AgentAudioEnded)


async def test_swapping_the_agent_updates_instructions_and_tools_then_asks_for_a_response(
    autojump_clock: object,
) -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()
        update = await peer.expect(e.SessionUpdate)
        assert update.session.instructions == "You book."
        assert update.session.audio is None
        assert [tool.name for tool in update.session.tools or ()] == ["find"]
        await peer.expect(e.ResponseCreate)
        await peer.reply("Booking here.")
        await peer.stay()

    async with call(script) as desk:
        await desk.told(ModelReady)
        await desk.tell(SwapAgent(at=0, instructions="You book.", tools=({"name": "find"},)))
        await desk.voiced(AgentAudioEnded)


async def test_a_sentence_of_ours_is_said_under_our_own_name_and_never_truncated(autojump_clock: object) -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()
        create = await peer.expect(e.ResponseCreate)
        assert create.response is not None
        assert create.response.instructions == 'Say exactly: "One moment."'
        response, item = await peer.start_reply(dict(create.response.metadata or {}))
        await peer.speak(response, item, "One moment.", 1000)
        await peer.caller_starts()
        await peer.stay()

    async with call(script) as desk:
        await desk.tell(SayThis(at=0, text="One moment.", utterance="local:hold"))
        assert (await desk.voiced(AgentAudio)).utterance == "local:hold"
        await desk.voiced(StopSpeaking)
        await desk.tell(AgentCutOff(at=0, utterance="local:hold", ms=200))
        await trio.sleep(1)
        assert not any(isinstance(event, e.ConversationItemTruncate) for event in desk.peer.heard)


# -- a model that misbehaves ------------------------------------------------------------------------------------------


async def test_a_model_that_refuses_is_lost_with_its_code(autojump_clock: object) -> None:
    async with call(greeting_only, refuse=401) as desk:
        lost = await desk.told(ModelLost)
    assert (lost.session, lost.code, lost.fatal) == (7, "http_401", True)


@pytest.mark.parametrize(("code", "fatal"), [(1006, False), (1001, False), (4000, True)])
async def test_a_model_that_drops_is_lost_with_its_code(autojump_clock: object, code: int, fatal: bool) -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()
        await peer.close(code)

    async with call(script) as desk:
        lost = await desk.told(ModelLost)
    assert (lost.code, lost.fatal) == (f"ws_{code}", fatal)


async def test_some_nonsense_is_survived_and_too_much_is_not(autojump_clock: object) -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()
        for text in ("{]", "[]", '{"type": "response.created"}', '{"type": "no.such.event"}'):
            await peer.nonsense(text)
        await peer.reply("Still here.")
        while True:
            await peer.nonsense()

    async with call(script) as desk:
        await desk.voiced(AgentAudioEnded)
        lost = await desk.told(ModelLost)
    assert (lost.code, lost.fatal) == ("nonsense", False)


async def test_a_flood_of_events_of_unknown_types_ends_the_session(autojump_clock: object) -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()
        while True:
            await peer.nonsense('{"type": "no.such.event"}')

    async with call(script) as desk:
        assert (await desk.told(ModelLost)).code == "nonsense"


async def test_a_model_that_never_sets_the_session_up_is_lost(autojump_clock: object) -> None:
    async def script(peer: Peer) -> None:
        await peer.stay()

    async with call(script) as desk:
        assert (await desk.told(ModelLost)).code == "timeout"


async def test_a_model_that_never_answers_a_request_for_a_response_is_lost(autojump_clock: object) -> None:
    async with call(greeting_only) as desk:
        await desk.tell(SayThis(at=0, text="Hello."))
        assert (await desk.told(ModelLost)).code == "stalled"


@asynccontextmanager
async def deaf() -> AsyncIterator[ModelConnection]:
    """A model that talks but takes nothing after the handshake."""

    async def model(requests: Mailbox[e.ClientEvent], replies: Mailbox[e.ServerEvent]) -> None:
        for event in (e.SessionCreated, e.SessionUpdated):
            await replies.send(event(session=Session(type="realtime")))
        await trio.sleep_forever()

    async with in_process(model)() as connection:
        yield connection


async def test_a_model_that_takes_nothing_more_is_lost(autojump_clock: object) -> None:
    session = new_session(deaf, 1)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(session.run)
        await _next(session.desk, ModelReady)
        for n in range(200):
            session.caller_audio.offer(
                CallerAudio(at=0, leg=0, format=AudioFormat.PCMU, audio=b"\xff" * 480, position=n * 480)
            )
            await trio.sleep(0.06)
        assert (await _next(session.desk, ModelLost)).code == "stalled"


async def test_a_flood_of_wishes_at_a_deaf_model_ends_the_session(autojump_clock: object) -> None:
    session = new_session(deaf, 1)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(session.run)
        await _next(session.desk, ModelReady)
        for _ in range(400):
            session.mailbox.offer(DigitPressed(at=0, leg=0, digit="1"))
            await trio.testing.wait_all_tasks_blocked()
        assert (await _next(session.desk, ModelLost)).code == "stalled"


async def test_a_response_that_overflows_play_out_is_cancelled_and_its_late_audio_dropped(
    autojump_clock: object,
) -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()
        response, item = await peer.start_reply()
        await peer.speak(response, item, "on and on", 1000)
        cancel = await peer.expect(e.ResponseCancel)
        assert cancel.response_id == response
        await peer.speak(response, item, "and on", 1000)
        await peer.cancelled(response, "client_cancelled")
        await peer.reply("Back to normal.", ms=200)
        await peer.stay()

    async with call(script) as desk:
        first = await desk.voiced(AgentAudio)
        await desk.tell(PlayoutOverflowed(at=0, utterance=first.utterance))
        assert (await desk.voiced(AgentAudioEnded)).utterance == first.utterance
        assert (await desk.voiced(AgentAudio)).utterance != first.utterance


async def test_what_a_full_desk_has_no_room_for_waits_in_order_and_nothing_is_lost(autojump_clock: object) -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()
        for number in range(12):
            await peer.request_tool("book", {"number": number})
        await peer.stay()

    model = ScriptedModel(script)
    session = RealtimeSession(model.connect, 7, Mailbox(16), Mailbox(64), Mailbox(512), Mailbox(1), PROFILE)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(session.run)
        await trio.testing.wait_all_tasks_blocked()
        assert session.desk.statistics() == (1, 1, 0)
        asked = [await _next(session.desk, ToolRequested) for _ in range(12)]
        nursery.cancel_scope.cancel()
    assert [msgspec.json.decode(request.arguments)["number"] for request in asked] == list(range(12))


async def test_what_a_response_cost_is_told(autojump_clock: object) -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()
        usage = Usage(
            input_token_details=TokenDetails(text_tokens=5, audio_tokens=4, cached_tokens=3),
            output_token_details=TokenDetails(text_tokens=2, audio_tokens=1),
        )
        await peer.tell(e.ResponseDone(response=Response(id="r", status="completed", usage=usage)))
        await peer.stay()

    async with call(script) as desk:
        used = await desk.told(ModelUsed)
    assert (used.text_in, used.audio_in, used.cached_in, used.text_out, used.audio_out) == (5, 4, 3, 2, 1)


async def test_a_failed_response_is_asked_for_once_more_then_the_call_must_speak(autojump_clock: object) -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()
        await peer.caller_says("Hello?")
        await peer.fail_reply("rate_limit_exceeded")
        await peer.expect(e.ResponseCreate)
        await peer.fail_reply("rate_limit_exceeded")
        await peer.stay()

    async with call(script) as desk:
        assert (await desk.told(ModelStumbled)).code == "rate_limit_exceeded"


async def test_benign_errors_harm_nothing_and_fatal_ones_end_the_session(autojump_clock: object) -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()
        await peer.error("response_cancel_not_active")
        await peer.error("invalid_value", "Audio content of 10ms is already shorter than 20ms")
        await peer.reply("Fine.")
        await peer.error("session_expired")
        await peer.stay()

    async with call(script) as desk:
        await desk.voiced(AgentAudioEnded)
        lost = await desk.told(ModelLost)
    assert (lost.code, lost.fatal) == ("session_expired", False)


async def test_a_session_update_that_is_refused_is_fatal(autojump_clock: object) -> None:
    async def script(peer: Peer) -> None:
        await peer.tell(e.SessionCreated(session=Session(type="realtime")))
        update = await peer.expect(e.SessionUpdate)
        await peer.error("invalid_value", "no such voice", event_id=update.event_id)
        await peer.stay()

    async with call(script) as desk:
        lost = await desk.told(ModelLost)
    assert (lost.code, lost.fatal) == ("invalid_value", True)


# -- the end ----------------------------------------------------------------------------------------------------------


async def test_closing_the_mailbox_ends_the_session_without_a_word(autojump_clock: object) -> None:
    async with call(greeting_only) as desk:
        await desk.told(ModelReady)
        desk.mailbox.close()
        await trio.sleep(1)
        with pytest.raises(trio.WouldBlock):
            desk.desk.receive_nowait()


async def test_a_lost_session_tells_its_last_turn_first_and_can_be_taken_over(autojump_clock: object) -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()
        await peer.caller_says("A cut, please.")
        await peer.start_reply()
        await peer.drop()

    async def next_script(peer: Peer) -> None:
        await peer.greet()
        item = await peer.expect(e.ConversationItemCreate)
        assert item.item.content is not None
        assert (item.item.role, item.item.content[0].text) == ("user", "A cut, please.")
        await peer.reply("A cut, then.")
        await peer.stay()

    async with call(script) as desk:
        assert (await desk.told(TurnEnded)).heard == "A cut, please."
        await desk.told(ModelLost)
        heir = attrs.evolve(
            desk.session, connect=ScriptedModel(next_script).connect, session=8, replay=desk.session.so_far()
        )
        async with trio.open_nursery() as nursery:
            nursery.start_soon(heir.run)
            assert (await desk.told(ModelReady)).session == 8
            await desk.voiced(AgentAudio)
            nursery.cancel_scope.cancel()


async def test_the_same_session_runs_over_a_real_websocket() -> None:
    async def script(peer: Peer) -> None:
        await peer.greet()
        await peer.expect_audio(480)
        await peer.caller_says("Hi.")
        await peer.reply("Hello.", ms=400)
        await peer.drop()

    model = ScriptedModel(script)
    async with trio.open_nursery() as nursery:
        session = new_session(over_websocket(await nursery.start(model.serve), model="m", key="secret"), 1)
        nursery.start_soon(session.run)
        session.caller_audio.offer(CallerAudio(at=0, leg=0, format=AudioFormat.PCMU, audio=b"\xff" * 480, position=0))
        total = 0
        while total < 400 * 8:
            total += len((await _next(session.voice, AgentAudio)).audio)
        assert (await _next(session.desk, ModelLost)).code == "ws_1006"
        nursery.cancel_scope.cancel()


@attrs.frozen
class _Burst:
    """A model that says all it has to say in one piece and is gone."""

    says: tuple[e.ServerEvent, ...]

    async def send(self, event: e.ClientEvent) -> None:
        await trio.lowlevel.checkpoint()

    def append(self, audio: bytes) -> bool:
        return True

    async def pour(self, take: Callable[[e.ServerEvent], bool]) -> None:
        await trio.lowlevel.checkpoint()
        assert all(take(event) for event in self.says)
        raise ModelFailed("ws_1000", "bye", fatal=False)

    async def receive(self) -> e.ServerEvent:
        raise AssertionError("everything was taken")


async def test_what_a_model_said_in_one_breath_with_its_goodbye_is_done_before_it_is_lost(
    autojump_clock: object,
) -> None:
    asked = Item(type="function_call", id="i2", status="completed", name="book", call_id="c1", arguments="{}")
    says = (
        e.SessionCreated(session=Session(type="realtime")),
        e.SessionUpdated(session=Session(type="realtime")),
        e.ResponseCreated(response=Response(id="r1")),
        e.ResponseOutputAudioDelta(response_id="r1", item_id="i1", delta=b"\x55" * 800),
        e.ResponseOutputAudioDone(response_id="r1", item_id="i1"),
        e.ResponseOutputItemDone(response_id="r1", item=asked),
        e.ResponseDone(response=Response(id="r1", status="completed")),
    )

    @asynccontextmanager
    async def connect() -> AsyncIterator[ModelConnection]:
        yield _Burst(says)

    session = new_session(connect, 7)
    await session.run()
    session.desk.close()
    session.voice.close()
    told = [type(message) async for message in session.desk]
    assert told.index(ToolRequested) < told.index(ModelLost) == len(told) - 1
    assert [type(message) async for message in session.voice] == [ModelTakes, AgentAudio, AgentAudioEnded]
