"""Calls on tape, as whole calls: what is on it, who began it, how it is kept, and what the record says."""

from __future__ import annotations

import json
import os
from pathlib import Path

import attrs
import msgspec
import numpy as np
import pytest
import trio
import trio.testing
from structlog.testing import capture_logs

from callactors.audio import g711, ogg, wav
from callactors.audio.convert import convert
from callactors.audio.format import AudioFormat
from callactors.audio.g711 import Samples
from callactors.audio.reel import LINEAR
from callactors.calls.archive import Archive, recordings_of
from callactors.calls.playbook import Playbook
from callactors.config import load
from callactors.net import offload
from callactors.sip import events as sip
from callactors.stores.ledger import open_ledger
from callactors.stores.ledger_reader import Facts, open_reader
from callactors.stores.recordings import Recordings
from callactors.stores.spool import Spool
from callactors.testing.calls import Mind, agent_says, open_house, settings
from callactors.testing.scripted_caller import Ears, scripted_caller
from callactors.testing.talking import talking

KEY = "a key that nobody can guess"


def heard_in(samples: Samples) -> list[str]:
    """The tones on one side, by name."""
    ears = Ears()
    ears.hear(g711.encode(samples, AudioFormat.PCMU))
    return [tone.name for tone in ears.tones]


def sides(data: Path, call: str) -> tuple[list[str], list[str]]:
    found = wav.read((data / "recordings" / f"{call}.wav").read_bytes())
    return heard_in(found.samples[:, 0]), heard_in(found.samples[:, 1])


def narrowed(samples: Samples, rate: int) -> Samples:
    """At 8 kHz."""
    audio = np.ascontiguousarray(samples).tobytes()
    return np.frombuffer(convert(audio, LINEAR[rate], AudioFormat.PCM16_8K), np.int16)


def onset(samples: Samples) -> float:
    """Seconds until somebody speaks."""
    return int(np.argmax(np.abs(samples.astype(int)) > 1000)) / 8000


def on_disk(path: str) -> bytes:
    return Path(path).read_bytes()


def shown(data: Path, call: str) -> Facts:
    with open_reader(data / "ledger.db") as reader:
        return reader.call(call)


def files(data: Path) -> list[str]:
    folder = data / "recordings"
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


async def test_a_call_is_recorded_as_both_sides_heard_it_and_the_record_tells_how(
    autojump_clock: object, tmp_path: Path
) -> None:
    async with talking(tmp_path, more="recording: {mode: always}\n") as talk:
        talk.caller.say(600)
        await trio.sleep(1)
        record = await talk.hang_up()
    assert sides(tmp_path, record["id"]) == (["caller"], ["greeting"])
    tape = shown(tmp_path, record["id"])["tape"]
    assert (tape["format"], tape["rate"], tape["encrypted"], tape["paused"]) == ("wav", 8000, False, [])
    assert abs(tape["seconds"] - wav.read(on_disk(tape["path"])).ms / 1000) < 0.01


async def test_a_disk_that_fails_is_an_event_and_an_error_in_the_log_and_the_call_goes_on(
    autojump_clock: object, tmp_path: Path
) -> None:
    (tmp_path / "recordings").write_text("in the way")
    with capture_logs() as logged:
        async with talking(tmp_path, more="recording: {mode: always}\n") as talk:
            await trio.sleep(5)
            record = await talk.hang_up()
    assert record["cause"] == "caller_hung_up"
    assert "error" in shown(tmp_path, record["id"])["tape"]
    assert [(entry["log_level"], entry["call"]) for entry in logged if entry["event"] == "recording.failed"] == [
        ("error", record["id"])
    ]


