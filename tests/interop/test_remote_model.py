"""Calls whose model is `realtime` in another process: over ws and wss, in every audio format, and when it is killed.

Everybody speaks and listens: what the caller heard is judged by ear, what happened by the call's record.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
import trio

from callactors.audio.convert import Converter
from callactors.audio.format import AudioFormat
from callactors.audio.g711 import Samples
from callactors.net.offload import in_thread
from callactors.testing.caller import Caller
from callactors.testing.certificate import certificate
from callactors.testing.desk_phone import desk_phone
from callactors.testing.manners import Manners
from callactors.testing.user_agent import PhoneCall, UserAgent, user_agent
from tests.interop.speaking import ROOT, Ears, Model, realtime, spoken, words
from tests.interop.support import Exchange, Program, until

QUESTION = "How much is a haircut?"
DESK_LINE = "Front desk, this is Maria speaking."
SORRY = {"sorry", "technical", "problem"}
SPAN = 4.0  # seconds of what a caller hears that are understood at a time
PATIENCE = 15.0  # seconds the caller waits for an answer
ENDED = 30.0  # seconds until a call that lost its model has come to its end
HOUSE = """\
version: 1
listen: {{rtp: 34000-34999}}
trunks:
  loopback: {{from: [127.0.0.0/8], media_from: [127.0.0.0/8]}}
numbers:
{numbers}
directory:
  front_desk: {{sip: "{desk}", trunk: loopback}}
