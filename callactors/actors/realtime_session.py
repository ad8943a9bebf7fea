"""One session with a Realtime model: the shell of realtime/conversation, and a child nursery of its call.

- Three tasks feed the conversation (model, mailbox, time); one does what it asks, in order; two send to the model,
  events and the caller's audio. What is said to the call never waits for the model: no two ends wait for each other.
- What dies in here is a ModelLost on the desk, never an exception: the call may open another session with `replay`.
- A model that floods, stalls, or talks nonsense ends this session and nothing else.
- Closing the mailbox ends the session without a word.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

import attrs
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
from callactors.actors.model_connection import Connect, ModelConnection
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
from callactors.realtime.session import Profile

NONSENSE = 20  # unreadable events a session survives
UNKNOWN = 1_000  # events of unknown types it ignores
STUCK = 10.0  # seconds one event may take to be sent
OUTBOX = 64  # lists of actions waiting to be done
UNSENT = 256  # events waiting to be sent


@attrs.frozen
class RealtimeSession:
    """A model session of one call. `caller_audio` must come in `profile.format`; ModelTakes tells the transcoder so."""

    connect: Connect
    session: int
    caller_audio: Mailbox[CallerAudio]
    mailbox: Mailbox[Message]
    voice: Mailbox[Message]
    desk: Mailbox[Message]
    profile: Profile
    replay: tuple[ClientEvent, ...] = ()
    _conversation: Conversation = attrs.field(
        init=False, default=attrs.Factory(lambda self: Conversation(self.profile, self.replay), takes_self=True)
    )

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Live until the model is lost (its last word is ModelLost), the mailbox is closed, or the call ends."""
        task_status.started()
        lost: Lost | None
        try:
            async with self.connect() as connection:
                lost = await _Live(self, connection, self._conversation).run()
        except ModelFailed as error:
            lost = Lost(error.code, error.fatal)
            log().warning("model.failed", session=self.session, code=error.code, problem=error.problem)
        for turn in self.unfinished():
            await self.desk.send(turn)
        if lost is not None:
            now = trio.current_time()
            await self.desk.send(ModelLost(at=now, session=self.session, code=lost.code, fatal=lost.fatal))

    def unfinished(self) -> Sequence[TurnEnded]:
        """The turns that were not told yet, told once: for the record of a call that ended in mid-turn."""
        return [turn_ended(turn) for turn in self._conversation.rest()]

    def so_far(self) -> tuple[ClientEvent, ...]:
        """The `replay` of a session that is to take this conversation over."""
        return self._conversation.replay()


