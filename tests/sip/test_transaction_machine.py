"""Hypothesis carries the messages of one transaction: late, twice, in another order or never. It always ends, once."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from callactors.sip.client_invite import ClientInvite
from callactors.sip.client_other import ClientOther
from callactors.sip.deadlines import Timers
from callactors.sip.headers import Headers
from callactors.sip.message import Response
from callactors.sip.server_invite import ServerInvite
from callactors.sip.server_other import ServerOther

FOREVER = 200.0  # seconds: every timer of RFC 3261 section 17 has fired by then
ACK = b"ack"


class Transaction(RuleBasedStateMachine):
    """A client, a server, and what is on its way between them. Messages are their own method or status."""

    @initialize(invite=st.booleans(), reliable=st.booleans())
    def start(self, invite: bool, reliable: bool) -> None:
        self.now, self.timers, self.invite = 0.0, Timers(), invite
        self.requests: list[bytes] = []
        self.responses: list[bytes] = []
        self.heard: list[int] = []  # statuses the client told its user; 0 for silence
        self.ended: list[str] = []
        self.said = 0  # the server's last status
        self.server: ServerInvite | ServerOther | None = None
        self.reliable = reliable
        self.client: ClientInvite | ClientOther
        if invite:
            self.client = ClientInvite(
                b"ask", self.requests.append, self.timers, 0.0, acknowledge=lambda answer: ACK, on_response=self.hear,
                on_timeout=lambda now: self.heard.append(0), ended=lambda: self.ended.append("client"),
                reliable=reliable,
            )  # fmt: skip
        else:
            self.client = ClientOther(
                b"ask", self.requests.append, self.timers, 0.0, on_response=self.hear,
                on_timeout=lambda now: self.heard.append(0), ended=lambda: self.ended.append("client"),
                reliable=reliable,
            )  # fmt: skip

    def hear(self, response: Response, now: float) -> None:
        self.heard.append(response.status)

    def serve(self) -> None:
        """The first request opens the server's side; the next are repeats."""
        if self.server is not None:
            self.server.repeated()
        elif self.invite:
            self.server = ServerInvite(
                self.responses.append, self.timers, lambda: self.ended.append("server"), reliable=self.reliable
            )
        else:
            self.server = ServerOther(
                self.responses.append, self.timers, lambda: self.ended.append("server"), self.now,
                reliable=self.reliable,
            )  # fmt: skip

    @precondition(lambda self: self.requests)
    @rule(which=st.integers(0, 50), copies=st.integers(0, 2))
    def carry_request(self, which: int, copies: int) -> None:
        data = self.requests.pop(which % len(self.requests))
        for _ in range(copies):
            if data != ACK:
                self.serve()
            elif self.server is not None:
                self.server.acked(self.now)

    @precondition(lambda self: self.responses)
    @rule(which=st.integers(0, 50), copies=st.integers(0, 2))
    def carry_response(self, which: int, copies: int) -> None:
        data = self.responses.pop(which % len(self.responses))
        for _ in range(copies):
            self.client.receive(Response(int(data), "", Headers(), b""), self.now)

    @precondition(lambda self: self.server is not None and self.said < 200)
    @rule(status=st.sampled_from([100, 180, 200, 404, 486, 503, 603]))
    def respond(self, status: int) -> None:
        assert self.server is not None
        if self.server.state != "terminated":
            self.said = status
            self.server.respond(status, str(status).encode(), self.now)

    @rule(seconds=st.sampled_from([0.0, 0.5, 1.0, 4.0, 10.0, 32.0]))
    def time_passes(self, seconds: float) -> None:
        until = self.now + seconds
        while (when := self.timers.next()) is not None and when <= until:
            self.now = max(self.now, when)
            self.timers.expire(self.now)
        self.now = until

    @rule()
    def connection_breaks(self) -> None:
        if self.reliable and self.client.state in ("calling", "trying"):
            self.client.lose(self.now)

    @invariant()
    def one_outcome_is_told(self) -> None:
        final = [status for status in self.heard if status == 0 or status >= 200]
        again = self.invite and all(200 <= status < 300 for status in final)  # a repeated 2xx is the session's to ACK
        assert len(final) <= 1 or again, self.heard
        assert not final or 0 in final or final[0] == self.said
        assert not final or all(status >= 200 for status in self.heard[self.heard.index(final[0]) + 1 :])
        assert len(self.ended) == len(set(self.ended))

    def teardown(self) -> None:
        """Nobody says anything any more."""
        if not hasattr(self, "timers"):
            return
        if self.server is not None and self.said < 200:
            self.respond(486)
        self.requests.clear()
        self.responses.clear()
        if self.invite and self.client.state == "proceeding":
            assert isinstance(self.client, ClientInvite)
            self.client.give_up_at(self.now + 32.0)  # as after a CANCEL; an INVITE alone may ring for ever
        self.time_passes(FOREVER)
        self.one_outcome_is_told()
        assert self.timers.next() is None
        assert self.client.state == "terminated"
        assert self.server is None or self.server.state == "terminated"
        assert sorted(self.ended) == (["client"] if self.server is None else ["client", "server"])
        assert [status for status in self.heard if status == 0 or status >= 200]


TestTransaction = Transaction.TestCase
TestTransaction.settings = settings(max_examples=100, stateful_step_count=25, deadline=None)