@pytest.mark.parametrize(("codec", "rate"), [("opus", 24_000), ("g722", 16_000)])
async def test_a_wideband_call_is_recorded_in_what_it_was_heard_in_and_a_change_of_codec_keeps_it_aligned(
    autojump_clock: object, tmp_path: Path, codec: str, rate: int
) -> None:
    mind, more = Mind(), "recording: {mode: always}\n"
    async with (
        open_house(tmp_path, mind, more=more, loopback=f", codecs: [{codec}, pcmu]") as house,
        scripted_caller(house.endpoint.address) as caller,
    ):
        await caller.call(codecs=(codec, "pcmu"))
        peer = await mind.session()
        await caller.hears("greeting")
        caller.say(600)
        await trio.sleep(1.5)
        caller.offer_again(codecs=("pcmu",))
        await caller.sees(sip.Reanswered)
        caller.say(600)
        await agent_says(peer, "Still here.", 600)
        await trio.sleep(1.5)
        caller.hang_up()
        record = await house.record()
    found = wav.read(on_disk(shown(tmp_path, record["id"])["recording"]))
    assert found.rate == rate
    narrow = [narrowed(found.samples[:, side], rate) for side in (0, 1)]
    assert [heard_in(side) for side in narrow] == [["caller", "caller"], ["greeting", "agent"]]
    begins = [onset(side[len(side) // 2 :]) for side in narrow]
    assert abs(begins[0] - begins[1]) < 0.15  # they spoke at the same time


async def test_off_is_off(autojump_clock: object, tmp_path: Path) -> None:
    async with talking(tmp_path) as talk:
        call = next(iter(talk.house.switchboard.calls.values()))
        call.record_from_now()
        talk.caller.say(600)
        await trio.sleep(1)
        record = await talk.hang_up()
    assert files(tmp_path) == []
    assert shown(tmp_path, record["id"])["tape"] is None
    assert "recording_refused" in [row["kind"] for row in record["events"]]


async def test_nothing_is_recorded_before_the_caller_agreed(autojump_clock: object, tmp_path: Path) -> None:
    async with talking(tmp_path, more="recording: {mode: consent}\n") as talk:
        await talk.caller.hears("greeting", "consent")
        call = next(iter(talk.house.switchboard.calls.values()))
        call.record_from_now()  # nobody else can say it for them
        talk.caller.say(600)
        await trio.sleep(1.5)
        asked = await talk.peer.request_tool("record_call", {"on": True})
        assert "recorded from now on" in await talk.peer.tool_output(asked)
        await agent_says(talk.peer, "Thank you.", 1000)
        await talk.caller.hears("greeting", "consent", "agent")
        await trio.sleep(1)
        record = await talk.hang_up()
    assert sides(tmp_path, record["id"]) == ([], ["agent"])
    told = [(row["kind"], json.loads(row["body"])) for row in record["events"] if row["kind"].startswith("recording_")]
    assert told[:2] == [
        ("recording_refused", {"wanted": True, "by": "api"}),
        ("recording_consent", {"wanted": True, "by": "tool"}),
    ]


@pytest.mark.parametrize(("words", "files_left"), [("Yes, please.", 1), ("No.", 0), ("Yes, I need a haircut.", 0)])
async def test_a_plain_yes_to_the_question_is_a_consent_whatever_the_agent_makes_of_it(
    autojump_clock: object, tmp_path: Path, words: str, files_left: int
) -> None:
    async with talking(tmp_path, more="recording: {mode: consent}\n") as talk:
        await talk.caller.hears("greeting", "consent")
        talk.caller.say(600)
        await trio.sleep(1.5)
        await talk.peer.caller_says(words)
        await agent_says(talk.peer, "How can I help?", 1000)
        await agent_says(talk.peer, "Hello?", 1000)
        await trio.sleep(3)
        record = await talk.hang_up()
    assert len(files(tmp_path)) == files_left
    consents = [json.loads(row["body"]) for row in record["events"] if row["kind"] == "recording_consent"]
    assert [body["by"] for body in consents] == ["words"] * (not words.endswith("haircut."))


async def test_a_key_begins_a_recording_and_ends_it(autojump_clock: object, tmp_path: Path) -> None:
    def with_key(book: Playbook) -> Playbook:
        policies = msgspec.structs.replace(book.scenario.policies, record_on_digit="5")
        return attrs.evolve(book, scenario=msgspec.structs.replace(book.scenario, policies=policies))

    async with talking(tmp_path, more="recording: {mode: on_demand}\n", adapt=with_key) as talk:
        await trio.sleep(1)
        talk.caller.press("5")
        await trio.sleep(1)
        talk.caller.say(600)
        await trio.sleep(1)
        talk.caller.press("5")
        await trio.sleep(1)
        record = await talk.hang_up()
    wanted = [json.loads(row["body"]) for row in record["events"] if row["kind"] == "recording_wanted"]
    assert wanted == [{"wanted": True, "by": "digit"}, {"wanted": False, "by": "digit"}]
    assert sides(tmp_path, record["id"])[0] == ["caller"]


async def test_who_says_no_is_not_recorded(autojump_clock: object, tmp_path: Path) -> None:
    async with talking(tmp_path, more="recording: {mode: consent}\n") as talk:
        asked = await talk.peer.request_tool("record_call", {"on": False})
        assert "is not recorded" in await talk.peer.tool_output(asked)
        await agent_says(talk.peer, "As you like.", 1000)
        await talk.hang_up()
    assert files(tmp_path) == []


async def test_a_model_is_told_that_the_caller_was_asked_only_where_they_were(
    autojump_clock: object, tmp_path: Path
) -> None:
    for mode, offered in (("consent", True), ("on_demand", True), ("always", False)):
        mind = Mind()
        data = tmp_path / mode
        data.mkdir()
        async with (
            open_house(data, mind, more=f"recording: {{mode: {mode}}}\n") as house,
            scripted_caller(house.endpoint.address) as caller,
        ):
            await caller.call()
            await caller.hears("greeting")
            playbook = house.switchboard.playbooks["salon"]
            specialist = playbook.specialist(playbook.scenario.start, "100")
            assert ("record_call" in specialist.tools) == offered
            assert ("may be recorded" in specialist.instructions) == (mode == "consent")
            caller.hang_up()
            await house.record()


async def test_a_demand_begins_a_recording_and_ends_it(autojump_clock: object, tmp_path: Path) -> None:
    async with talking(tmp_path, more="recording: {mode: on_demand}\n") as talk:
        call = next(iter(talk.house.switchboard.calls.values()))
        await trio.sleep(0.5)  # the greeting is over
        call.record_from_now()
        await trio.sleep(0.1)
        talk.caller.say(600)
        await trio.sleep(1.5)
        call.record_from_now(wanted=False)
        await trio.sleep(0.1)
        await agent_says(talk.peer, "Not for the record.", 1000)
        await trio.sleep(2)
        record = await talk.hang_up()
    assert sides(tmp_path, record["id"]) == (["caller"], [])
    assert shown(tmp_path, record["id"])["tape"]["seconds"] < 2.5


# -- how it is kept --------------------------------------------------------------------------------------------------


async def test_a_sealed_recording_shows_nothing_and_is_read_with_its_key(
    autojump_clock: object, tmp_path: Path
) -> None:
    more = f"recording: {{mode: always, key: {KEY}}}\n"
    async with talking(tmp_path, more=more) as talk:
        talk.caller.say(600)
        await trio.sleep(2.5)
        record = await talk.hang_up()
    assert files(tmp_path) == [f"{record['id']}.wav.sealed"]
    raw = (tmp_path / "recordings" / f"{record['id']}.wav.sealed").read_bytes()
    assert b"RIFF" not in raw
    recordings = Recordings(tmp_path / "recordings", key=KEY)
    kept = recordings.find(record["id"])
    assert kept is not None
    found = wav.read(b"".join(recordings.pieces(kept)))
    assert heard_in(found.samples[:, 0]) == ["caller"]
    assert shown(tmp_path, record["id"])["tape"]["encrypted"] is True


@pytest.mark.parametrize("key", ["", f", key: {KEY}"])
async def test_an_opus_recording_is_made_once_the_call_has_ended(
    autojump_clock: object, tmp_path: Path, key: str
) -> None:
    async with talking(tmp_path, more=f"recording: {{mode: always, format: opus{key}}}\n") as talk:
        talk.caller.say(600)
        await trio.sleep(1)
        record = await talk.hang_up()
        await trio.sleep(2)
    suffix = ".opus.sealed" if key else ".opus"
    assert files(tmp_path) == [f"{record['id']}{suffix}"]
    tape = shown(tmp_path, record["id"])["tape"]
    assert (tape["format"], tape["path"].endswith(suffix)) == ("opus", True)
    recordings = Recordings(tmp_path / "recordings", key=KEY)
    kept = recordings.find(record["id"])
    assert kept is not None
    *_, (flags, granule, _) = ogg.pages(b"".join(recordings.pieces(kept)))
    assert flags == ogg.LAST
    assert abs(granule / ogg.GRANULES - tape["seconds"]) < 0.02  # the pre-skip is in it


async def swept(tmp_path: Path, recording: str) -> None:
    """A process that starts, looks at its recordings, and ends."""
    offload.INLINE.set(True)
    config = settings(tmp_path, more=f"recording: {{{recording}}}\n")
    async with open_ledger(tmp_path / "ledger.db", "t1") as ledger, Archive(config, ledger).open():
        await trio.testing.wait_all_tasks_blocked()


def old(path: Path, days: float) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"x")
    then = path.stat().st_mtime - days * 86_400
    os.utime(path, (then, then))


async def test_what_is_older_than_it_may_be_is_deleted_at_start_and_its_call_says_so(
    autojump_clock: object, tmp_path: Path
) -> None:
    for name, days in (("0192f0aa", 8.0), ("0192f0ab", 6.0)):
        old(tmp_path / "recordings" / f"{name}.wav", days)
    old(tmp_path / "recordings" / "notes.txt", 100)
    await swept(tmp_path, "mode: off, keep_days: 7")
    assert files(tmp_path) == ["0192f0ab.wav", "notes.txt"]
    with open_reader(tmp_path / "ledger.db") as reader:
        rows = reader._db.execute("SELECT call, kind FROM events WHERE kind = 'recording_deleted'").fetchall()
    assert [tuple(row) for row in rows] == [("0192f0aa", "recording_deleted")]


async def test_what_a_killed_process_left_is_converted_at_the_next_start(
    autojump_clock: object, tmp_path: Path
) -> None:
    left = Spool(tmp_path / "recordings" / "0192f0aa.wav", 8000)
    left.open()
    left.append(np.zeros((8000, 2), np.int16).tobytes())
    left.close()  # never finished
    (tmp_path / "recordings" / "0192f0aa.opus.part").write_bytes(b"half")
    (tmp_path / "recordings" / "0192f0ac.wav").write_bytes(b"something else")
    alive = Spool(tmp_path / "recordings" / "0192f0ab.wav", 8000)
    alive.open()  # another process records it now
    await swept(tmp_path, "mode: always, format: opus")
    assert files(tmp_path) == ["0192f0aa.opus", "0192f0ab.wav", "0192f0ac.wav"]
    alive.close()


def test_a_configuration_without_a_key_reads_what_is_not_sealed(tmp_path: Path) -> None:
    config = load(Path(__file__).parent.parent.joinpath("config", "full.yaml").read_text(), "full.yaml", {})
    assert recordings_of(config).key == "an example of a long key"
