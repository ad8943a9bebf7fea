"""A caller that does what a test says, and keeps what it saw and heard: a second SipEndpoint and MediaPlane.

- What it heard is told by ear: the names of the tones of testing/calls, in the order in which they came.
- It obeys a REFER as `transfers` says; everything else waits for the test.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from random import Random
from typing import Literal, TypeVar

import attrs
import numpy as np
import trio

from callactors.audio.codecs import FORMATS
from callactors.audio.convert import Converter, convert
from callactors.audio.format import AudioFormat
from callactors.audio.g711 import Samples
from callactors.audio.tone import sine
from callactors.errors import MalformedMessage
from callactors.net.media_plane import MediaPlane, MediaStream
from callactors.net.sip_endpoint import SipEndpoint
from callactors.net.udp import Wire
from callactors.rtp.events import AudioArrived, MediaEvent
from callactors.sdp.description import Description, parse
from callactors.sdp.offer import Agreement, accept_answer, answer, make_offer
from callactors.sip import events as sip
from callactors.sip.address import Address, Hop
from callactors.sip.headers import name_addr
from callactors.sip.message import Message, Request, Response
from callactors.sip.message import parse as parse_message
from callactors.sip.uri import SipUri
from callactors.testing.calls import PITCHES

FRAME = 160  # samples, 20 ms
SHORTEST = 2  # frames of one tone before it counts as heard
PATIENCE = 60.0  # seconds a test waits for anything

V = TypeVar("V", bound=sip.Event)
Transfers = Callable[["ScriptedCaller", sip.ReferReceived], None]
_TURNS = np.exp(-2j * np.pi * np.outer(np.arange(FRAME), list(PITCHES.values())) / 8000)


@attrs.frozen
class Tone:
    """A tone that was heard: its name, and for how long."""

    name: str
    ms: int


@attrs.define(eq=False)
class Ears:
    """Names tones in audio of this format, 20 ms at a time."""

    format: AudioFormat = AudioFormat.PCMU
    audio: bytearray = attrs.field(factory=bytearray)
    _to_linear: Converter | None = None
    _linear: bytearray = attrs.field(factory=bytearray)  # at 8 kHz
    _frames: list[str] = attrs.field(factory=list)

    def hear(self, audio: bytes) -> None:
        self.audio += audio
        if self._to_linear is None or self._to_linear.source is not self.format:
            self._to_linear = Converter(self.format, AudioFormat.PCM16_8K)
        self._linear += self._to_linear.feed(audio)
        while len(self._linear) >= (len(self._frames) + 1) * FRAME * 2:
            at = len(self._frames) * FRAME * 2
            self._frames.append(name_of(np.frombuffer(bytes(self._linear[at : at + FRAME * 2]), np.int16)))

    @property
    def tones(self) -> list[Tone]:
        """Stretches of one tone, silence and scraps left out."""
        found: list[Tone] = []
        previous = ""
        for name in self._frames:
            if name and name == previous:
                found[-1] = Tone(name, found[-1].ms + 20)
            elif name:
                found.append(Tone(name, 20))
            previous = name
        return [tone for tone in found if tone.ms >= SHORTEST * 20]


def name_of(frame: Samples) -> str:
    """Which of PITCHES makes up most of 20 ms; "" when none does."""
    signal = frame.astype(np.float64)
    power = float(signal @ signal)
    if power < FRAME * 100.0:
        return ""
    shares = np.abs(signal @ _TURNS) ** 2 * 2 / FRAME / power
    best = int(np.argmax(shares))
    return list(PITCHES)[best] if shares[best] > 0.5 else ""


def accept(caller: ScriptedCaller, refer: sip.ReferReceived) -> None:
    """202, and the person picks up at once."""
    assert caller.session is not None  # only a dialog can be referred
    caller.endpoint.respond(caller.session, refer.request_id, 202)
    caller.endpoint.notify(caller.session, b"SIP/2.0 100 Trying\r\n", terminated=False)
    caller.endpoint.notify(caller.session, b"SIP/2.0 200 OK\r\n", terminated=True)


def notifies(sipfrag: bytes) -> Transfers:
    """202, and the transfer ends with this status line."""

    def transfer(caller: ScriptedCaller, refer: sip.ReferReceived) -> None:
        assert caller.session is not None  # only a dialog can be referred
        caller.endpoint.respond(caller.session, refer.request_id, 202)
        caller.endpoint.notify(caller.session, sipfrag, terminated=True)

    return transfer


def answers(status: int) -> Transfers:
    """Only a response to the REFER: a refusal, or 202 and nothing more."""

    def transfer(caller: ScriptedCaller, refer: sip.ReferReceived) -> None:
        assert caller.session is not None  # only a dialog can be referred
        caller.endpoint.respond(caller.session, refer.request_id, status)

    return transfer


@attrs.define(eq=False)
class ScriptedCaller:
    """One caller with one call. `messages` are the SIP messages of both directions, in order."""

    endpoint: SipEndpoint
    plane: MediaPlane
    to: Address
    stream: MediaStream
    transfers: Transfers = accept
    session: int | None = None
    agreement: Agreement | None = None
    ears: Ears = attrs.field(factory=Ears)
    events: list[sip.Event] = attrs.field(factory=list)
    media: list[MediaEvent] = attrs.field(factory=list)
    messages: list[tuple[Literal["in", "out"], Message]] = attrs.field(factory=list)
    offered: Description | None = None
    _said: int = 0
    _news: trio.Event = attrs.field(factory=trio.Event)

    # -- what came -----------------------------------------------------------------------------------------------

    def tapped(self, way: Literal["in", "out"], data: bytes, peer: Hop) -> None:
        try:
            self.messages.append((way, parse_message(data)))
        except MalformedMessage:
            return
        self._tell()

    def told(self, event: sip.Event) -> None:
        self.events.append(event)
        match event:
            case sip.Answered():
                self._agree(event.body)
            case sip.Reanswered() if event.status < 300:
                self._agree(event.body)
            case sip.Reoffered():
                self._reoffered(event)
            case sip.ReferReceived():
                self.transfers(self, event)
        self._tell()

    def heard(self, event: MediaEvent) -> None:
        if isinstance(event, AudioArrived):
            self.ears.hear(event.audio)
        else:
            self.media.append(event)
        self._tell()

    def _tell(self) -> None:
        self._news.set()
        self._news = trio.Event()

    def _agree(self, body: bytes) -> None:
        assert self.offered is not None  # we asked
        self.agreement = accept_answer(self.offered, parse(body))
        self._live(self.agreement)

    def _reoffered(self, event: sip.Reoffered) -> None:
        assert self.session is not None
        assert self.agreement is not None  # nothing can be offered anew otherwise
        agreed = answer(
            parse(event.body),
            local_host=self.stream.address.host,
            local_port=self.stream.address.port,
            codecs=list(FORMATS),
            session_id=1,
            version=1,
            previous=self.agreement.local,
        )
        self.endpoint.respond(self.session, event.request_id, 200, bytes(agreed.local))
        self.agreement = agreed
        self._live(agreed)

    def _live(self, agreement: Agreement) -> None:
        self.ears.format = FORMATS[agreement.codec]
        self.stream.start(agreement, allowed=lambda host: True)

    # -- waiting -------------------------------------------------------------------------------------------------

    async def until(self, what: Callable[[], object], seconds: float = PATIENCE) -> None:
        """Wait until something holds of what came. Raises trio.TooSlowError."""
        with trio.fail_after(seconds):
            while not what():
                await self._news.wait()

    async def sees(self, kind: type[V], count: int = 1) -> V:
        """The `count`-th event of this kind."""
        await self.until(lambda: len(self.seen(kind)) >= count)
        return self.seen(kind)[count - 1]

    def seen(self, kind: type[V]) -> list[V]:
        return [event for event in self.events if isinstance(event, kind)]

    async def hears(self, *names: str, seconds: float = PATIENCE) -> None:
        """Wait until these tones have been heard, in this order, last."""
        await self.until(lambda: tuple(self.names[-len(names) :]) == names, seconds)

    @property
    def names(self) -> list[str]:
        """The tones heard so far, by name."""
        return [tone.name for tone in self.ears.tones]

    @property
    def direction(self) -> str:
        """Of our media, as agreed last; "" before that."""
        return self.agreement.direction if self.agreement else ""

    def statuses(self, method: str = "INVITE", way: str = "in") -> list[int]:
        """The status codes of the responses to such requests."""
        return [
            message.status
            for direction, message in self.messages
            if direction == way
            and isinstance(message, Response)
            and (message.headers.get("CSeq") or "").endswith(method)
        ]

    def requests(self, method: str, way: str = "in") -> list[Request]:
        """The requests of a method, those that came or those we sent."""
        return [
            message
            for direction, message in self.messages
            if direction == way and isinstance(message, Request) and message.method == method
        ]

    # -- doing ---------------------------------------------------------------------------------------------------

    def dial(
        self,
        called: str = "100",
        *,
        body: bytes | None = None,
        codecs: tuple[str, ...] = ("pcmu",),
        headers: tuple[tuple[str, str], ...] = (),
    ) -> int:
        """INVITE; `body` is sent instead of a sensible offer, `headers` beside the usual ones."""
        self.offered = self.offer(codecs)
        self.session = self.endpoint.invite(
            SipUri("sip", called, None, self.to.host, self.to.port),
            to=Hop(*self.to),
            trunk="house",
            caller=name_addr(f"<sip:+15550142@{self.endpoint.address.host}>"),
            body=bytes(self.offered) if body is None else body,
            headers=headers,
        )
        self.endpoint.subscribe(self.session, self.told)
        return self.session

    def offer(
        self,
        codecs: tuple[str, ...] = ("pcmu",),
        direction: Literal["sendrecv", "sendonly", "recvonly", "inactive"] = "sendrecv",
    ) -> Description:
        """A sensible description of ours."""
        return make_offer(
            local_host=self.stream.address.host,
            local_port=self.stream.address.port,
            codecs=codecs,
            session_id=1,
            direction=direction,
            previous=self.offered,
        )

    async def call(self, called: str = "100", *, codecs: tuple[str, ...] = ("pcmu",)) -> None:
        """INVITE, and wait for the answer."""
        self.dial(called, codecs=codecs)
        await self.sees(sip.Answered)

    def offer_again(
        self,
        *,
        codecs: tuple[str, ...] = ("pcmu",),
        direction: Literal["sendrecv", "sendonly", "recvonly", "inactive"] = "sendrecv",
        body: bytes | None = None,
    ) -> None:
        """A re-INVITE: hold, another codec, or nonsense."""
        assert self.session is not None  # dial first
        if body is None:
            self.offered = self.offer(codecs, direction)
        self.endpoint.reinvite(self.session, bytes(self.offered or b"") if body is None else body)

    def say(self, ms: int = 600) -> None:
        """Speak: a tone by the name of `caller`."""
        self._said += 1
        name = f"words {self._said}"
        linear = sine(PITCHES["caller"], ms).tobytes()
        self.stream.play(name, convert(linear, AudioFormat.PCM16_8K, self.ears.format))
        self.stream.end(name)

    def press(self, digits: str) -> None:
        self.stream.send_digits(digits)

    def hang_up(self) -> None:
        """BYE or CANCEL, and no more media."""
        assert self.session is not None  # dial first
        self.stream.close()
        self.endpoint.finish(self.session)


@asynccontextmanager
async def scripted_caller(
    to: Address,
    *,
    host: str = "127.0.0.30",
    transfers: Transfers = accept,
    wire: Wire | None = None,
    seed: int = 7,
) -> AsyncIterator[ScriptedCaller]:
    """A caller at `host` that can dial `to`; it hangs up without a word when the block is left."""
    random = Random(seed)
    plane = MediaPlane(host, range(26_000, 26_400), random, first_rtp=1e6, rtp_silence=1e6)
    endpoint = SipEndpoint(
        host,
        0,
        node="caller",
        trunk_of=lambda source: "house",
        on_invite=lambda invite: None,
        random=random,
        tap=lambda way, data, peer: caller.tapped(way, data, peer),
        wire=wire,
    )
    stream = plane.open(lambda event: caller.heard(event))
    caller = ScriptedCaller(endpoint, plane, to, stream, transfers)
    async with trio.open_nursery() as nursery:
        await nursery.start(plane.run)
        await nursery.start(endpoint.run)
        try:
            yield caller
        finally:
            stream.close()
            nursery.cancel_scope.cancel()
