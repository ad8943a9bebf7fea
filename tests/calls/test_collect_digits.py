"""What a caller types in private reaches one tool and nobody else: not the model, the ledger, the tape, the disk."""

from __future__ import annotations

import json
import re
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import msgspec
import numpy as np
import pytest
import trio

from callactors.actors.parts.info_digits import RELAY
from callactors.audio import g711, tone
from callactors.audio.format import AudioFormat
from callactors.audio.g711 import Samples
from callactors.audio.levels import dbfs
from callactors.audio.linear import to_samples
from callactors.calls.playbook import Playbook
from callactors.capture.redaction import redact
from callactors.errors import ToolFailed
from callactors.testing.calls import Mind, agent_says, open_house
from callactors.testing.scripted_caller import ScriptedCaller, scripted_caller
from callactors.testing.talking import Talk, talking, with_tools
from callactors.tools.desk import Desk
from callactors.tools.generated import collect_digits
from callactors.tools.tool import tool

CARD = "4111111111111111"
RECORDED = "recording: {mode: always}\n"
seen: list[str] = []  # by the tool


@tool(writes=True)
def charge(desk: Desk, card: str) -> dict[str, object]:
    """Charge a card.

    Args:
        card: the token of the card number
    """
    digits = desk.redeem(card)
    seen.append(digits)
    return {"ok": True, "say": f"Charged {digits}, that is {digits[:4]} {digits[4:8]} {digits[8:12]} {digits[12:]}."}


@tool()
def fumbles(desk: Desk, card: str) -> str:
    """Raise with the number in it."""
    raise ToolFailed(f"I could not charge {desk.redeem(card)}.")


def adapt(book: Playbook) -> Playbook:
    book = with_tools(charge, fumbles, collect_digits())(book)
    return attrs.evolve(book, tools={name: tool for name, tool in book.tools.items() if name != "collect_digits"})


@asynccontextmanager
async def typing(
    tmp_path: Path,
    *,
    loopback: str = "",
    codec: str = "pcmu",
    captured: list[bytes] | None = None,
    asking: dict[str, object] | None = None,
) -> AsyncIterator[tuple[Talk, str]]:
    """A call whose model has just asked for digits, and the name of that request."""
    seen.clear()
    mind, kept = Mind(), [] if captured is None else captured
    async with (
        open_house(
            tmp_path, mind, adapt=adapt, loopback=loopback, more=RECORDED, tap=lambda way, data, peer: kept.append(data)
        ) as house,
        scripted_caller(house.endpoint.address) as caller,
    ):
        await caller.call(codecs=(codec,))
        talk = Talk(house, caller, await mind.session())
        await caller.hears("greeting")
        wanted = {"purpose": "card_number", "digits": 16} | (asking or {})
        asked = await talk.peer.request_tool("collect_digits", wanted)
        await trio.sleep(0.3)
        yield talk, asked


def press_aloud(talk: Talk, digits: str) -> None:
    """As a phone without telephone events does."""
    for at, digit in enumerate(digits):
        sound = np.concatenate([tone.dtmf(digit, 80), tone.silence(60)])
        name = f"key {at} at {trio.current_time()}"
        talk.caller.stream.play(name, g711.encode(sound, talk.caller.ears.format))
        talk.caller.stream.end(name)


async def typed(talk: Talk, asked: str, way: str) -> dict[str, object]:
    """The card typed this way, and typed again where a busy machine has lost a tone."""
    for _ in range(3):
        if way != "tones":
            talk.caller.press(CARD)
        if way in ("tones", "both"):
            press_aloud(talk, CARD)
        told: dict[str, object] = json.loads(await talk.told(asked))
        if told["ok"]:
            return told
        await trio.sleep(20)
        asked = await talk.peer.request_tool("collect_digits", {"purpose": "card_number", "digits": 16})
        await trio.sleep(0.3)
    raise AssertionError(f"never complete: {told}")


def everything(folder: Path) -> bytes:
    """All bytes of all files."""
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def told_the_model(talk: Talk) -> str:
    return "".join(msgspec.json.encode(event).decode() for event in talk.peer.heard)


def caller_side(tmp_path: Path, call: object) -> Samples:
    with wave.open(str(tmp_path / "recordings" / f"{call}.wav")) as file:
        return np.frombuffer(file.readframes(file.getnframes()), np.int16).reshape(-1, 2)[:, 0]


