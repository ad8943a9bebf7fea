"""`call`: a call is placed and shown, its result is an exit code, Ctrl-C hangs up, a rule is a sentence."""

from __future__ import annotations

import io
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import attrs
import pytest
import structlog
import trio
from rich.console import Console
from typer.testing import CliRunner

from callactors.__main__ import app
from callactors.audio.format import AudioFormat
from callactors.calls.contain import first_of
from callactors.commands.call import carry_out, only_out
from callactors.commands.call_show import Progress, result
from callactors.commands.demo_show import Show
from callactors.config import Config, override
from callactors.config.config import replace
from callactors.config.schema import RealtimeModel
from callactors.errors import NotPlaced
from callactors.routing.rules import Order
from callactors.speech.brain import Brain
from callactors.stores.ledger_reader import Facts
from callactors.testing.calling_out import HOSTS, NUMBER, ROUTES, trunk_line
from callactors.testing.calls import settings
from callactors.testing.manners import Manners
from callactors.testing.scripted_model import Peer, ScriptedModel
from callactors.testing.user_agent import UserAgent, user_agent


class Mute:
    """A brain that is only asked for phrases, and has nothing to say."""

    async def phrase(self, text: str, format: AudioFormat) -> bytes:
        return b""


MUTE = cast(Brain, Mute())


async def polite(peer: Peer) -> None:
    await peer.greet()
    await peer.expect_audio(1600)  # somebody has picked up
    await peer.caller_says("Who is there?")
    await peer.reply("It is the salon.")
    await peer.stay()


@attrs.frozen
class Stage:
    """Two carriers, and a command's configuration."""

    a: UserAgent
    b: UserAgent
    config: Config
    show: Show

    async def call(self, number: str = NUMBER) -> Facts | None:
        return await carry_out(self.config, Order(number=number, scenario="salon"), Progress(self.show), brain=MUTE)

    @property
    def shown(self) -> str:
        return self.show.console.export_text(clear=False)


@asynccontextmanager
async def stage(data: Path, a: Manners | None = None) -> AsyncIterator[Stage]:
    async with (
        user_agent(HOSTS["a"], name="a", manners=a) as one,
        user_agent(HOSTS["b"], name="b") as two,
        trio.open_nursery() as nursery,
    ):
        url: str = await nursery.start(ScriptedModel(polite).serve)
        trunks = "\n".join((trunk_line("a", one), trunk_line("b", two)))
        config = override(settings(data, more=ROUTES, trunks=trunks), sip="127.0.0.1:0", web="off", data=str(data))
        config = replace(config, models={"main": RealtimeModel(url=url)})
        show = Show(Console(record=True, width=200, file=io.StringIO(), highlight=False))
        yield Stage(one, two, only_out(config), show)
        nursery.cancel_scope.cancel()


async def test_a_call_is_shown_try_by_try_and_word_by_word(tmp_path: Path) -> None:
    async with stage(tmp_path, Manners(invite=503)) as on, trio.open_nursery() as nursery:

        async def callee() -> None:
            phone = await on.b.next_call()
            phone.pick_up()
            with trio.fail_after(20):
                while "It is the salon" not in on.shown:  # noqa: ASYNC110 - a console announces nothing
                    await trio.sleep(0.05)
            phone.hang_up()

        nursery.start_soon(callee)
        facts = await on.call()
        assert facts is not None
        result(on.show, facts, str(tmp_path))
    for words in ("calling +13125550142 for salon", "try 0: SIP 503", "trunk b", "it rings (180)", "Who is there?"):
        assert words in on.shown
    assert "callee_hung_up (by far_end)" in on.shown
    assert [(one["trunk"], one["sip_code"]) for one in facts["attempts"]] == [("a", 503), ("b", 200)]


async def test_what_ends_without_an_answer_is_said_in_a_sentence(tmp_path: Path) -> None:
    async with stage(tmp_path, Manners(invite=486)) as on:
        facts = await on.call()
        assert facts is not None
        result(on.show, facts, str(tmp_path))
    assert "busy: the line is busy" in on.shown
    assert facts["answered"] is None


@pytest.mark.parametrize("answered", [False, True])
async def test_ctrl_c_cancels_what_rings_and_hangs_up_what_talks(answered: bool, tmp_path: Path) -> None:
    async with stage(tmp_path) as on, trio.open_nursery() as nursery:

        async def callee() -> None:
            phone = await on.a.next_call()
            if answered:
                phone.pick_up()
                await phone.line.wait_loud(0) if phone.line.heard else await trio.sleep(0.5)
            os.kill(os.getpid(), signal.SIGINT)
            with trio.fail_after(5):
                await phone.wait_ended()

        nursery.start_soon(callee)
        facts = await on.call()
    assert facts is not None
    assert facts["cause"] == ("agent_hung_up" if answered else "cancelled")
    assert {one["reason"] for one in facts["attempts"]} == {facts["cause"]}


async def test_a_forbidden_number_is_refused_before_anything_leaves(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        with pytest.raises(ExceptionGroup) as refused:
            await on.call("+442071838750")
        assert not on.a.messages
    error = first_of(refused.value)
    assert isinstance(error, NotPlaced)
    assert str(error) == "+442071838750 is not under `permit` (+1); add its prefix there"


def test_without_a_scenario_of_that_name_the_command_says_so_and_ends_with_2(tmp_path: Path) -> None:
    try:
        ran = CliRunner().invoke(
            app, ["call", NUMBER, "--scenario", "no_such", "--sip", "127.0.0.1:0", "--data", str(tmp_path)]
        )
    finally:
        structlog.reset_defaults()
    assert ran.exit_code == 2
    assert "no_such" in ran.output
