"""Which of many sockets can be read, asked 200 times a second: epoll itself, or Python's selector where there is none.

- The selector's list of keys costs as much as reading the datagrams does.
- A socket watched `once` is named once, until it is watched `again`: who reads several datagrams in one go is told of
  the first.
"""

from __future__ import annotations

import select
import selectors
import sys
from collections.abc import Iterable

MOST = 16_384  # at once; what is over waits for the next tick
ONCE = select.EPOLLIN | select.EPOLLONESHOT if sys.platform == "linux" else 0


class ReadySockets:
    """Sockets by their descriptors. Calling it never waits."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector() if sys.platform != "linux" else None
        self._epoll = select.epoll() if sys.platform == "linux" else None
        self._once: set[int] = set()  # the selector's

    def __call__(self, most: int = MOST) -> Iterable[int]:
        """The descriptors of those that have something to read, `most` of them; the others come first another time."""
        if self._epoll is not None:
            return [handle for handle, _ in self._epoll.poll(0, most)]
        assert self._selector is not None  # one of the two is there
        ready = [key.fd for key, _ in self._selector.select(0)]
        for handle in self._once.intersection(ready):
            self._selector.unregister(handle)
        return ready

    def watch(self, handle: int, *, once: bool = False) -> None:
        if self._epoll is not None:
            self._epoll.register(handle, ONCE if once else select.EPOLLIN)
        elif self._selector is not None:
            self._selector.register(handle, selectors.EVENT_READ)
            if once:
                self._once.add(handle)

    def again(self, handle: int) -> None:
        """It was watched `once`, and named since."""
        if self._epoll is not None:
            self._epoll.modify(handle, ONCE)
        elif self._selector is not None:
            self._selector.register(handle, selectors.EVENT_READ)

    def forget(self, handle: int) -> None:
        if self._epoll is not None:
            self._epoll.unregister(handle)
        elif self._selector is not None and handle in self._selector.get_map():
            self._selector.unregister(handle)
        self._once.discard(handle)

    def close(self) -> None:
        for one in (self._epoll, self._selector):
            if one is not None:
                one.close()
