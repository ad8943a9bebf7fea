"""A session with a Realtime model while it is connected: the shell of realtime/conversation.

- Three tasks feed the conversation (model, mailbox, time), two send to the model, events and the caller's audio. What
  is said to the call never waits for the model: no two ends wait for each other.
- What the conversation asks for is done in the step that brings it; what finds no room, and all behind it, by a task,
  in order. Every task that need not wake sleeps on: what has not run for a while costs ten times what has.
- A model that floods, stalls, or talks nonsense ends this session and nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from contextlib import suppress

import msgspec
import trio

from callactors.actors.mailbox import Mailbox
from callactors.actors.messages import (
    AgentAudio,
    AgentAudioEnded,
    AgentCutOff,
    AgentQueued,
    AgentSpoke,
    AgentStarted,
    CallerAudio,
    CallerLastHeard,
    CallerStopped,
    DigitPressed,
    Message,
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
from callactors.actors.model_connection import ModelConnection
from callactors.audio.format import AudioFormat
from callactors.errors import MalformedEvent, ModelFailed
from callactors.meters.log import log
from callactors.realtime.actions import (
    Action,
    EndOfUtterance,
    Lost,
    Play,
    Ready,
    Request,
    Send,
    SpeechOver,
    Stop,
    Stumbled,
    Turn,
    Used,
)
from callactors.realtime.conversation import Conversation
from callactors.realtime.events import ClientEvent, InputAudioBufferAppend, ServerEvent, Unknown
from callactors.realtime.items import Usage

NONSENSE = 20  # unreadable events a session survives
UNKNOWN = 1_000  # events of unknown types it ignores
STUCK = 10.0  # seconds one event may take to be sent
OUTBOX = 64  # lists of actions waiting to be done
UNSENT = 256  # events waiting to be sent


class LiveSession:
    """Session number `session`, in whose model's `format` audio goes both ways."""

    def __init__(
        self,
        session: int,
        format: AudioFormat,
        connection: ModelConnection,
        conversation: Conversation,
        *,
        caller_audio: Mailbox[CallerAudio],
        mailbox: Mailbox[Message],
        voice: Mailbox[Message],
        desk: Mailbox[Message],
    ) -> None:
        self._session, self._format = session, format
        self._connection, self._conversation = connection, conversation
        self._caller_audio, self._mailbox, self._voice, self._desk = caller_audio, mailbox, voice, desk
        self._lost: Lost | None = None
        self._unknown = self._nonsense = 0
        self._scope = trio.CancelScope()
        self._ready, self._sooner = trio.Event(), trio.Event()
        self._busy = 0  # lists of actions that are not done
        self._due = math.inf
        self._outbox: Mailbox[list[Action]] = Mailbox(OUTBOX)
        self._unsent: Mailbox[ClientEvent] = Mailbox(UNSENT)

    async def run(self) -> Lost | None:
        """Until the mailbox is closed, or the model is lost. Cancelled with the task that runs it."""
        with self._scope:
            async with trio.open_nursery() as nursery:
                feeding = (self._hear_model, self._read_mailbox, self._watch_time)
                for task in (*feeding, self._do, self._send_events, self._send_audio):
                    nursery.start_soon(self._until_lost, task)
        if self._unknown or self._nonsense:
            log().info("model.odd_events", session=self._session, unknown=self._unknown, nonsense=self._nonsense)
        return self._lost

    async def _until_lost(self, task: Callable[[], Awaitable[None]]) -> None:
        try:
            await task()
        except ModelFailed as error:
            lost = Lost(error.code, error.fatal)
            if task == self._do:
                self._end(lost)
            else:  # what it said before it went is done first
                await self._queue([lost])

    def _end(self, lost: Lost | None) -> None:
        self._lost = self._lost or lost
        self._scope.cancel()

    # -- what comes in --------------------------------------------------------------------------------------------

    async def _hear_model(self) -> None:
        """Events are heard in the step that reads them; only when what comes of one must wait for room, it is here."""
        while True:
            try:
                await self._connection.pour(self._hear)
                event = await self._connection.receive()
                await self._queue(self._heard(event, trio.current_time()))
            except MalformedEvent as error:
                self._nonsense += 1
                if self._nonsense > NONSENSE:
                    raise ModelFailed("nonsense", str(error), fatal=False) from error

    def _hear(self, event: ServerEvent) -> bool:
        if self._outbox.full:
            return False
        now = trio.current_time()
        self._do_or_queue(self._heard(event, now), now)
        return True

    def _heard(self, event: ServerEvent, now: float) -> list[Action]:
        if not isinstance(event, Unknown):
            return self._conversation.receive(event, now)
        self._unknown += 1
        if self._unknown > UNKNOWN:
            raise ModelFailed("nonsense", "too many events of unknown types", fatal=False)
        return []

    async def _read_mailbox(self) -> None:
        """As with the model: what the call tells is heard in the step that tells it."""
        with suppress(trio.EndOfChannel):
            while True:
                await self._mailbox.pour(self._tell)
                message = await self._mailbox.receive()
                await self._queue(self._told(message, trio.current_time()))
        self._end(None)

    def _tell(self, message: Message) -> bool:
        if self._outbox.full:
            return False
        now = trio.current_time()
        self._do_or_queue(self._told(message, now), now)
        return True

    def _told(self, message: Message, now: float) -> list[Action]:
        talk = self._conversation
        match message:
            case ToolFinished() if message.session == self._session:
                return talk.tool_finished(message.tool_request_id, message.output, now)
            case AgentCutOff():
                return talk.cut_off(message.utterance, message.ms, now)
            case CallerLastHeard() if message.session == self._session:
                return talk.last_heard(message.spoke_until, message.stopped_at, now)
            case AgentQueued():
                return talk.queued(message.utterance, message.at, message.onset, now)
            case AgentStarted():
                return talk.started(message.utterance, message.first_rtp_at, now)
            case AgentSpoke():
                return talk.heard(message.utterance, now)
            case PlayoutOverflowed():
                return talk.overflowed(message.utterance, now)
            case DigitPressed() if not message.sensitive:
                return talk.digit(message.digit, now)
            case SayThis():
                return talk.say(message.text, message.utterance, now)
            case SwapAgent():
                return talk.swap(message.instructions, message.tools, now)
        return []

    async def _send_audio(self) -> None:
        """The caller's batches as they come; before the session is set up they wait, and the oldest are lost.

        They are sent by whoever brings them; only while the model is slow to take them they wait here.
        """
        await self._ready.wait()
        batches = self._caller_audio
        with suppress(trio.EndOfChannel):  # the mailbox for everything else says when to end
            while True:
                await batches.pour(self._append)
                if (late := self._wanted(await batches.receive())) is not None:
                    await self._send(InputAudioBufferAppend(audio=late))

    def _append(self, batch: CallerAudio) -> bool:
        audio = self._wanted(batch)
        return audio is None or self._connection.append(audio)

    def _wanted(self, batch: CallerAudio) -> bytes | None:
        """Its audio, if the model understands it."""
        return batch.audio if batch.audio and batch.format is self._format else None

    async def _watch_time(self) -> None:
        while True:
            now = trio.current_time()
            due = self._conversation.next_timer(now)
            self._due, self._sooner = (math.inf if due is None else due), trio.Event()
            with trio.move_on_at(self._due):
                await self._sooner.wait()
            if trio.current_time() >= self._due:
                await self._queue(self._conversation.expire(trio.current_time()))

    async def _queue(self, actions: list[Action]) -> None:
        left = self._left(actions, trio.current_time())
        if left:
            self._busy += 1
            await self._outbox.send(left)

    def _do_or_queue(self, actions: list[Action], now: float) -> None:
        """As `_queue`, where the outbox has room."""
        left = self._left(actions, now)
        if left:
            self._busy += 1
            self._outbox.offer(left)

    def _left(self, actions: list[Action], now: float) -> list[Action]:
        """Those that could not be done at once, in order: where one must wait, so do all behind it."""
        due = self._conversation.next_timer(now)
        if due is not None and due < self._due:
            self._sooner.set()
        if self._busy:
            return actions
        for place, action in enumerate(actions):
            if not self._done_at_once(action, now):
                return actions[place:]
        return []

    # -- what goes out --------------------------------------------------------------------------------------------

    async def _do(self) -> None:
        async for actions in self._outbox:
            for action in actions:
                await self._perform(action)
            self._busy -= 1

    def _done_at_once(self, action: Action, now: float) -> bool:
        """Unless whoever it is for has no room."""
        match action:
            case Play():
                return self._voice.put(self._audio(action, now))
            case Send():
                self._post(action.event)
            case Lost():
                self._end(action)
            case Ready():
                return False
            case _:
                mailbox, message = self._mail(action, now)
                return mailbox.put(message)
        return True

    async def _perform(self, action: Action) -> None:
        now = trio.current_time()
        if self._done_at_once(action, now):
            return
        if isinstance(action, Ready):
            await self._be_ready(now)
        else:
            mailbox, message = self._mail(action, now)
            await mailbox.send(message)

    def _audio(self, action: Play, now: float) -> AgentAudio:
        return AgentAudio(at=now, utterance=action.utterance, format=self._format, audio=action.audio)

    def _mail(self, action: Action, now: float) -> tuple[Mailbox[Message], Message]:
        """For whom it is, and how it is said there."""
        session = self._session
        match action:
            case Play():
                return self._voice, self._audio(action, now)
            case EndOfUtterance():
                return self._voice, AgentAudioEnded(at=now, utterance=action.utterance)
            case Stop():
                return self._voice, StopSpeaking(at=now, session=session)
            case SpeechOver():
                return self._voice, CallerStopped(at=action.at, session=session)
            case Request() | Turn() | Stumbled() | Used():
                return self._desk, _for_desk(action, session, now)
        raise AssertionError(f"{action} is for nobody")

    async def _be_ready(self, now: float) -> None:
        await self._voice.send(ModelTakes(at=now, session=self._session, format=self._format))
        await self._desk.send(ModelReady(at=now, session=self._session))
        self._ready.set()

    def _post(self, event: ClientEvent) -> None:
        if self._unsent.statistics().waiting >= UNSENT:
            raise ModelFailed("stalled", f"{UNSENT} events wait for the model to take them", fatal=False)
        self._unsent.offer(event)

    async def _send_events(self) -> None:
        async for event in self._unsent:
            await self._send(event)

    async def _send(self, event: ClientEvent) -> None:
        with trio.move_on_after(STUCK) as scope:
            await self._connection.send(event)
        if scope.cancelled_caught:
            raise ModelFailed("stalled", f"the model took nothing for {STUCK:.0f} s", fatal=False)


def _for_desk(action: Request | Turn | Stumbled | Used, session: int, now: float) -> Message:
    match action:
        case Request():
            return ToolRequested(
                at=now,
                session=session,
                tool_request_id=action.tool_request_id,
                tool=action.tool,
                arguments=msgspec.Raw(action.arguments.encode()),
            )
        case Turn():
            return turn_ended(action)
        case Stumbled():
            return ModelStumbled(at=now, session=session, code=action.code)
        case Used():
            return _model_used(action.usage, session, now)


def turn_ended(turn: Turn) -> TurnEnded:
    """The message for a turn that is over."""
    now = trio.current_time()
    return TurnEnded(at=now, heard=turn.heard, said=turn.said, cut_ms=turn.cut_ms, stages=turn.stages)


def _model_used(usage: Usage, session: int, now: float) -> ModelUsed:
    into, out = usage.input_token_details, usage.output_token_details
    return ModelUsed(
        at=now,
        session=session,
        text_in=(into and into.text_tokens) or 0,
        audio_in=(into and into.audio_tokens) or 0,
        cached_in=(into and into.cached_tokens) or 0,
        text_out=(out and out.text_tokens) or 0,
        audio_out=(out and out.audio_tokens) or 0,
    )