async def test_a_card_number_is_a_token_and_its_last_four(autojump_clock: object, tmp_path: Path) -> None:
    async with typing(tmp_path) as (talk, asked):
        talk.caller.press(CARD)
        told = json.loads(await talk.told(asked))
        assert told == {
            "ok": True, "token": told["token"], "digits": 16, "valid": True, "last_four": "1111",
            "say": "Thank you, I have it.",
        }  # fmt: skip
        await talk.asks("charge", card=told["token"])
        assert seen == [CARD]
        await talk.goes_on()


@pytest.mark.parametrize("way", ["events", "tones", "both", "opus"])
async def test_the_digits_are_nowhere_after_the_call(autojump_clock: object, tmp_path: Path, way: str) -> None:
    trunk = {"events": "", "opus": ", codecs: [opus, pcmu]"}.get(way, ", dtmf: inband")
    async with typing(tmp_path, loopback=trunk, codec="opus" if way == "opus" else "pcmu") as (talk, asked):
        heard_before = len(talk.house.mind.sound)
        told = await typed(talk, asked, way)
        heard = to_samples(bytes(talk.house.mind.sound[heard_before:]), talk.peer.format)
        assert len(heard) > 8_000
        assert "charged [digits], that is [digits]." in (await talk.asks("charge", card=told["token"])).lower()
        assert seen == [CARD]
        await talk.goes_on()
        record = await talk.hang_up()
    assert dbfs(heard) < -60
    kept = everything(tmp_path).decode("latin-1") + repr(talk.house.told) + told_the_model(talk)
    assert not re.search("1[ ,.-]?".join("4111111111"), kept)
    assert "411111" not in kept
    assert '"DTMF' not in kept
    assert dbfs(caller_side(tmp_path, record["id"])[:-8000]) < -50
    kinds = [row["kind"] for row in record["events"]]
    assert "digit" not in kinds
    asked_and_typed = [kind for kind in kinds if kind.startswith("digits")]
    assert asked_and_typed == ["digits_asked", "digits_typed"] * kinds.count("recording_paused")


async def test_digits_by_info_are_in_no_capture(autojump_clock: object, tmp_path: Path) -> None:
    captured = list[bytes]()
    async with typing(tmp_path, captured=captured) as (talk, asked):
        for digit in CARD:
            await informs(talk.caller, digit)
        assert json.loads(await talk.told(asked))["last_four"] == "1111"
        await talk.hang_up()
    kept = b"".join(redact(message) for message in captured)
    assert len(re.findall(rb"^INFO ", kept, re.M)) == len(CARD)
    assert set(re.findall(rb"Signal=([^\r]*)", kept)) == {b"[redacted]"}
    assert "411111" not in everything(tmp_path).decode("latin-1") + told_the_model(talk) + repr(talk.house.told)


async def informs(caller: ScriptedCaller, digit: str) -> None:
    """Press a key by INFO, and wait for its 200."""
    answered = len(caller.statuses("INFO"))
    assert caller.session is not None
    caller.endpoint.info(caller.session, RELAY, f"Signal={digit}\r\nDuration=100\r\n".encode())
    await caller.until(lambda: len(caller.statuses("INFO")) > answered)


async def test_a_token_is_good_once(autojump_clock: object, tmp_path: Path) -> None:
    async with typing(tmp_path) as (talk, asked):
        talk.caller.press(CARD)
        token = json.loads(await talk.told(asked))["token"]
        assert "could not charge [digits]" in await talk.asks("fumbles", card=token)
        assert "no longer have that number" in await talk.asks("charge", card=token)


async def test_a_short_code_shows_no_digit_of_itself(autojump_clock: object, tmp_path: Path) -> None:
    async with typing(tmp_path, asking={"purpose": "pin", "digits": 8}) as (talk, asked):
        talk.caller.press("2468#")
        told = json.loads(await talk.told(asked))
        assert (told["ok"], told["digits"]) == (True, 4)
        assert not {"last_four", "valid"} & set(told)


async def test_a_mistyped_card_number_is_not_kept(autojump_clock: object, tmp_path: Path) -> None:
    async with typing(tmp_path) as (talk, asked):
        talk.caller.press("4111111111111112")
        told = json.loads(await talk.told(asked))
        assert (told["ok"], told["valid"]) == (False, False)
        assert "token" not in told


async def test_a_star_starts_over_and_a_key_too_many_is_nobodys(autojump_clock: object, tmp_path: Path) -> None:
    async with typing(tmp_path) as (talk, asked):
        talk.caller.press(f"41*{CARD}#0")
        assert json.loads(await talk.told(asked))["last_four"] == "1111"
        await trio.sleep(3)
        assert "DTMF" not in told_the_model(talk)
        record = await talk.hang_up()
    assert record["outcome"] in (None, "none")


