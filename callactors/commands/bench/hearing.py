"""`bench hearing`: what the embedded brain understands of callers on a bad network, against a perfect one.

- Each utterance is spoken by the embedded voice, packed as PCMU, carried over testing/rough_wire, received by the
  product's own Receiver, segmented by the brain's own ears, and written down by Whisper: once clean, once rough.
- Time is simulated; the dice are seeded. Only Whisper's arithmetic differs from machine to machine.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Annotated

import attrs
import numpy as np
import trio
import typer

from callactors.audio import g711
from callactors.audio.codecs import make_codec
from callactors.audio.format import AudioFormat
from callactors.calls.contain import leaves
from callactors.commands.bench.recall import Heard, Recall, count, matched, recall
from callactors.commands.bench.utterances import utterances
from callactors.errors import CallactorsError
from callactors.rtp.packet import RtpPacket
from callactors.rtp.receiver import Receiver
from callactors.speech.brain import Brain
from callactors.speech.endpointing import Paused, SpeechStopped
from callactors.speech.hearing import Hearing
from callactors.speech.session import Turns
from callactors.testing.rough_wire import RoughWire

FRAME, SLOT = 160, 0.020
LEAD_MS, TAIL_MS = 400, 1_600  # silence around an utterance


@attrs.frozen
class Network:
    """What is done to the packets of the rough run, and by which dice."""

    loss: float
    jitter: float
    seed: int


def hearing(
    number: Annotated[int, typer.Option("--utterances", min=1, help="How many sentences are said.")] = 200,
    loss: Annotated[float, typer.Option(min=0, max=90, help="Per cent of all packets that are lost.")] = 5.0,
    jitter: Annotated[float, typer.Option(min=0, max=500, help="Milliseconds a packet is delayed at most.")] = 60.0,
    seed: Annotated[int, typer.Option(help="Of the dice.")] = 1,
    model_dir: Annotated[Path | None, typer.Option(help="Folder with the embedded brain's weights.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of sentences.")] = False,
) -> None:
    """How many words the embedded brain hears over a lossy, jittery network, relative to a clean one.

    Example: python -m callactors bench hearing --utterances 200 --loss 5 --jitter 60
    """
    heard: list[Heard] = []
    try:
        network = Network(loss / 100, jitter / 1000, seed)
        heard = trio.run(measure, model_dir, number, network, lambda text: typer.echo(text, err=True))
    except* (CallactorsError, OSError) as group:
        for line in sorted({str(problem) for problem in leaves(group)}):
            typer.echo(line, err=True)
    if not heard:
        raise typer.Exit(1)
    typer.echo(_shown(heard, recall(heard, Random(seed)), as_json))


async def measure(model_dir: Path | None, number: int, network: Network, tell: Callable[[str], None]) -> list[Heard]:
    """Every utterance, clean and rough. Raises WeightsMissing."""
    brain, dice = Brain(model_dir=model_dir), Random(network.seed)
    wire = RoughWire(dice, loss=network.loss, jitter=network.jitter)
    heard: list[Heard] = []
    async with trio.open_nursery() as nursery:
        await nursery.start(brain.run)
        for index, said in enumerate(utterances(number, dice)):
            if index % 20 == 0:
                tell(f"{index} of {number} utterances")
            audio = await brain.say(said, AudioFormat.PCMU)
            clean, rough = carried(audio, RoughWire(Random(0))), carried(audio, wire)
            words = [matched(said, await _understood(brain, sound)) for sound in (clean, rough)]
            heard.append(Heard(said, count(said), *words))
        nursery.cancel_scope.cancel()
    return heard


def carried(audio: bytes, wire: RoughWire) -> bytes:
    """What a leg makes of an utterance in PCMU that came over `wire`, with the silence around it."""
    quiet = AudioFormat.PCMU.silence
    whole = quiet * (LEAD_MS * 8) + audio + quiet * (TAIL_MS * 8 + -len(audio) % FRAME)
    receiver, made = Receiver(make_codec("pcmu"), 0, None, 0.0), bytearray()
    arriving = iter(wire.carry(_packets(whole)))
    packet = next(arriving, None)
    for slot in range(len(whole) // FRAME + 10):
        now = slot * SLOT
        while packet is not None and packet[0] <= now:
            receiver.receive(packet[1], packet[0])
            packet = next(arriving, None)
        receiver.settle(now)
        if receiver.ready:
            made += receiver.batch(now).audio
    return bytes(made)


def _packets(audio: bytes) -> Iterator[tuple[float, RtpPacket]]:
    for number in range(len(audio) // FRAME):
        payload = audio[number * FRAME : (number + 1) * FRAME]
        yield (number + 1) * SLOT, RtpPacket(0, number, number * FRAME, 1, payload)


async def _understood(brain: Brain, audio: bytes) -> str:
    """Turn by turn, as in a call: a pause is when its words are taken, its end is when they count."""
    ears, turn, texts = Hearing(brain.listen(), Turns()), g711.decode(b"", AudioFormat.PCMU), list[str]()
    samples = g711.decode(audio, AudioFormat.PCMU)
    for piece in np.array_split(samples, range(480, len(samples), 480)):
        for event in ears.append(piece):
            if isinstance(event, Paused):
                turn = ears.turn(event.at_ms)
            if isinstance(event, SpeechStopped):
                texts.append(await brain.transcribe(turn))
                ears.forget_before(event.at_ms)
    return " ".join(texts)


def _shown(heard: list[Heard], found: Recall, as_json: bool) -> str:
    if as_json:
        return json.dumps({"utterances": len(heard), "words": sum(one.words for one in heard), **attrs.asdict(found)})
    return (
        f"{len(heard)} utterances, {sum(one.words for one in heard)} words. "
        f"Heard: {found.clean:.1%} on a clean network, {found.rough:.1%} on the rough one.\n"
        f"Relative recall {found.relative:.3f} (95 % interval {found.low:.3f} to {found.high:.3f})."
    )
