"""An INVITE with Replaces: another phone takes the caller's place, and the conversation goes on."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from callactors.sip import events as sip
from callactors.stores.ledger import Ledger
from callactors.stores.ledger_rows import Row
from callactors.testing.scripted_caller import ScriptedCaller, scripted_caller
from callactors.testing.talking import talking


def instead_of(caller: ScriptedCaller, *, to_tag: str | None = None) -> tuple[tuple[str, str], ...]:
    """The header that names this caller's call, as the house knows it."""
    assert caller.session is not None
    dialog = caller.endpoint.dialog(caller.session)
    tag = dialog.remote_tag if to_tag is None else to_tag
    return (("Replaces", f"{dialog.call_id};to-tag={tag};from-tag={dialog.local_tag}"),)


async def test_another_phone_takes_the_callers_place_and_the_agent_talks_on(
    autojump_clock: object, tmp_path: Path
) -> None:
    async with (
        talking(tmp_path) as talk,
        scripted_caller(talk.house.endpoint.address, host="127.0.0.31", seed=8) as other,
    ):
        other.dial(headers=instead_of(talk.caller))
        await other.sees(sip.Answered)
        await talk.caller.sees(sip.HungUp)
        await talk.peer.reply("So, a cut tomorrow?")
        await trio.sleep(1)
        other.say(400)
        await talk.peer.expect_audio(talk.peer.audio + 1600)
        assert len(talk.house.switchboard.calls) == 1
        other.hang_up()
        record = await talk.house.record()
    assert record["cause"] == "caller_hung_up"
    assert [(one["n"], one["sip_code"] is not None) for one in record["attempts"]] == [(0, True), (1, True)]
    assert "replaced" in [event["kind"] for event in record["events"]]
    assert "greeting" not in other.names


async def test_a_phone_that_gives_up_at_once_takes_nobodys_place(autojump_clock: object, tmp_path: Path) -> None:
    async with (
        talking(tmp_path) as talk,
        scripted_caller(talk.house.endpoint.address, host="127.0.0.31", seed=8) as other,
    ):
        durable = Ledger.durable

        async def slowly(ledger: Ledger, row: Row) -> None:
            await trio.sleep(1)
            await durable(ledger, row)

        with pytest.MonkeyPatch.context() as disk:
            disk.setattr(Ledger, "durable", slowly)
            other.dial(headers=instead_of(talk.caller))
            await other.sees(sip.Trying)
            other.hang_up()
            await trio.sleep(3)
        await talk.goes_on()
        talk.caller.hang_up()
        record = await talk.house.record()
    assert record["cause"] == "caller_hung_up"
    assert [row["reason"] for row in record["attempts"]] == ["caller_hung_up", "cancelled"]


async def test_a_call_that_is_not_there_is_replaced_by_nobody(autojump_clock: object, tmp_path: Path) -> None:
    async with (
        talking(tmp_path) as talk,
        scripted_caller(talk.house.endpoint.address, host="127.0.0.31", seed=8) as other,
    ):
        other.dial(headers=instead_of(talk.caller, to_tag="another"))
        assert (await other.sees(sip.Failed)).status == 481
        await talk.goes_on()