async def test_who_types_too_little_is_told_so_after_the_timeout(autojump_clock: object, tmp_path: Path) -> None:
    async with typing(tmp_path, asking={"timeout": 5}) as (talk, asked):
        began = trio.current_time()
        talk.caller.press("411")
        told = json.loads(await talk.told(asked))
        assert 5 < trio.current_time() - began < 8
        assert told["ok"] is False
        assert "Only 3 digits" in told["say"]
        talk.caller.press("1111")  # the rest of it, too late
        await talk.goes_on()
        assert "DTMF" not in told_the_model(talk)


async def test_who_speaks_instead_is_told_to_use_the_keys(autojump_clock: object, tmp_path: Path) -> None:
    async with typing(tmp_path) as (talk, asked):
        heard_before = len(talk.house.mind.sound)
        talk.caller.say(1000)
        await talk.caller.hears("greeting", "keys_only")
        talk.caller.press(CARD)
        assert json.loads(await talk.told(asked))["ok"] is True
        heard = bytes(talk.house.mind.sound[heard_before:])
    assert dbfs(g711.decode(heard, AudioFormat.PCMU)) < -60


async def test_what_is_said_while_typing_is_withheld_from_the_record(autojump_clock: object, tmp_path: Path) -> None:
    async with typing(tmp_path) as (talk, asked):
        await talk.peer.caller_says("my number is 4111 1111 1111 1111")
        await agent_says(talk.peer, "Please type it.")
        await talk.caller.hears("agent")
        await trio.sleep(0.5)
        talk.caller.press(CARD)
        await talk.told(asked)
        record = await talk.hang_up()
    assert "1111" not in json.dumps(record["turns"])
    assert "[withheld]" in [turn["heard"] for turn in record["turns"]]


async def test_keys_are_ordinary_again_afterwards(autojump_clock: object, tmp_path: Path) -> None:
    async with typing(tmp_path) as (talk, asked):
        talk.caller.press(CARD)
        await talk.told(asked)
        await trio.sleep(5)
        talk.caller.press("7")
        await trio.sleep(1)
        assert '"DTMF: 7"' in told_the_model(talk)


@pytest.mark.parametrize(("name", "value"), [("digits", 0), ("digits", 33), ("timeout", 4), ("purpose", "whatever")])
async def test_a_request_out_of_range_is_told_to_the_model(
    autojump_clock: object, tmp_path: Path, name: str, value: object
) -> None:
    async with talking(tmp_path, adapt=adapt) as talk:
        wrong = {"purpose": "pin", "digits": 4, name: value}
        assert " is not " in await talk.asks("collect_digits", **wrong)
        await talk.goes_on()


async def test_a_code_that_is_asked_for_right_after_the_card_is_as_private(
    autojump_clock: object, tmp_path: Path
) -> None:
    async with typing(tmp_path) as (talk, asked):
        talk.caller.press(CARD)
        await talk.told(asked)
        asked = await talk.peer.request_tool("collect_digits", {"purpose": "security_code", "digits": 4})
        await trio.sleep(1)
        heard_before = len(talk.house.mind.sound)
        talk.caller.say(400)
        talk.caller.press("9A87#")
        assert json.loads(await talk.told(asked))["digits"] == 3
        assert dbfs(g711.decode(bytes(talk.house.mind.sound[heard_before:]), AudioFormat.PCMU)) < -60
        assert "DTMF" not in told_the_model(talk)
        record = await talk.hang_up()
    assert [row["kind"] for row in record["events"]].count("recording_resumed") <= 1


async def test_only_one_number_is_typed_at_a_time(autojump_clock: object, tmp_path: Path) -> None:
    async with typing(tmp_path) as (talk, asked):
        assert "already" in await talk.asks("collect_digits", purpose="pin", digits=4)
        talk.caller.press(CARD)
        assert json.loads(await talk.told(asked))["ok"] is True


async def test_who_hangs_up_while_typing_leaves_nothing(autojump_clock: object, tmp_path: Path) -> None:
    async with typing(tmp_path) as (talk, _):
        talk.caller.press("4111111")
        await trio.sleep(1)
        record = await talk.hang_up()
    assert record["cause"] == "caller_hung_up"
    assert "411111" not in everything(tmp_path).decode("latin-1")


async def test_an_agent_that_does_not_name_the_tool_does_not_have_it(autojump_clock: object, tmp_path: Path) -> None:
    async with talking(tmp_path, mind=Mind()) as talk:
        assert "there is no tool" in await talk.asks("collect_digits", purpose="pin", digits=4)
