"""DATA/node.lock: one process per data folder, by flock. The file names its holder; any death frees it."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import attrs

from callactors.errors import NodeBusy


@attrs.define
class NodeLock:
    """A held lock. `release()` is idempotent."""

    path: Path
    _descriptor: int | None

    def release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def hold(folder: Path, node: str) -> NodeLock:
    """Take `folder`/node.lock. Raises NodeBusy naming the process that has it; OSError when the folder is unusable."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "node.lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _take(descriptor, path)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"process {os.getpid()} (node {node})\n".encode(), 0)
    except (OSError, NodeBusy):
        os.close(descriptor)
        raise
    return NodeLock(path, descriptor)


def _take(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(descriptor, 200).decode("utf-8", "replace").strip() or "an unknown process"
        remedy = "stop it, or start this one with another --data DIR"
        raise NodeBusy(f"{path} is held by {holder}; {remedy}") from None
