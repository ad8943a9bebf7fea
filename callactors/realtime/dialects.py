"""Realtime events to text and back, in two dialects (WIRE-FORMATS sections 2 and 3). The only place with base64.

- `GA` is the vocabulary of events.py as it is. `BETA` is the same through beta.py's rewriting.
- Reading is lenient: both accept either's event names. An unknown type is `Unknown`; what cannot be read raises
  MalformedEvent, whose text says where, never the content.
- A text's size is bounded by the transport's message limit.
"""

from __future__ import annotations

import functools
import operator
import typing
from typing import Any

import msgspec
import pybase64

from callactors.errors import MalformedEvent
from callactors.realtime import beta
from callactors.realtime.events import ClientEvent, ServerEvent, Unknown

Json = dict[str, Any]

_encoder = msgspec.json.Encoder()


class _Tagged(msgspec.Struct):
    type: str


class _Reader:
    """Reads one side's events."""

    def __init__(self, union: Any) -> None:
        members = tuple(member for member in typing.get_args(union) if member is not Unknown)
        self.union = functools.reduce(operator.or_, members)
        self.types = frozenset(str(member.__struct_config__.tag) for member in members)
        self.decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(self.union)

    def read(self, text: str | bytes) -> Any:
        try:
            return self.decoder.decode(text)
        except msgspec.ValidationError as error:
            return self._read_again(text, error)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise MalformedEvent(str(error)) from error

    def read_beta(self, text: str | bytes) -> Any:
        try:
            raw = msgspec.json.decode(text, type=Json)
            name = raw["type"]
            if isinstance(name, str) and self.unknown(name):
                return Unknown(name[:64])
            return msgspec.convert(beta.to_ga(raw), self.union)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            raise MalformedEvent(str(error)) from error
        except (AttributeError, KeyError, TypeError) as error:  # what the rewriting trips over
            raise MalformedEvent(f"no event of the beta shape: {type(error).__name__}") from error

    def unknown(self, name: str) -> bool:
        return name not in self.types and not beta.knows(name)

    def _read_again(self, text: str | bytes, error: msgspec.ValidationError) -> Any:
        try:
            name = _type_of.decode(text).type
        except (msgspec.DecodeError, RecursionError):  # no type, or broken behind the place of the first error
            raise MalformedEvent(str(error)) from error
        if beta.knows(name):
            return self.read_beta(text)
        if self.unknown(name):
            return Unknown(name[:64])
        raise MalformedEvent(f"{name}: {error}") from error


_type_of = msgspec.json.Decoder(_Tagged)
_client = _Reader(ClientEvent)
_server = _Reader(ServerEvent)


class Dialect:
    """How one family of servers writes the events; this one is GA."""

    name = "ga"

    def encode_client(self, event: ClientEvent) -> str:
        return self._write(event)

    def append(self, audio: bytes) -> bytes:
        """`input_audio_buffer.append`, as `encode_client` writes it, in a tenth of the time: 17 a second and call."""
        return b'{"type":"input_audio_buffer.append","audio":"%b"}' % pybase64.b64encode(audio)

    def encode_server(self, event: ServerEvent, event_id: str = "") -> str:
        """`event_id` is put in where the event has none."""
        if event_id and not getattr(event, "event_id", ""):
            event = msgspec.structs.replace(event, event_id=event_id)
        return self._write(event)

    def decode_client(self, text: str | bytes) -> ClientEvent | Unknown:
        """Raises MalformedEvent."""
        event: ClientEvent | Unknown = _client.read(text)
        return event

    def decode_server(self, text: str | bytes) -> ServerEvent:
        """Raises MalformedEvent."""
        event: ServerEvent = _server.read(text)
        return event

    def _write(self, event: ClientEvent | ServerEvent) -> str:
        return _encoder.encode(event).decode()


class _Beta(Dialect):
    name = "beta"

    def decode_client(self, text: str | bytes) -> ClientEvent | Unknown:
        event: ClientEvent | Unknown = _client.read_beta(text)
        return event

    def decode_server(self, text: str | bytes) -> ServerEvent:
        event: ServerEvent = _server.read_beta(text)
        return event

    def _write(self, event: ClientEvent | ServerEvent) -> str:
        return _encoder.encode(beta.to_beta(msgspec.to_builtins(event))).decode()


GA = Dialect()
BETA: Dialect = _Beta()
DIALECTS = {"ga": GA, "beta": BETA}
