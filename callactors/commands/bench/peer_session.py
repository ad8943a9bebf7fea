"""One Realtime session of the model peer, sans-IO: WebSocket frames in (RFC 6455), frames and deltas out.

It speaks by a script: keyed utterances of tone, in deltas of 200 ms, faster than real time. Of what the caller sends it
knows appends, and in some sessions looks for the loud packet in them.
"""

from __future__ import annotations

import base64
import hashlib
import json
import random
import re
from collections.abc import Iterator

import attrs
import numpy as np
import pybase64

from callactors.audio.format import AudioFormat
from callactors.audio.g711 import pcmu_decode, pcmu_encode
from callactors.commands.bench import keyed
from callactors.commands.bench.facts import Appended, Said, Script

DELTA = 0.2  # seconds of audio
_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_APPEND = b'"input_audio_buffer.append"'
_LOUD = 6_000


@attrs.define(eq=False)
class PeerSession:
    """What one client sees. `out` must be sent; `next_at` is when it speaks next (inf: when it is spoken to)."""

    number: int
    script: Script
    watched: bool  # look into appends
    out: bytearray = attrs.field(factory=bytearray)
    next_at: float = float("inf")
    over: bool = False
    appends: int = 0
    said: list[Said] = attrs.field(factory=list)
    appended: list[Appended] = attrs.field(factory=list)
    format: AudioFormat = AudioFormat.PCM16
    _unread: bytearray = attrs.field(factory=bytearray)
    _open: bool = False
    _count: int = 0
    _began: float = 0.0
    _saying: Iterator[bytes] | None = None
    _length: float = 0.0

    # -- bytes in --------------------------------------------------------------------------------------------------

    def receive(self, data: bytes, now: float) -> None:
        """Bytes of the client, which came at `now`."""
        self._unread += data
        if not self._open and not self._upgrade():
            return
        while (frame := self._frame()) is not None:
            self._take(*frame, now)

    def _upgrade(self) -> bool:
        head, end, rest = bytes(self._unread).partition(b"\r\n\r\n")
        if not end:
            return False
        key = re.search(rb"^sec-websocket-key:\s*(\S+)", head, re.I | re.M)
        accept = base64.b64encode(hashlib.sha1((key.group(1) if key else b"") + _MAGIC).digest())
        lines = (b"HTTP/1.1 101 Switching Protocols", b"Upgrade: websocket", b"Connection: Upgrade")
        self.out += b"\r\n".join([*lines, b"Sec-WebSocket-Accept: " + accept, b"", b""])
        self._open, self._unread = True, bytearray(rest)
        self._event("session.created", session={"type": "realtime", "id": f"sess_{self.number}"})
        return True

    def _frame(self) -> tuple[int, bytes, bytes] | None:
        """Opcode, mask and the masked payload of the next whole frame."""
        buffer = self._unread
        if len(buffer) < 6:
            return None
        size, at = buffer[1] & 0x7F, 2
        if size > 125:
            wide = 2 if size == 126 else 8
            size, at = int.from_bytes(buffer[2 : 2 + wide]), 2 + wide
        end = at + 4 + size
        if len(buffer) < end:
            return None
        frame = buffer[0] & 0x0F, bytes(buffer[at : at + 4]), bytes(buffer[at + 4 : end])
        del buffer[:end]
        return frame

    def _take(self, opcode: int, mask: bytes, payload: bytes, now: float) -> None:
        if opcode == 8:
            self.out += _framed(unmasked(payload, mask), 0x88)
            self.over = True
        elif opcode == 9:
            self.out += _framed(unmasked(payload, mask), 0x8A)
        elif opcode == 1 and _APPEND in unmasked(payload[:80], mask):
            self._append(payload, mask, now)
        elif opcode == 1:
            self._told(json.loads(unmasked(payload, mask)), now)

    # -- events in -------------------------------------------------------------------------------------------------

    def _append(self, payload: bytes, mask: bytes, now: float) -> None:
        self.appends += 1
        if self._count == 0 and self.next_at == float("inf"):
            self.next_at = now + random.uniform(0, self.script.longest / self.script.talk)
        if not self.watched:
            return
        text = unmasked(payload, mask)
        start = text.index(b'"', text.index(b'"audio":') + 8) + 1
        audio = pybase64.b64decode(text[start : text.index(b'"', start)])
        narrow = self.format is AudioFormat.PCMU
        samples = pcmu_decode(audio) if narrow else np.frombuffer(audio, np.int16)
        found = marked(samples, self.format.rate // 50)
        if found is not None:
            self.appended.append(Appended(self.number, now, *found))

    def _told(self, event: dict[str, object], now: float) -> None:
        kind = event.get("type")
        if kind == "session.update":
            session = event["session"]
            assert isinstance(session, dict)  # the client is ours
            self.format = format_of(session) or self.format
            self._event("session.updated", session=session)
        elif kind == "response.create":
            self._nothing_to_say(event.get("response"))

    def _nothing_to_say(self, settings: object) -> None:
        """A response without output: what we say follows the script alone."""
        metadata = settings.get("metadata") if isinstance(settings, dict) else None
        response = {
            "object": "realtime.response",
            "id": f"resp_{self.number}_asked_{self.appends}",
            "metadata": metadata,
        }
        self._event("response.created", response={**response, "status": "in_progress", "output": []})
        self._event("response.done", response={**response, "status": "completed", "output": []})

    # -- the script ------------------------------------------------------------------------------------------------

    def speak(self, now: float) -> None:
        """The next delta is due, or the next utterance."""
        if self._saying is None:
            self._count += 1
            self._began = self.next_at
            self._length = random.uniform(self.script.shortest, self.script.longest)
            self._saying = self._utterance()
            self.said.append(Said(self.number, self._count % 16, now))
        event = next(self._saying, None)
        if event is not None:
            self.out += event
            self.next_at += DELTA / self.script.speed
        else:
            self._saying, self.next_at = None, self._began + self._length / self.script.talk

    def _utterance(self) -> Iterator[bytes]:
        """The frames of one response, a delta at a time."""
        names = {"response_id": f"resp_{self.number}_{self._count}", "item_id": f"item_{self.number}_{self._count}"}
        item: dict[str, object] = {
            "type": "message",
            "role": "assistant",
            "id": names["item_id"],
            "object": "realtime.item",
        }
        item |= {"content": [], "status": "in_progress"}
        response = {"object": "realtime.response", "id": names["response_id"], "output": []}
        before = _event("response.created", response={**response, "status": "in_progress"})
        before += _event("response.output_item.added", response_id=names["response_id"], output_index=0, item=item)
        size = round(DELTA * self.format.rate) * self.format.width
        start = self._sound(keyed.cells(self.number % 4096, self._count % 16))
        whole = start + self._sound([True] * (2 * round(self._length / DELTA)))
        for at in range(0, round(self._length / DELTA) * size, size):
            audio = whole[at : at + size] or whole[-size:]
            delta = _event("response.output_audio.delta", **names, output_index=0, content_index=0, delta=audio)
            yield before + delta
            before = b""
        done = _event("response.output_audio.done", **names, output_index=0, content_index=0)
        done += _event("response.output_item.done", response_id=names["response_id"], output_index=0, item=item)
        yield done + _event("response.done", response={**response, "status": "completed"})

    def _sound(self, cells: list[bool]) -> bytes:
        sound = keyed.samples(cells, self.format.rate)
        return pcmu_encode(sound) if self.format is AudioFormat.PCMU else sound.tobytes()

    def _event(self, kind: str, **members: object) -> None:
        self.out += _event(kind, **members)


def marked(samples: np.ndarray[tuple[int], np.dtype[np.int16]], frame: int) -> tuple[int, int] | None:
    """How many packets stand before and after the loud one; None where there is none, or half of one."""
    loud = np.flatnonzero(np.abs(samples.astype(np.int32)) > _LOUD)
    if len(loud) < frame // 3:
        return None
    before = round(int(loud[0]) / frame)
    return before, round(len(samples) / frame) - before - 1


def format_of(session: dict[str, object]) -> AudioFormat | None:
    """The audio a session.update asks for."""
    text = json.dumps(session.get("audio"))
    return AudioFormat.PCMU if "audio/pcmu" in text else AudioFormat.PCM16 if "audio/pcm" in text else None


def unmasked(payload: bytes, mask: bytes) -> bytes:
    """XOR with the mask, in one step for any length."""
    size = len(payload)
    whole = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(payload) ^ int.from_bytes(whole)).to_bytes(size)


def _event(kind: str, **members: object) -> bytes:
    """One server event in its frame; bytes become base64."""
    audio = members.pop("delta", None)
    text = json.dumps({"type": kind, "event_id": "event_1", **members}).encode()
    if isinstance(audio, bytes):
        text = text[:-1] + b', "delta": "' + pybase64.b64encode(audio) + b'"}'
    return _framed(text, 0x81)


def _framed(payload: bytes, first: int) -> bytes:
    size = len(payload)
    if size < 126:
        return bytes((first, size)) + payload
    if size < 65_536:
        return bytes((first, 126)) + size.to_bytes(2) + payload
    return bytes((first, 127)) + size.to_bytes(8) + payload
