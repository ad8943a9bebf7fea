"""`calls recording ID`: a call's recording as a file any player plays, decrypted where it is encrypted.

Exit code 0 when it was written, 1 with a remedy on stderr when not; then nothing is left behind.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from callactors import config as configuration
from callactors.calls.archive import FOLDER
from callactors.errors import RecordingUnreadable, Theirs, Unusable
from callactors.scenario.library import read, shown
from callactors.stores.ledger_reader import Facts, open_reader
from callactors.stores.recordings import Kept, Recordings

HERE = Path("callactors.yaml")


class NotThere(Theirs):
    """A call without a recording, or whose recording is gone."""


def save(call: str, data: Path, out: Path | None, config: Path | None, partial: bool) -> Path:
    """Write it to `out`, or beside us by its own name. Raises NotThere, RecordingUnreadable, Unusable, ConfigError."""
    with open_reader(data / "ledger.db") as reader:
        facts = reader.call(call)
    kept = _kept(facts, data)
    target = out or Path(f"{kept.call}.{kept.format}")
    recordings = Recordings(kept.path.parent, key=_key(config) if kept.encrypted else None)
    try:
        _write(recordings, kept, target, partial)
    except RecordingUnreadable as error:
        raise RecordingUnreadable(f"{kept.path} {error}") from None
    except OSError as error:
        if error.filename == str(kept.path):
            raise Unusable(f"{kept.path} cannot be read: {error.strerror}") from error
        raise Unusable(f"{target} cannot be written: {error.strerror}; name another --out") from error
    return target


def _kept(facts: Facts, data: Path) -> Kept:
    tape = facts["tape"] or {}
    if "deleted" in tape:
        raise NotThere(f"the recording of {facts['call']} was deleted at {tape['deleted']}: recording.keep_days")
    said = facts["recording"]
    if said is None:
        raise NotThere(f"{facts['call']} was not recorded; `calls show {facts['call']}` tells its events")
    for path in (Path(said), data / FOLDER / Path(said).name):
        kept = Kept.of(path)
        if kept is not None and path.is_file():
            return kept
    raise NotThere(f"{said} is not there any more; is --data the folder of that run?")


def _write(recordings: Recordings, kept: Kept, target: Path, partial: bool) -> None:
    """Beside its place first, so that a recording that turns out to be damaged leaves nothing."""
    beside = target.with_name(f".{target.name}.part")
    try:
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            for piece in recordings.pieces(kept, partial=partial):
                file.write(piece)
        beside.replace(target)
    finally:
        beside.unlink(missing_ok=True)


def _key(given: Path | None) -> str | None:
    path = given or (HERE if HERE.is_file() else None)
    if path is None:
        raise Unusable("the recording is encrypted: name the configuration with its recording.key by --config FILE")
    key = configuration.load(read(path), shown(path), os.environ).recording.key
    return key.reveal() if key is not None else None


Out = Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Where to; by its own name in this folder.")]
Config = Annotated[Path | None, typer.Option("--config", metavar="FILE", help="The configuration with recording.key.")]
Partial = Annotated[bool, typer.Option("--partial", help="Also one that ends too soon, as far as it goes.")]


def line(facts: Facts) -> str:
    """Length, format and pauses, in parentheses; empty when nothing is known."""
    tape = facts["tape"] or {}
    words = [f"{tape['seconds']:.1f} s"] if "seconds" in tape else []
    if "format" in tape:
        words.append(f"{tape['format']} {tape['rate'] // 1000} kHz" if "rate" in tape else tape["format"])
    words += ["encrypted"] if tape.get("encrypted") else []
    words += [f"paused {begin:.1f}-{end:.1f} s" for begin, end in tape.get("paused", ())]
    words += ["cut short: the disk failed"] if "error" in tape else []
    words += [f"deleted {tape['deleted']}"] if "deleted" in tape else []
    return f" ({', '.join(words)})" if words else ""
