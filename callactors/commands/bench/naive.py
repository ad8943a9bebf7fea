"""The pipeline most people write first, for the ratio: a task a stage, 20 ms hops, json, a pacer of its own per call.

- It answers whatever calls, as the real one does, and speaks the same Realtime events to the same model peer (ws).
- Nothing here is slow on purpose: it is what the libraries' examples add up to. The resampler is ours.
"""

from __future__ import annotations

import base64
import json
import re
import sys
from collections.abc import AsyncIterator

import attrs
import trio
import wsproto
from wsproto.events import AcceptConnection, Ping, Request, TextMessage

from callactors.audio.convert import Converter
from callactors.audio.format import AudioFormat
from callactors.commands.bench.line import header, ok
from callactors.rtp.packet import RtpPacket, parse

HOST = "127.0.0.1"
FRAME = 160
FRAME_S = 0.02
DEPTH = 100  # frames a channel holds
_ANSWER = (
    "v=0\r\no=- 1 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\nm=audio {port} RTP/AVP 0\r\n"
    "a=rtpmap:0 PCMU/8000\r\na=ptime:20\r\n"
)
_SESSION: dict[str, object] = {
    "type": "session.update",
    "session": {"type": "realtime", "audio": {"input": {"format": {"type": "audio/pcm", "rate": 24000}}}},
}


@attrs.define(eq=False)
class Socket:
    """A WebSocket client by wsproto: what trio-websocket is made of."""

    stream: trio.SocketStream
    protocol: wsproto.WSConnection = attrs.field(factory=lambda: wsproto.WSConnection(wsproto.ConnectionType.CLIENT))
    ready: trio.Event = attrs.field(factory=trio.Event)

    async def open(self) -> None:
        await self.stream.send_all(self.protocol.send(Request(host=HOST, target="/v1/realtime")))

    async def send(self, event: dict[str, object]) -> None:
        await self.stream.send_all(self.protocol.send(TextMessage(json.dumps(event))))

    async def messages(self) -> AsyncIterator[dict[str, str]]:
        """Every event, until the peer is gone."""
        pieces: list[str] = []
        while data := await self.stream.receive_some(4096):
            self.protocol.receive_data(data)
            for event in self.protocol.events():
                if isinstance(event, AcceptConnection):
                    await self.send(_SESSION)
                    self.ready.set()
                elif isinstance(event, Ping):
                    await self.stream.send_all(self.protocol.send(event.response()))
                elif isinstance(event, TextMessage):
                    pieces.append(event.data)
                    if event.message_finished:
                        yield json.loads("".join(pieces))
                        pieces.clear()


@attrs.define(eq=False)
class Call:
    """One call: five tasks and three channels."""

    media: trio.socket.SocketType
    remote: tuple[str, int]
    model: int  # port
    scope: trio.CancelScope = attrs.field(factory=trio.CancelScope)

    async def run(self) -> None:
        with self.scope, self.media:
            socket = Socket(await trio.open_tcp_stream(HOST, self.model))
            heard_in, heard_out = trio.open_memory_channel[bytes](DEPTH)
            up_in, up_out = trio.open_memory_channel[bytes](DEPTH)
            down_in, down_out = trio.open_memory_channel[bytes](90 * 50)
            async with socket.stream, trio.open_nursery() as nursery:
                await socket.open()
                nursery.start_soon(self._receive, heard_in)
                nursery.start_soon(self._upsample, heard_out, up_in)
                nursery.start_soon(self._append, up_out, socket)
                nursery.start_soon(self._listen, socket, down_in)
                nursery.start_soon(self._pace, down_out)

    async def _receive(self, heard: trio.MemorySendChannel[bytes]) -> None:
        while True:
            data, _ = await self.media.recvfrom(2048)
            await heard.send(parse(data).payload)

    async def _upsample(self, heard: trio.MemoryReceiveChannel[bytes], up: trio.MemorySendChannel[bytes]) -> None:
        converter = Converter(AudioFormat.PCMU, AudioFormat.PCM16)
        async for frame in heard:
            await up.send(converter.feed(frame))

    async def _append(self, up: trio.MemoryReceiveChannel[bytes], socket: Socket) -> None:
        await socket.ready.wait()
        async for frame in up:
            await socket.send({"type": "input_audio_buffer.append", "audio": base64.b64encode(frame).decode()})

    async def _listen(self, socket: Socket, down: trio.MemorySendChannel[bytes]) -> None:
        converter = Converter(AudioFormat.PCM16, AudioFormat.PCMU)
        rest = b""
        async for event in socket.messages():
            if event["type"] != "response.output_audio.delta":
                continue
            rest += converter.feed(base64.b64decode(event["delta"]))
            while len(rest) >= FRAME:
                await down.send(rest[:FRAME])
                rest = rest[FRAME:]

    async def _pace(self, down: trio.MemoryReceiveChannel[bytes]) -> None:
        due = trio.current_time()
        for count in range(1 << 40):
            try:
                frame = down.receive_nowait()
            except trio.WouldBlock:
                frame = b"\xff" * FRAME
            packet = RtpPacket(0, count & 0xFFFF, count * FRAME & 0xFFFFFFFF, 1, frame)
            await self.media.sendto(packet.to_bytes(), self.remote)
            due += FRAME_S
            await trio.sleep_until(due)


async def serve(model: int) -> None:
    """Answer calls until killed."""
    calls: dict[str, Call] = {}
    with trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM) as sip:
        await sip.bind((HOST, 0))
        print(f"READY sip={HOST}:{sip.getsockname()[1]}", flush=True)
        async with trio.open_nursery() as nursery:
            while True:
                data, source = await sip.recvfrom(65_536)
                text = data.decode(errors="replace")
                call_id = header(text, "Call-ID")
                if text.startswith("INVITE ") and call_id not in calls:
                    call = calls[call_id] = await _answered(sip, data, text, source, model)
                    nursery.start_soon(call.run)
                elif text.startswith("BYE "):
                    await sip.sendto(ok(data), source)
                    if call_id in calls:
                        calls.pop(call_id).scope.cancel()


async def _answered(sip: trio.socket.SocketType, invite: bytes, text: str, source: tuple[str, int], model: int) -> Call:
    """200 with our side of the media."""
    media = trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM)
    await media.bind((HOST, 0))
    found = re.search(r"^m=audio (\d+)", text, re.M)
    body = _ANSWER.format(host=HOST, port=media.getsockname()[1]).encode()
    head = ok(invite).removesuffix(b"Content-Length: 0\r\n\r\n")
    contact = f"Contact: <sip:naive@{HOST}:{sip.getsockname()[1]}>\r\nContent-Type: application/sdp\r\n"
    await sip.sendto(head + contact.encode() + f"Content-Length: {len(body)}\r\n\r\n".encode() + body, source)
    return Call(media, (HOST, int(found.group(1)) if found else 9), model)


def main() -> None:
    """Entry of the process: the model peer's port on argv, `READY sip=HOST:PORT` on stdout."""
    trio.run(serve, int(sys.argv[1]))


if __name__ == "__main__":
    main()
