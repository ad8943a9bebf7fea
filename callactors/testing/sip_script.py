"""A scripted SIP peer of one sans-IO Endpoint: says what it is told, byte for byte, and reads what comes back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import TypeVar

from callactors.sip.address import Address, Hop
from callactors.sip.endpoint import Endpoint
from callactors.sip.events import Event, Invited
from callactors.sip.headers import Headers
from callactors.sip.message import Message, Request, Response, parse

US = Address("127.0.0.1", 5060)
PEER = Hop("127.0.0.10", 5060)
POOL = Hop("127.0.0.11", 40_000)  # another member of the same trunk
OTHER_TRUNK = Hop("127.0.0.20", 5060)
STRANGER = Hop("127.0.0.66", 5060)
TRUNKS = {"127.0.0.10": "carrier", "127.0.0.11": "carrier", "127.0.0.20": "other"}
SDP = b"v=0\r\n"


def trunk_of(source: Hop) -> str | None:
    """The trunk of these tests that a packet comes from."""
    return TRUNKS.get(source.host)


E = TypeVar("E", bound=Event)


class Script:
    """Holds the clock: `now`, in seconds, moves by `wait`."""

    def __init__(self, **settings: object) -> None:
        self.now = 0.0
        given: dict[str, object] = {"local": US, "node": "n", "trunk_of": trunk_of, "random": Random(7)}
        make: Callable[..., Endpoint] = Endpoint
        self.endpoint = make(**{**given, **settings})
        self.outbox: list[tuple[Message, Hop]] = []
        self.events: list[Event] = []

    def send(self, data: bytes, source: Hop = PEER) -> list[Message]:
        """One datagram to the endpoint; what it sends at once."""
        self.endpoint.receive(data, source, self.now)
        return self.collect()

    def wait(self, seconds: float) -> list[Message]:
        """Let time pass timer by timer; everything sent meanwhile."""
        until, sent = self.now + seconds, []
        while (when := self.endpoint.next_timer()) is not None and when <= until:
            self.now = max(self.now, when)
            self.endpoint.expire(self.now)
            sent += self.collect()
        self.now = until
        return sent

    def collect(self) -> list[Message]:
        """What the endpoint has to send now; its events are kept in `events`."""
        datagrams = self.endpoint.datagrams()
        self.events += self.endpoint.events()
        fresh = [(parse(datagram.data), datagram.destination) for datagram in datagrams]
        self.outbox += fresh
        return [message for message, _ in fresh]

    def told(self, kind: type[E]) -> list[E]:
        """The events of one kind so far."""
        return [event for event in self.events if isinstance(event, kind)]


def request(
    method: str,
    *,
    uri: str = "sip:desk@127.0.0.1",
    branch: str = "z9hG4bKone",
    cseq: int = 1,
    call_id: str = "call@peer",
    from_tag: str = "theirs",
    to_tag: str = "",
    via: str = "127.0.0.10:5060",
    headers: Sequence[str] = (),
    body: bytes = b"",
    without: Sequence[str] = (),
) -> bytes:
    """A request of the peer's; `without` drops the usual headers by name, `headers` are whole lines more."""
    lines = [
        f"Via: SIP/2.0/UDP {via};branch={branch}",
        "Max-Forwards: 70",
        f"From: <sip:caller@127.0.0.10>;tag={from_tag}",
        "To: <sip:desk@127.0.0.1>" + (f";tag={to_tag}" if to_tag else ""),
        f"Call-ID: {call_id}",
        f"CSeq: {cseq} {method}",
        "Contact: <sip:caller@127.0.0.10:5060>",
        *(["Content-Type: application/sdp"] if body and not any("Content-Type" in line for line in headers) else []),
    ]
    kept = [*(line for line in lines if line.partition(":")[0] not in without), *headers]
    head = "\r\n".join([f"{method} {uri} SIP/2.0", *kept, f"Content-Length: {len(body)}"])
    return head.encode() + b"\r\n\r\n" + body


def response(
    to: Request, status: int, *, to_tag: str = "theirs", headers: Sequence[str] = (), body: bytes = b""
) -> bytes:
    """The peer's response to a request of the endpoint's."""
    copied = [f"{name}: {value}" for name in ("Via", "From", "Call-ID", "CSeq") for value in to.headers.all(name)]
    target = to.headers.get("To") or ""
    tagged = target if ";tag=" in target or status == 100 or not to_tag else f"{target};tag={to_tag}"
    kind = ["Content-Type: application/sdp"] if body else []
    contact = ["Contact: <sip:phone@127.0.0.10:5060>"] if to.method == "INVITE" and status < 300 else []
    lines = [f"SIP/2.0 {status} Whatever", *copied, f"To: {tagged}", *contact, *kind, *headers]
    return "\r\n".join([*lines, f"Content-Length: {len(body)}"]).encode() + b"\r\n\r\n" + body


def statuses(messages: Sequence[Message]) -> list[int]:
    """The status codes among them."""
    return [message.status for message in messages if isinstance(message, Response)]


def methods(messages: Sequence[Message]) -> list[str]:
    """The methods among them."""
    return [message.method for message in messages if isinstance(message, Request)]


def tag_of(headers: Headers, name: str) -> str:
    """The tag of From or To, "" when there is none."""
    return (headers.get(name) or "").partition(";tag=")[2]


def invited(script: Script, **settings: object) -> int:
    """The peer's INVITE arrives; its session."""
    script.send(request("INVITE", body=SDP, **settings))  # type: ignore[arg-type]  # keywords of request, by name
    return script.told(Invited)[-1].session


def tag_given(script: Script) -> str:
    """The To tag the endpoint has put on its last response."""
    return next(tag_of(m.headers, "To") for m, _ in reversed(script.outbox) if isinstance(m, Response))


def up(script: Script) -> tuple[int, str]:
    """A call answered and acknowledged: the session and our tag."""
    session = invited(script)
    script.endpoint.answer(session, SDP, now=script.now)
    script.collect()
    tag = tag_given(script)
    script.send(request("ACK", branch="z9hG4bKack", to_tag=tag))
    return session, tag


def header(message: Message, name: str) -> str | None:
    """One header's text."""
    return message.headers.get(name)
