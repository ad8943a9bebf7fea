"""`calls recording`: what is kept is given out, decrypted where it must be; what cannot be is said; nothing is left."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import trio
from typer.testing import CliRunner

from callactors.__main__ import app
from callactors.audio import wav
from callactors.stores.ledger import open_ledger
from callactors.stores.ledger_rows import CallOpened, EventRow
from callactors.stores.recordings import Recordings
from callactors.stores.sealed import MasterKey

KEY = "a key that nobody can guess"
CALL = "0192f0aa-0000-7000-8000-000000000001"
SETTINGS = """\
version: 1
trunks: {acme: {from: [10.0.0.1]}}
numbers: [{match: "+1312", trunk: acme, scenario: salon}]
recording: {mode: always, key: "KEY"}
"""


async def _write(data: Path, key: str | None, whole: bool, events: list[tuple[str, dict[str, object]]]) -> Path:
    master = MasterKey.derive(key, b"s" * 16, (4, 1, 1)) if key is not None else None
    spool = Recordings(data / "recordings", master=master).spool(CALL, 8000)
    spool.open()
    spool.append(np.full((8000, 2), 1000, np.int16).tobytes())
    spool.hole(4 * 16_000)
    if whole:
        spool.finish()
    spool.close()
    async with open_ledger(data / "ledger.db", "a1") as ledger:
        ledger.queue(CallOpened(call=CALL, direction="inbound", started=0))
        for kind, body in [("recording", spool.facts), *events]:
            ledger.queue(EventRow(call=CALL, at=0, kind=kind, body=body))
    return spool.path


def written(data: Path, *events: tuple[str, dict[str, object]], key: str | None = None, whole: bool = True) -> Path:
    """A folder with one call and its recording of three seconds."""
    return trio.run(_write, data, key, whole, list(events))


def asked(*words: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["calls", *map(str, words)])
    return result.exit_code, result.output


def settings(folder: Path, key: str = KEY) -> Path:
    path = folder / "callactors.yaml"
    path.write_text(SETTINGS.replace("KEY", key))
    return path


@pytest.mark.parametrize("key", [None, KEY])
@pytest.mark.parametrize("whole", [True, False])
def test_a_recording_comes_out_as_any_player_takes_it(tmp_path: Path, key: str | None, whole: bool) -> None:
    written(tmp_path, key=key, whole=whole)
    out = tmp_path / "out.wav"
    words = ["--config", settings(tmp_path)] if key else []
    words += ["--partial"] if key and not whole else []
    assert asked("recording", CALL[:8], "--data", tmp_path, "--out", out, *words) == (0, f"{out}\n")
    found = wav.read(out.read_bytes())
    assert len(found.samples) == (24_000 if whole or key else 8000)
    assert (found.samples[:8000] == 1000).all()
    assert out.stat().st_mode & 0o777 == 0o600
    assert int.from_bytes(out.read_bytes()[40:44], "little") == 4 * len(found.samples) or not whole


def test_it_needs_the_key_and_the_right_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, key=KEY)
    monkeypatch.chdir(tmp_path)
    code, said = asked("recording", CALL, "--data", tmp_path)
    assert (code, "--config FILE" in said) == (1, True)
    code, said = asked("recording", CALL, "--data", tmp_path, "--config", settings(tmp_path, "another key of ours"))
    assert (code, said.startswith(f"{path} was encrypted with another recording.key")) == (1, True)
    assert not list(tmp_path.glob("*.wav")) + list(tmp_path.glob("*.part"))


def test_a_damaged_one_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    path = written(tmp_path, key=KEY)
    data = bytearray(path.read_bytes())
    data[3000] ^= 1
    path.write_bytes(data)
    out = tmp_path / "out.wav"
    code, said = asked("recording", CALL, "--data", tmp_path, "--config", settings(tmp_path), "--out", out)
    assert (code, "was changed: chunk 1" in said) == (1, True)
    assert sorted(file.name for file in tmp_path.glob("*out*")) == []


def test_a_place_that_cannot_be_written_is_named_as_it_was_given(tmp_path: Path) -> None:
    written(tmp_path)
    for out in (tmp_path / "nowhere" / "x.wav", tmp_path):
        code, said = asked("recording", CALL, "--data", tmp_path, "--out", out)
        assert (code, said.startswith(f"{out} cannot be written: ")) == (1, True)


def test_one_cut_short_is_given_out_only_when_that_is_wanted(tmp_path: Path) -> None:
    written(tmp_path, key=KEY, whole=False)
    code, said = asked("recording", CALL, "--data", tmp_path, "--config", settings(tmp_path))
    assert (code, "--partial" in said) == (1, True)


def test_a_file_of_another_call_is_not_taken_for_this_one(tmp_path: Path) -> None:
    path = written(tmp_path, key=KEY)
    path.write_bytes(path.read_bytes().replace(CALL.encode(), CALL.replace("1", "2").encode()))
    code, said = asked("recording", CALL, "--data", tmp_path, "--config", settings(tmp_path))
    assert (code, "is not of this call" in said) == (1, True)


def test_one_that_is_gone_was_deleted_or_never_was_is_said_so(tmp_path: Path) -> None:
    path = written(tmp_path)
    path.unlink()
    assert "is not there any more" in asked("recording", CALL, "--data", tmp_path)[1]
    other = tmp_path / "other"
    written(other, ("recording_deleted", {"path": "x"}))
    code, said = asked("recording", CALL, "--data", other)
    assert (code, "was deleted at 1970" in said) == (1, True)


def test_show_tells_length_format_pauses_and_where_it_is(tmp_path: Path) -> None:
    path = written(tmp_path, ("recording_ended", {"seconds": 3.0, "paused": [[0.5, 1.25]]}), key=KEY)
    line = f"recording  {path} (3.0 s, wav 8 kHz, encrypted, paused 0.5-1.2 s)\n"
    assert line in asked("show", CALL, "--data", tmp_path)[1]
    tape = json.loads(asked("show", CALL, "--json", "--data", tmp_path)[1])["tape"]
    assert tape == {
        "path": str(path),
        "format": "wav",
        "rate": 8000,
        "encrypted": True,
        "seconds": 3.0,
        "paused": [[0.5, 1.25]],
    }
