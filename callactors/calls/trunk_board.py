"""How the trunks are doing, as a page of JSON in the data folder: a running process writes it, `trunks list` reads it.

Facts are by trunk and by what they are about (an address, "registration"). The page is written when something has
changed, at most once in PAUSE seconds, and replaced as a whole: a reader never sees half of it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import msgspec
import trio

from callactors.errors import Unusable
from callactors.meters.log import log
from callactors.net.offload import in_thread

NAME = "trunks.json"
PAUSE = 1.0
Facts = dict[str, str | int | float | None]
Board = dict[str, dict[str, Facts]]


class TrunkBoard:
    """One for the process."""

    def __init__(self, folder: Path, wall: Callable[[], float]) -> None:
        """`wall` is seconds since 1970."""
        self._path, self._wall = folder / NAME, wall
        self._board: Board = {}
        self._changed = trio.Event()

    def note(self, trunk: str, about: str, **facts: str | int | float | None) -> None:
        """What is known now of one thing about a trunk; it takes the place of what was known."""
        known = self._board.setdefault(trunk, {})
        changed = {name: value for name, value in known.get(about, {}).items() if name != "at"} != facts
        known[about] = {**facts, "at": round(self._wall(), 3)}
        if changed:
            self._changed.set()

    def facts(self) -> Board:
        """All that is known now."""
        return self._board

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Write until cancelled; the page goes when the process does. A page nobody can write stops no call."""
        try:
            task_status.started()
            while True:
                await self._changed.wait()
                self._changed = trio.Event()
                try:
                    await in_thread(_replace, self._path, msgspec.json.encode(self._board))
                except OSError as error:
                    log().warning("trunks.not_shown", path=str(self._path), error=str(error))
                await trio.sleep(PAUSE)
        finally:
            try:
                self._path.unlink(missing_ok=True)  # a name goes; nothing is read or written
            except OSError as error:
                log().warning("trunks.not_shown", path=str(self._path), error=str(error))


def read_board(folder: Path) -> Board:
    """The page of a running process; empty when none runs here. Raises Unusable when it cannot be read."""
    try:
        return msgspec.json.decode((folder / NAME).read_bytes(), type=Board)
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.MsgspecError) as error:
        raise Unusable(f"{folder / NAME} cannot be read: {error}; delete it") from error


def _replace(path: Path, page: bytes) -> None:
    draft = path.with_suffix(".new")
    draft.write_bytes(page)
    os.replace(draft, path)
