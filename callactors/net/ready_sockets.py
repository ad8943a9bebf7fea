"""Which of many sockets can be read, asked 200 times a second: epoll itself, or Python's selector where there is none.

The selector's list of keys costs as much as reading the datagrams does.
"""

from __future__ import annotations

import select
import selectors
import sys
from collections.abc import Iterable

MOST = 16_384  # at once; what is over waits for the next tick


class ReadySockets:
    """Sockets by their descriptors. Calling it never waits."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector() if sys.platform != "linux" else None
        self._epoll = select.epoll() if sys.platform == "linux" else None

    def __call__(self, most: int = MOST) -> Iterable[int]:
        """The descriptors of those that have something to read, `most` of them; the others come first another time."""
        if self._epoll is not None:
            return [handle for handle, _ in self._epoll.poll(0, most)]
        assert self._selector is not None  # one of the two is there
        return [key.fd for key, _ in self._selector.select(0)]

    def watch(self, handle: int) -> None:
        if self._epoll is not None:
            self._epoll.register(handle, select.EPOLLIN)
        elif self._selector is not None:
            self._selector.register(handle, selectors.EVENT_READ)

    def forget(self, handle: int) -> None:
        if self._epoll is not None:
            self._epoll.unregister(handle)
        elif self._selector is not None:
            self._selector.unregister(handle)

    def close(self) -> None:
        for one in (self._epoll, self._selector):
            if one is not None:
                one.close()
