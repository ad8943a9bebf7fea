"""One session with a Realtime model, a child nursery of its call.

- What dies in here is a ModelLost on the desk, never an exception: the call may open another session with `replay`.
- While it is connected it is a LiveSession (parts/live_session.py).
- Closing the mailbox ends the session without a word.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import trio

from callactors.actors.mailbox import Mailbox
from callactors.actors.messages import CallerAudio, Message, ModelLost, TurnEnded
from callactors.actors.model_connection import Connect, ModelConnection
from callactors.actors.parts.live_session import LiveSession, turn_ended
from callactors.errors import ModelFailed
from callactors.meters.log import log
from callactors.realtime.actions import Lost
from callactors.realtime.conversation import Conversation
from callactors.realtime.events import ClientEvent
from callactors.realtime.session import Profile


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
                lost = await self._live(connection).run()
        except ModelFailed as error:
            lost = Lost(error.code, error.fatal)
            log().warning("model.failed", session=self.session, code=error.code, problem=error.problem)
        for turn in self.unfinished():
            await self.desk.send(turn)
        if lost is not None:
            now = trio.current_time()
            await self.desk.send(ModelLost(at=now, session=self.session, code=lost.code, fatal=lost.fatal))

    def _live(self, connection: ModelConnection) -> LiveSession:
        return LiveSession(
            self.session, self.profile.format, connection, self._conversation,
            caller_audio=self.caller_audio, mailbox=self.mailbox, voice=self.voice, desk=self.desk,
        )  # fmt: skip

    def unfinished(self) -> Sequence[TurnEnded]:
        """The turns that were not told yet, told once: for the record of a call that ended in mid-turn."""
        return [turn_ended(turn) for turn in self._conversation.rest()]

    def so_far(self) -> tuple[ClientEvent, ...]:
        """The `replay` of a session that is to take this conversation over."""
        return self._conversation.replay()
