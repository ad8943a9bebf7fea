"""The HTTP upgrade that begins a WebSocket (RFC 6455 section 4), the client's role, by h11; no I/O.

No subprotocols and no extensions: none is offered, and a server that names one is not believed.
"""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Mapping

import h11

from callactors.errors import ModelFailed, UnsafeText

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
FATAL_REFUSALS = frozenset({400, 401, 403, 404})
SHOWN = 200  # characters of a refusal's body


def accept_token(key: bytes) -> bytes:
    """Sec-WebSocket-Accept for a Sec-WebSocket-Key (section 4.2.2)."""
    return base64.b64encode(hashlib.sha1(key + GUID, usedforsecurity=False).digest())


class ClientUpgrade:
    """Ours: `request`, then what comes is for `receive`. Raises UnsafeText for a header with CR, LF or NUL."""

    def __init__(self, host: str, path: str, headers: Mapping[str, str]) -> None:
        self._key = base64.b64encode(os.urandom(16))
        self._http = h11.Connection(h11.CLIENT)
        own = [("Host", host), ("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Version", "13")]
        checked = [(name.encode(), value.encode()) for name, value in (*own, *_checked(headers))]
        asked = h11.Request(method="GET", target=path, headers=[*checked, (b"Sec-WebSocket-Key", self._key)])
        self.request = (self._http.send(asked) or b"") + (self._http.send(h11.EndOfMessage()) or b"")
        self.status: int | None = None  # of a refusal
        self._body = b""

    def receive(self, data: bytes) -> bytes | None:
        """None while the answer is not whole; then the bytes that came after it.

        Raises ModelFailed when the upgrade was refused or the connection ended (`data` is empty).
        """
        try:
            self._http.receive_data(data)
            while True:
                event = self._http.next_event()
                if event is h11.NEED_DATA:
                    return None
                if isinstance(event, h11.InformationalResponse) and event.status_code == 101:
                    return self._accepted(event)
                self._refused_by(event)
        except h11.ProtocolError as error:
            raise self.refusal() if self.status else _lost(str(error)) from error

    def refusal(self) -> ModelFailed:
        """What a refusal comes to, with as much of its body as there is."""
        text = self._body.decode(errors="replace")[:SHOWN] or "the upgrade was refused"
        return ModelFailed(f"http_{self.status}", text, fatal=self.status in FATAL_REFUSALS)

    def _accepted(self, answer: h11.InformationalResponse) -> bytes:
        told = {name.lower(): value for name, value in answer.headers}
        if told.get(b"sec-websocket-accept") != accept_token(self._key):
            raise _lost("an answer that is not to our key")
        if told.get(b"sec-websocket-extensions") or told.get(b"sec-websocket-protocol"):
            raise _lost("an extension or protocol we did not offer")
        return self._http.trailing_data[0]

    def _refused_by(self, event: object) -> None:
        if isinstance(event, h11.Response):
            self.status = event.status_code
        elif isinstance(event, h11.Data):
            self._body += event.data
        if isinstance(event, h11.EndOfMessage | h11.ConnectionClosed) or len(self._body) > 4 * SHOWN:
            raise self.refusal() if self.status else _lost("closed")


def _lost(why: str) -> ModelFailed:
    return ModelFailed("ws_1006", f"the connection ended during the upgrade: {why}", fatal=False)


def _checked(headers: Mapping[str, str]) -> list[tuple[str, str]]:
    for name, value in headers.items():
        if any(c in name + value for c in "\r\n\0"):
            raise UnsafeText(f"header {name!r} holds CR, LF or NUL")
    return list(headers.items())