models:
{models}
answer: {{when: at_once}}
"""
FORMATS = {"pcm16": "100", "pcmu": "200", "pcma": "300"}  # and the number that is answered with it


async def test_the_demo_passes_with_its_model_in_another_process_over_ws_and_over_wss(tmp_path: Path) -> None:
    pem = str(certificate(tmp_path))
    with realtime() as plain, realtime("--cert", pem, "--key", pem) as secure:
        assert (plain.url[:5], secure.url[:6]) == ("ws://", "wss://")
        async with trio.open_nursery() as demos:
            demos.start_soon(passes, tmp_path / "ws", "--model", plain.url)
            demos.start_soon(passes, tmp_path / "wss", "--model", secure.url, "--ca", pem)


async def passes(data: Path, *options: str) -> None:
    """Run the demo: it books, writes down the customer and puts the caller through."""
    command = [sys.executable, "-m", "callactors", "demo", "--json", "--data", str(data), *options]
    done = await trio.run_process(command, cwd=ROOT, capture_stdout=True, check=False)
    output = done.stdout.decode()
    assert done.returncode == 0, output
    facts = json.loads(output.splitlines()[-1])
    assert (facts["outcome"], facts["cause"], facts["missing"]) == ("handed_off", "transferred", [])
    assert [len(facts[rows]) for rows in ("bookings", "crm_records")] == [1, 1]
    assert facts["refer"] == {"accepted": 202, "final": 200}


@pytest.mark.parametrize("audio", FORMATS)
async def test_a_model_in_any_audio_format_understands_the_caller_and_is_understood(
    audio: str, house: Program, people: People
) -> None:
    async with user_agent("127.0.0.1") as phone:
        call = await phone.dial(f"sip:{FORMATS[audio]}@{house.sip}", caller=audio)
        caller = people.caller(call)
        greeting = await caller.listen(PATIENCE)
        assert greeting is not None
        assert words(greeting.text) >= {"automated", "assistant"}
        await caller.say(QUESTION)
        await people.hears(caller, {"haircut", "washing", "children"}, since=caller.spoke_until or 0.0)
        call.hang_up()
    [record] = await house.closed(audio)
    facts = show(house, record["call"])
    assert "haircut" in words(" ".join(turn["heard"] or "" for turn in facts["turns"]))
    assert facts["cause"] == "caller_hung_up"


async def test_callers_whose_model_is_killed_hear_so_and_are_handed_over_or_their_call_ends(
    exchange: Exchange, people: People
) -> None:
    async with AsyncExitStack() as everybody:
        desk = await everybody.enter_async_context(desk_phone(people.said(DESK_LINE)))
        model = everybody.enter_context(realtime())
        program = everybody.enter_context(exchange.run(config=config({"salon": "100"}, model.url, desk.agent.uri)))
        anna = await everybody.enter_async_context(user_agent("127.0.0.1"))
        bert = await everybody.enter_async_context(user_agent("127.0.0.1", manners=Manners(refer=603)))
        async with trio.open_nursery() as calls:
            killed = Killing(model, callers=2)
            calls.start_soon(is_handed_over, people, people.caller(await dial(anna, program, "anna")), killed)
            calls.start_soon(is_hung_up_on, people, people.caller(await dial(bert, program, "bert")), killed)
        [handed_over] = await program.closed("anna")
        [hung_up] = await program.closed("bert")
        assert handed_over["cause"] == hung_up["cause"] == "model_down"
        assert [one["outcome"] for one in show(program, handed_over["call"])["transfers"]] == ["completed"]
        assert [one["outcome"] for one in show(program, hung_up["call"])["transfers"]] == ["refused"]
        assert show(program, hung_up["call"])["ended_by"] == "us"


async def is_handed_over(people: People, caller: Caller, killed: Killing) -> None:
    """A caller who loses the model, is told so, and talks to a person instead."""
    await killed.in_an_answer_to(caller)
    await people.hears(caller, SORRY, since=killed.at)
    with trio.fail_after(ENDED):
        await caller.call.transferred.wait()
    person = await caller.listen(PATIENCE)
    assert person is not None
    assert "maria" in words(person.text)
    caller.on.hang_up()


async def is_hung_up_on(people: People, caller: Caller, killed: Killing) -> None:
    """A caller who loses the model, is told so, and whose carrier will not transfer."""
    await killed.in_an_answer_to(caller)
    await people.hears(caller, SORRY, since=killed.at)
    with trio.fail_after(ENDED):
        await caller.call.ended.wait()
    assert caller.call.ended_by == "them"


@attrs.define(eq=False)
class Killing:
    """Kills a model with SIGKILL as soon as it is in the middle of an answer to each of its callers."""

    model: Model
    callers: int
    at: float = 0.0
    _done: trio.Event = attrs.field(factory=trio.Event)

    async def in_an_answer_to(self, caller: Caller) -> None:
        """Greet, ask, wait for the beginning of the answer, and for the kill."""
        await caller.listen(PATIENCE)
        await caller.say(QUESTION)
        with trio.fail_after(PATIENCE):
            await caller.line.wait_loud(caller.spoke_until or 0.0)
        self.callers -= 1
        if not self.callers:
            voices = self.model.children()
            self.model.kill()
            self.at = trio.current_time()
            self._done.set()
            await until(lambda: not [voice for voice in voices if voice.exists()], what="the end of the voices")
        await self._done.wait()


async def dial(phone: UserAgent, program: Program, name: str) -> PhoneCall:
    return await phone.dial(f"sip:100@{program.sip}", caller=name)


# -- the house ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, phrases: Path) -> Iterator[Program]:
    """A house with one salon an audio format: each has its number, and its model in one and the same process."""
    folder = tmp_path_factory.mktemp("formats")
    for name in FORMATS:
        shutil.copytree(ROOT / "agents" / "salon", folder / "agents" / name)
        scenario = (ROOT / "scenarios" / "salon.yaml").read_text()
        (folder / "scenarios").mkdir(exist_ok=True)
        (folder / "scenarios" / f"{name}.yaml").write_text(
            scenario.replace("scenario: salon", f"scenario: {name}\nmodel: [{name}]", 1)
        )
    with realtime() as model:
        text = config(FORMATS, model.url, "sip:desk@127.0.0.1:9")
        with Exchange(folder, phrases).run("--agents", str(folder / "agents"), config=text) as program:
            yield program


def config(numbers: dict[str, str], url: str, desk: str) -> str:
    """A configuration: each scenario with the number it answers; models are called as audio formats are."""
    lines = [f'  - {{match: "{number}", trunk: loopback, scenario: {name}}}' for name, number in numbers.items()]
    models = [
        f'  {name}: {{kind: realtime, url: "{url}", audio: {name if name in FORMATS else "auto"}}}' for name in numbers
    ]
    return HOUSE.format(numbers="\n".join(lines), models="\n".join(models), desk=desk)


def show(program: Program, call: str) -> dict[str, Any]:
    """A call's record, as `calls show --json` tells it."""
    command = [sys.executable, "-m", "callactors", "calls", "show", call, "--json", "--data", str(program.data)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    facts: dict[str, Any] = json.loads(done.stdout)
    return facts


# -- the people --------------------------------------------------------------------------------------------------------


@attrs.frozen
class People:
    """Everybody's voice and ears."""

    voice: dict[str, Samples]
    ears: Ears

    def said(self, text: str) -> Samples:
        """A sentence as it goes into a telephone: int16 at 8 kHz."""
        pcm = Converter(AudioFormat.PCM16, AudioFormat.PCM16_8K).feed(self.voice[text].tobytes())
        return np.frombuffer(pcm, np.int16)

    def caller(self, call: PhoneCall) -> Caller:
        """Somebody on a call."""

        async def voice(text: str) -> Samples:
            return self.said(text)

        async def ears(samples: Samples) -> str:
            return await in_thread(self.ears.whisper.transcribe, samples)

        return Caller(call, voice, ears)

    async def hears(self, caller: Caller, wanted: set[str], *, since: float) -> None:
        """Wait until the caller has heard these words: a few seconds at a time, as ears lose the thread of more."""
        heard: set[str] = set()
        with trio.move_on_after(PATIENCE):
            while not wanted <= heard:
                await trio.sleep(0.5)
                recent = max(since, trio.current_time() - SPAN)
                heard |= await in_thread(self.ears.words_in, caller.line.samples(recent))
        assert wanted <= heard


@pytest.fixture(scope="module")
def people() -> People:
    return People(spoken([QUESTION, DESK_LINE]), Ears.open())
