"""The demo's one call: a server, a carrier, a desk phone and a caller, on free loopback ports, over real UDP.

Everybody speaks and listens; what the caller and the person at the desk heard of each other is kept as words.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import attrs
import msgspec
import numpy as np
import trio

from callactors import config as configuration
from callactors.audio.format import AudioFormat
from callactors.audio.g711 import Samples
from callactors.commands.demo_customer import PHONE, Customer
from callactors.commands.demo_show import Show
from callactors.commands.serving import Serving, serving
from callactors.config import Config
from callactors.config.config import replace
from callactors.config.schema import Entry, RealtimeModel
from callactors.config.values import Uri
from callactors.speech.brain import Brain
from callactors.testing.caller import Answer, Caller
from callactors.testing.carrier import carrier
from callactors.testing.desk_phone import DeskPhone, desk_phone
from callactors.testing.manners import Notify
from callactors.testing.user_agent import NotAnswered, PhoneCall, UserAgent

NUMBER = "1000"
DESK_LINE = "Front desk, this is Maria speaking. How can I help you?"
CALLER_LINE = "Hello Maria, I just wanted to hear a real person."
BOUND = 120.0  # seconds the call may take
PATIENCE = 12.0  # seconds the caller waits for an answer
TRANSFER = 20.0  # seconds until the desk phone has answered
RECORD = 5.0  # seconds until the call has ended at the server


@attrs.define
class Exchange:
    """The caller said something; what the agent understood and said, and how long the answer took to begin."""

    words: str
    began: float
    answer: Answer | None = None
    heard: list[str] = attrs.field(factory=list)
    said: list[str] = attrs.field(factory=list)


@attrs.define
class Happened:
    """Everything the demo saw and heard from outside."""

    scenario: str
    started: datetime
    call: str = ""
    greeting: str = ""
    exchanges: list[Exchange] = attrs.field(factory=list)
    tools: list[str] = attrs.field(factory=list)
    accepted: int | None = None
    notifies: list[Notify] = attrs.field(factory=list)
    caller_heard_desk: str = ""
    desk_heard_caller: str = ""
    refused: str = ""
    timed_out: bool = False
    dialled_at: float = 0.0
    booked_before: frozenset[int] = frozenset()


def settings(
    scenario: str | None, data: Path, model_dir: Path | None, model: str | None, ca: Path | None, desk: str
) -> Config:
    """The default configuration on free ports, with the desk phone as front_desk. Raises ConfigError."""
    config = configuration.override(
        configuration.default(),
        sip="127.0.0.1:0",
        web="127.0.0.1:0",
        scenario=scenario,
        data=str(data),
        model_dir=str(model_dir) if model_dir else None,
    )
    directory = {name: Entry(sip=Uri(desk)) for name in {*config.directory, "front_desk"}}
    config = replace(config, directory=directory)
    if model is None:
        return config
    return replace(config, models={"remote": RealtimeModel(url=model, ca=str(ca) if ca else None)})


@attrs.define(eq=False)
class Demo:
    """Runs the call and shows it."""

    show: Show
    brain: Brain
    happened: Happened
    customer: Customer = attrs.field(factory=Customer)
    _ended: trio.Event = attrs.field(factory=trio.Event)

    def tell(self, event: str, call: str = "", **facts: Any) -> None:
        """What the server says of its call, as it happens."""
        match event:
            case "ringing":
                self.happened.call = call
            case "turn":
                self._turn(str(facts.get("heard", "")), str(facts.get("said", "")))
            case "tool":
                self.happened.tools.append(str(facts.get("tool")))
                self.show.line("tool", str(facts.get("tool")))
            case _:
                if event == "ended":
                    self._ended.set()
                self.show.line("call", " ".join([event, *(f"{name}={fact}" for name, fact in facts.items())]))

    def _turn(self, heard: str, said: str) -> None:
        if self.happened.exchanges and (heard or said):
            latest = self.happened.exchanges[-1]
            latest.heard += [heard] if heard else []
            latest.said += [said] if said else []

    async def voice(self, text: str) -> Samples:
        return np.frombuffer(await self.brain.say(text, AudioFormat.PCM16_8K), np.int16)

    async def ears(self, samples: Samples) -> str:
        return await self.brain.transcribe(samples)

    @asynccontextmanager
    async def _parties(
        self, scenario: str | None, data: Path, model_dir: Path | None, model: str | None, ca: Path | None
    ) -> AsyncIterator[tuple[Serving, UserAgent, DeskPhone]]:
        line = await self.voice(DESK_LINE)
        async with desk_phone(line) as desk, carrier() as network:
            config = settings(scenario, data, model_dir, model, ca, desk.agent.uri)
            async with serving(config, brain=self.brain, tell=self.tell) as up:
                yield up, network, desk

    async def run(
        self, scenario: str | None, data: Path, model_dir: Path | None, model: str | None, ca: Path | None
    ) -> None:
        """The whole call, at most BOUND seconds of it."""
        async with self._parties(scenario, data, model_dir, model, ca) as (up, network, desk):
            self.show.line(
                "call", f"callactors at {up.sip}, carrier at {network.address}, desk at {desk.agent.address}"
            )
            for text in (*self.customer.wishes, CALLER_LINE):
                await self.voice(text)  # nobody waits for their own voice
            with trio.move_on_after(BOUND) as bound:
                await self._call(up, network, desk)
            self.happened.timed_out = bound.cancelled_caught
            self.happened.notifies = network.notifies()
            self.happened.accepted = next((call.refer_status for call in network.calls), None)
            for call in network.calls:
                call.hang_up()
            with trio.move_on_after(RECORD):
                await self._ended.wait()

    async def _call(self, up: Serving, network: UserAgent, desk: DeskPhone) -> None:
        self.show.begin()
        self.happened.dialled_at = trio.current_time()
        try:
            call = await network.dial(f"sip:{NUMBER}@{up.sip}", caller=PHONE.replace("-", ""))
        except NotAnswered as refused:
            self.happened.refused = str(refused)
            return
        caller = Caller(call, self.voice, self.ears)
        await self._talk(caller)
        await self._with_person(caller, call, desk)

    async def _talk(self, caller: Caller) -> None:
        """Until a person was asked for, and the agent has said that they will be connected."""
        greeting = await caller.listen(PATIENCE, unfinished)
        heard = self.happened.greeting = greeting.text if greeting else ""
        self.show.line("agent", heard)
        while not self.customer.asked_for_person and caller.on is caller.call and not caller.call.ended.is_set():
            exchange = await self._exchange(caller, self.customer.reply(heard))
            heard = exchange.answer.text if exchange.answer else ""

    async def _exchange(self, caller: Caller, words: str) -> Exchange:
        exchange = Exchange(words, trio.current_time())
        self.happened.exchanges.append(exchange)
        self.show.line("caller", words)
        await caller.say(words)
        exchange.answer = answer = await caller.listen(PATIENCE, unfinished)
        if answer is None:
            self.show.line("agent", "(silence)")
        else:
            self.show.line("agent", answer.text, f"after {answer.response_ms} ms")
        return exchange

    async def _with_person(self, caller: Caller, call: PhoneCall, desk: DeskPhone) -> None:
        """The desk phone has answered: each must hear the other."""
        with trio.move_on_after(TRANSFER):
            await call.transferred.wait()
        if call.successor is None:
            return
        answer = await caller.listen(PATIENCE)
        self.happened.caller_heard_desk = answer.text if answer else ""
        self.show.line("desk", self.happened.caller_heard_desk)
        self.show.line("caller", CALLER_LINE)
        person = Caller(desk.taken[-1], self.voice, self.ears)
        await caller.say(CALLER_LINE)
        at_desk = await person.listen(PATIENCE)
        self.happened.desk_heard_caller = at_desk.text if at_desk else ""


def unfinished(heard: str) -> bool:
    """An agent who has not asked anything may be thinking of more to say."""
    return not heard.rstrip().endswith("?")


def encode(facts: object) -> str:
    """One line of JSON."""
    return msgspec.json.encode(facts).decode()
