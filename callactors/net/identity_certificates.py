"""The certificates that x5u names: fetched once, kept for a while, never more than a few.

- One fetch of one URL at a time; a failure is remembered too, so that a flood of one bad Identity costs one fetch.
- At most MAX_FETCHES run at once; beyond that the certificate counts as out of reach (436).
"""

from __future__ import annotations

import ssl
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection

import attrs
import trio
from cryptography import x509

from callactors.errors import BadIdentity, NotFetched
from callactors.net.http import Fetched, fetch
from callactors.net.offload import in_thread
from callactors.sip.identity_chain import read_pem

MAX_KEPT = 200
MAX_FETCHES = 8
KEPT, LONGEST, AFTER_FAILURE = 3_600.0, 86_400.0, 60.0  # seconds

Fetch = Callable[[str], Awaitable[Fetched]]
Chain = tuple[x509.Certificate, ...]


@attrs.define(eq=False)
class _Entry:
    """One URL: being fetched until `done` is set, then a chain or a problem."""

    done: trio.Event = attrs.field(factory=trio.Event)
    until: float = float("inf")
    chain: Chain = ()
    problem: tuple[int, str] | None = None  # of a BadIdentity


class IdentityCertificates:
    """A cache of chains by URL."""

    def __init__(self, hosts: Collection[str], *, context: ssl.SSLContext | None = None, fetch: Fetch | None = None):
        """`hosts` may be asked; `fetch` takes the place of the network."""
        self._hosts = frozenset(hosts)
        self._context = context  # the system's, read once for all fetches, else
        self._fetch = fetch or self._get
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._fetching = 0
        self.fetches = 0  # since the start

    def kept(self) -> int:
        """URLs remembered; bounded."""
        return len(self._entries)

    async def chain(self, url: str) -> Chain:
        """The certificates at `url`, the signer's first. Raises BadIdentity: 436 out of reach, 437 unreadable."""
        entry = self._entries.get(url)
        if entry is None or entry.until <= trio.current_time():
            entry = await self._load(url)
        else:
            await entry.done.wait()
        if entry.problem is not None:
            raise BadIdentity(*entry.problem)
        return entry.chain

    async def _load(self, url: str) -> _Entry:
        if self._fetching >= MAX_FETCHES:
            raise BadIdentity(436, "too many certificates are being fetched")
        entry = self._entries[url] = _Entry()
        self._entries.move_to_end(url)
        while len(self._entries) > MAX_KEPT:
            self._entries.popitem(last=False)
        self._fetching, self.fetches = self._fetching + 1, self.fetches + 1
        try:
            await self._fill(entry, url)
        finally:
            self._fetching -= 1
            if not entry.done.is_set():  # cancelled: whoever waits is told, whoever comes next tries again
                entry.problem, entry.until = (436, "given up"), 0.0
                entry.done.set()
        return entry

    async def _fill(self, entry: _Entry, url: str) -> None:
        keep = AFTER_FAILURE
        try:
            fetched = await self._fetch(url)
            entry.chain = read_pem(fetched.body)
            keep = min(fetched.max_age if fetched.max_age is not None else KEPT, LONGEST)
        except NotFetched as error:
            entry.problem = 436, str(error)
        except BadIdentity as error:
            entry.problem = error.status, error.problem
        entry.until = trio.current_time() + max(keep, AFTER_FAILURE)
        entry.done.set()

    async def _get(self, url: str) -> Fetched:
        if self._context is None:
            self._context = await in_thread(ssl.create_default_context)
        return await fetch(url, hosts=self._hosts, context=self._context)
