"""The zygote: a child that has everything imported, runs no loop and no thread, and forks a worker when it is asked to.

- So a new worker is there at once, and shares the memory of the program with all others.
- Asked by one number and one descriptor (the worker's end of its lane); it tells of forks and of deaths.
- It ends when its parent does. Ctrl-C and SIGTERM of the whole group are the parent's to understand.
"""

from __future__ import annotations

import gc
import os
import signal
import socket
import struct
import sys
import traceback
from collections.abc import AsyncGenerator, Callable
from typing import NamedTuple, NoReturn

import attrs
import trio

_ASKED = struct.Struct("=i")
_TOLD = struct.Struct("=3i")  # pid; worker or -1; wait status

Work = Callable[[int, socket.socket], int]


class Fate(NamedTuple):
    """A worker was forked (`status` None), or a process has ended."""

    pid: int
    worker: int | None
    status: int | None


@attrs.define(eq=False)
class Zygote:
    """The parent's handle."""

    pid: int
    _control: socket.socket

    def fork(self, worker: int) -> socket.socket:
        """Have a worker forked; our end of its lane. Raises OSError when the zygote is gone."""
        ours, theirs = socket.socketpair()
        try:
            socket.send_fds(self._control, [_ASKED.pack(worker)], [theirs.fileno()])
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        return ours

    async def fates(self) -> AsyncGenerator[Fate, None]:
        """What becomes of the processes, until the zygote is gone."""
        self._control.setblocking(False)
        held = b""
        while True:
            await trio.lowlevel.wait_readable(self._control)
            try:
                data = self._control.recv(4_096)
            except ConnectionResetError:  # it went without hearing us out
                return
            if not data:
                return
            held += data
            while len(held) >= _TOLD.size:
                pid, worker, status = _TOLD.unpack_from(held)
                held = held[_TOLD.size :]
                yield Fate(pid, worker, None) if worker >= 0 else Fate(pid, None, status)

    def end(self) -> None:
        """Let it go, and see it gone. Blocks for no longer than an exit takes."""
        self._control.close()
        os.kill(self.pid, signal.SIGCONT)  # whoever stopped it is not to stop us
        os.waitpid(self.pid, 0)


def start_zygote(work: Work) -> Zygote:
    """Fork it, before this process has a loop or a thread. `work(worker, end)` is a worker's life: its exit code."""
    ours, theirs = socket.socketpair()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        theirs.close()
        return Zygote(pid, ours)
    ours.close()
    _alone(lambda: _live(theirs, work))


def _alone(life: Callable[[], int]) -> NoReturn:
    """A forked process: whatever happens in it, nothing of the program it was forked from goes on."""
    code = 1
    try:
        code = life()
    except BaseException:  # the process ends here, and says why
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _live(control: socket.socket, work: Work) -> int:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, lambda number, frame: _reap(control))
    gc.collect()
    gc.freeze()  # what is there stays there: collections of the workers need not touch, and copy, its pages
    while True:
        try:
            asked, ends, _, _ = socket.recv_fds(control, _ASKED.size, 1)
        except ConnectionResetError:  # the parent went without hearing of every fate
            return 0
        if not asked:
            return 0
        (worker,) = _ASKED.unpack(asked)
        pid = os.fork()
        if not pid:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            control.close()
            _alone(lambda: work(worker, socket.socket(fileno=ends[0])))  # noqa: B023  # called at once
        os.close(ends[0])
        _tell(control, pid, worker, 0)


def _reap(control: socket.socket) -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not pid:
            return
        _tell(control, pid, -1, status)


def _tell(control: socket.socket, pid: int, worker: int, status: int) -> None:
    try:
        control.sendall(_TOLD.pack(pid, worker, status))
    except OSError:
        os._exit(0)  # the parent is gone
