"""The voice child: Piper behind two pipes. Run by the parent as `python -m callactors.speech.tts.worker ONNX CONFIG`.

- In:  u32 length + JSON {"text": str, "rate": 8000 | 24000}. Closing the pipe ends the process.
- Out: at start one empty frame: ready. Then per request u32 length + PCM16 at that rate for each sentence, and an
  empty frame as the end.
- Little-endian. One onnxruntime thread: taking all cores costs 40 % more CPU and makes other callers wait.
- Piper's engine is GPL-3.0+, so this is the only file that imports it, and it is a process of its own.
"""

from __future__ import annotations

import json
import signal
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from callactors.speech import wave

GAP_MS = 120  # of silence between two sentences of one request
VOLUME = 0.7  # Piper normalises to full scale; a telephone line wants headroom
_LENGTH = struct.Struct("<I")


def frame(payload: bytes) -> bytes:
    """A payload with its length before it."""
    return _LENGTH.pack(len(payload)) + payload


def read_frame(source: BinaryIO) -> bytes | None:
    """The next payload, or None when the pipe has ended."""
    head = source.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    size: int = _LENGTH.unpack(head)[0]
    body = source.read(size)
    return body if len(body) == size else None


def load(onnx: Path, config: Path) -> Any:
    """Piper's voice on a session of one thread; `Any` because piper and onnxruntime have no annotations."""
    import onnxruntime
    from piper.config import PiperConfig
    from piper.voice import PiperVoice

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(onnx), sess_options=options, providers=["CPUExecutionProvider"])
    return PiperVoice(config=PiperConfig.from_dict(json.loads(config.read_text("utf-8"))), session=session)


def sentences(voice: Any, text: str, rate: int) -> Iterator[bytes]:
    """PCM16 at `rate` for each sentence of `text`, without the silence around it."""
    for number, chunk in enumerate(voice.synthesize(text)):
        sound = wave.trim(chunk.audio_float_array * VOLUME, chunk.sample_rate)
        samples = wave.to_samples(wave.resample(sound, chunk.sample_rate, rate))
        if len(samples):
            yield (b"\0\0" * (rate * GAP_MS // 1000) if number else b"") + samples.tobytes()


def serve(voice: Any, source: BinaryIO, sink: BinaryIO) -> None:
    """Answer requests until the pipe ends."""
    sink.write(frame(b""))
    sink.flush()
    while (payload := read_frame(source)) is not None:
        request = json.loads(payload)
        for pcm in sentences(voice, request["text"], request["rate"]):
            sink.write(frame(pcm))
            sink.flush()
        sink.write(frame(b""))
        sink.flush()


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle; it then closes our pipe
    onnx, config = sys.argv[1:]
    voice = load(Path(onnx), Path(config))
    list(sentences(voice, "Ready.", 8000))  # the first synthesis is the slow one
    try:
        serve(voice, sys.stdin.buffer, sys.stdout.buffer)
    except BrokenPipeError:
        sys.stderr.close()  # the parent is gone; nobody is left to tell


if __name__ == "__main__":
    main()