@attrs.define(eq=False)
class _Live:
    """A session while it is connected."""

    of: RealtimeSession
    connection: ModelConnection
    conversation: Conversation
    lost: Lost | None = None
    unknown: int = 0
    nonsense: int = 0
    _scope: trio.CancelScope = attrs.field(factory=trio.CancelScope)
    _ready: trio.Event = attrs.field(factory=trio.Event)
    _sooner: trio.Event = attrs.field(factory=trio.Event)
    _busy: int = 0  # lists of actions that are not done
    _due: float = math.inf
    _outbox: Mailbox[list[Action]] = attrs.field(factory=lambda: Mailbox(OUTBOX))
    _unsent: Mailbox[ClientEvent] = attrs.field(factory=lambda: Mailbox(UNSENT))

    async def run(self) -> Lost | None:
        with self._scope:
            async with trio.open_nursery() as nursery:
                feeding = (self._hear_model, self._read_mailbox, self._watch_time)
                for task in (*feeding, self._do, self._send_events, self._send_audio):
                    nursery.start_soon(self._until_lost, task)
        if self.unknown or self.nonsense:
            log().info("model.odd_events", session=self.of.session, unknown=self.unknown, nonsense=self.nonsense)
        return self.lost

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
        self.lost = self.lost or lost
        self._scope.cancel()

    # -- what comes in --------------------------------------------------------------------------------------------

    async def _hear_model(self) -> None:
        """Events are heard in the step that reads them; only when what comes of one must wait for room, it is here."""
        while True:
            try:
                await self.connection.pour(self._hear)
                await self._queue(self._heard(await self.connection.receive()))
            except MalformedEvent as error:
                self.nonsense += 1
                if self.nonsense > NONSENSE:
                    raise ModelFailed("nonsense", str(error), fatal=False) from error

    def _hear(self, event: ServerEvent) -> bool:
        if self._outbox.full:
            return False
        actions = self._heard(event)
        if not self._done_at_once(actions):
            self._busy += 1
            self._outbox.offer(actions)  # there is room
        return True

    def _heard(self, event: ServerEvent) -> list[Action]:
        if not isinstance(event, Unknown):
            return self.conversation.receive(event, trio.current_time())
        self.unknown += 1
        if self.unknown > UNKNOWN:
            raise ModelFailed("nonsense", "too many events of unknown types", fatal=False)
        return []

    async def _read_mailbox(self) -> None:
        async for message in self.of.mailbox:
            await self._queue(self._told(message, trio.current_time()))
        self._end(None)

    def _told(self, message: Message, now: float) -> list[Action]:
        talk = self.conversation
        match message:
            case ToolFinished() if message.session == self.of.session:
                return talk.tool_finished(message.tool_request_id, message.output, now)
            case AgentCutOff():
                return talk.cut_off(message.utterance, message.ms, now)
            case CallerLastHeard() if message.session == self.of.session:
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
        batches = self.of.caller_audio
        with suppress(trio.EndOfChannel):  # the mailbox for everything else says when to end
            while True:
                await batches.pour(self._append)
                if (late := self._wanted(await batches.receive())) is not None:
                    await self._send(InputAudioBufferAppend(audio=late))

    def _append(self, batch: CallerAudio) -> bool:
        audio = self._wanted(batch)
        return audio is None or self.connection.append(audio)

    def _wanted(self, batch: CallerAudio) -> bytes | None:
        """Its audio, if the model understands it."""
        return batch.audio if batch.audio and batch.format is self.of.profile.format else None

    async def _watch_time(self) -> None:
        while True:
            now = trio.current_time()
            due = self.conversation.next_timer(now)
            self._due, self._sooner = (math.inf if due is None else due), trio.Event()
            with trio.move_on_at(self._due):
                await self._sooner.wait()
            if trio.current_time() >= self._due:
                await self._queue(self.conversation.expire(trio.current_time()))

    async def _queue(self, actions: list[Action]) -> None:
        if not self._done_at_once(actions):
            self._busy += 1
            await self._outbox.send(actions)

    def _done_at_once(self, actions: list[Action]) -> bool:
        """Nothing is, and so is more of what is being said, where nothing waits to be done before it."""
        due = self.conversation.next_timer(trio.current_time())
        if due is not None and due < self._due:
            self._sooner.set()
        if not actions:
            return True
        action = actions[0]
        if self._busy or len(actions) > 1 or not isinstance(action, Play):
            return False
        return self.of.voice.put(self._audio(action))

    # -- what goes out --------------------------------------------------------------------------------------------

    async def _do(self) -> None:
        async for actions in self._outbox:
            for action in actions:
                await self._perform(action)
            self._busy -= 1

    def _audio(self, action: Play) -> AgentAudio:
        now, format = trio.current_time(), self.of.profile.format
        return AgentAudio(at=now, utterance=action.utterance, format=format, audio=action.audio)

    async def _perform(self, action: Action) -> None:
        session, now = self.of.session, trio.current_time()
        match action:
            case Send():
                self._post(action.event)
            case Play():
                await self.of.voice.send(self._audio(action))
            case EndOfUtterance():
                await self.of.voice.send(AgentAudioEnded(at=now, utterance=action.utterance))
            case Stop():
                await self.of.voice.send(StopSpeaking(at=now, session=session))
            case SpeechOver():
                await self.of.voice.send(CallerStopped(at=action.at, session=session))
            case Ready():
                await self._be_ready(now)
            case Lost():
                self._end(action)
            case _:
                await self.of.desk.send(_for_desk(action, session, now))

    async def _be_ready(self, now: float) -> None:
        await self.of.voice.send(ModelTakes(at=now, session=self.of.session, format=self.of.profile.format))
        await self.of.desk.send(ModelReady(at=now, session=self.of.session))
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
            await self.connection.send(event)
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
