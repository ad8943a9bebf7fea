"""Who may have the floor: when we ask for a response, and when not (WIRE-FORMATS 2.4 and 2.6).

- At most one response.create of ours is unanswered, and none is sent while a response is active.
- A response that requested tools is followed by one response.create: after it is done and every request is answered.
- While the caller speaks we ask for nothing: the server answers speech itself, and what we wanted before with it.
- A wish that names its words (`settings`) waits only for the floor to be free.
"""

from __future__ import annotations

from collections import deque

import attrs

from callactors.realtime.events import ResponseCreate
from callactors.realtime.items import ResponseSettings

WISHES = 8
TRIES = 3
PAUSE = 1.0  # seconds before asking again after "already has an active response"
RETRY_PAUSE = 0.4  # before the one retry of a failed response
ANSWER = 3.0  # seconds after speech in which the server's own response is expected


@attrs.define(eq=False)
class Wish:
    """A response we would like. Without settings: an answer to the conversation as it stands."""

    settings: ResponseSettings | None = None
    tries: int = 0
    retried: bool = False
    during_speech: bool = False


@attrs.define(eq=False)
class Floor:
    asked: Wish | None = None
    active: dict[str, Wish | None] = attrs.field(factory=dict)  # response id: the wish it fulfils
    _asked_id: str = ""
    _asked_last: tuple[str, Wish] | None = None
    _wishes: deque[Wish] = attrs.field(factory=deque)
    _requests: dict[str, set[str]] = attrs.field(factory=dict)  # response id: tool requests not answered yet
    _not_before: float = 0.0
    _listening: bool = False
    _listens_until: float | None = None
    _count: int = 0

    # -- what happens ---------------------------------------------------------------------------------------------

    def wish(self, settings: ResponseSettings | None = None) -> None:
        """Ask when possible. Several wishes for an answer are one."""
        if settings is None and any(wish.settings is None for wish in self._wishes):
            return
        if len(self._wishes) >= WISHES:
            self._wishes.popleft()
        self._wishes.append(Wish(settings, during_speech=self._listening))

    def speech_started(self) -> None:
        self._listening, self._listens_until = True, None

    def speech_stopped(self, now: float) -> None:
        self._listening, self._listens_until = True, now + ANSWER

    def created(self, response_id: str) -> Wish | None:
        """A response is under way: ours, if we asked, or the server's own. Returns the wish it fulfils."""
        wish, self.asked = self.asked, None
        if wish is None:
            self._wishes = deque(w for w in self._wishes if not w.during_speech or w.settings is not None)
        if self._listens_until is not None:
            self._listening, self._listens_until = False, None
        self.active[response_id] = wish
        return wish

    def done(self, response_id: str) -> Wish | None:
        """It is over. Returns the wish it fulfilled."""
        wish = self.active.pop(response_id, None)
        if response_id in self._requests:
            self._follow_up(response_id)
        return wish

    def requested(self, response_id: str, call_id: str) -> None:
        self._requests.setdefault(response_id, set()).add(call_id)

    def answered(self, call_id: str) -> None:
        for response_id, waiting in list(self._requests.items()):
            if call_id in waiting:
                waiting.discard(call_id)
                self._follow_up(response_id)

    def again(self, wish: Wish | None, now: float) -> bool:
        """One more try after a failure; False when it has had its chance."""
        wish = wish or Wish()
        if wish.retried:
            return False
        wish.retried = True
        self._wishes.appendleft(wish)
        self._not_before = now + RETRY_PAUSE
        return True

    def refused(self, event_id: str | None, now: float) -> bool:
        """Our response.create met an active response. False when it was not ours, or has been tried often enough."""
        if self._asked_last is None or event_id not in (None, self._asked_last[0]):
            return True
        wish, self._asked_last, self.asked = self._asked_last[1], None, None
        wish.tries += 1
        if wish.tries >= TRIES:
            return False
        self._wishes.appendleft(wish)
        self._not_before = now + PAUSE
        return True

    def failed(self, event_id: str | None) -> Wish | None:
        """The wish whose response.create an error is about."""
        if self.asked is None or event_id not in (None, self._asked_id):
            return None
        wish, self.asked = self.asked, None
        return wish

    # -- what follows ---------------------------------------------------------------------------------------------

    @property
    def quiet(self) -> bool:
        """Nothing is under way, wanted or waited for."""
        return not (self.asked or self.active or self._wishes or self.waiting)

    @property
    def waiting(self) -> bool:
        """Whether a tool request is unanswered."""
        return any(self._requests.values())

    def next(self, now: float) -> ResponseCreate | None:
        """The response.create to send now."""
        if self._listens_until is not None and now >= self._listens_until:
            self._listening, self._listens_until = False, None
        if self.asked or self.active or now < self._not_before:
            return None
        wish = next((wish for wish in self._wishes if wish.settings is not None or self._may_answer()), None)
        if wish is None:
            return None
        self._wishes.remove(wish)
        self._count += 1
        self.asked, self._asked_id = wish, f"create_{self._count}"
        self._asked_last = (self._asked_id, wish)
        return ResponseCreate(event_id=self._asked_id, response=wish.settings)

    def next_timer(self, now: float) -> float | None:
        """When `next` might say something else by time alone."""
        if not self._wishes or self.asked or self.active:
            return None
        times = [time for time in (self._not_before, self._listens_until) if time is not None and time > now]
        return min(times) if times else None

    def _may_answer(self) -> bool:
        return not self._listening and not self.waiting

    def _follow_up(self, response_id: str) -> None:
        if response_id not in self.active and not self._requests[response_id]:
            del self._requests[response_id]
            self.wish()
