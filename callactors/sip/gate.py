"""Who may open something here: asked for every new request outside a dialog, before anything of it is remembered.

- Only a packet's source counts (`trunk_of` of the endpoint), then a digest; never what a header claims.
- A trunk's own address is never banned, only slowed, with one alarm: UDP sources are forged. A stranger is heard only
  where a trunk without `from` is known by its digest, and then as any other: 401, whoever the user is.
- A nonce is our HMAC over the time and whom it was made for (RFC 7616 section 5.4): nothing is remembered of whoever
  only asked, and a failed digest counts only with a nonce that its sender must have received from us.
- What is urgent (an emergency call) passes rates and caps, never the digest.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Callable, Mapping
from random import Random

import msgspec

from callactors.errors import MalformedMessage
from callactors.sip import auth
from callactors.sip.address import Hop
from callactors.sip.headers import name_addr
from callactors.sip.message import Request
from callactors.sip.nonce import Nonces
from callactors.sip.rate import Rate
from callactors.sip.watch import Watch

RETRY_AFTER = ("Retry-After", "5")  # seconds, with a 503
RECOUNT = 0.05  # seconds


class Pass(msgspec.Struct, frozen=True):
    """Take it, as this trunk's."""

    trunk: str


class Challenge(msgspec.Struct, frozen=True):
    """Answer 401 without a transaction, with these headers."""

    headers: tuple[tuple[str, str], ...]
    status: int = 401


class Refuse(msgspec.Struct, frozen=True):
    """Answer `status` without a transaction; `why` is the counter."""

    status: int
    why: str
    headers: tuple[tuple[str, str], ...] = ()


class Drop(msgspec.Struct, frozen=True):
    """Silence; `why` is the counter."""

    why: str


Verdict = Pass | Challenge | Refuse | Drop


class Door(msgspec.Struct, frozen=True, kw_only=True):
    """What one trunk's INVITEs must bear. `roaming`: it has no addresses, the digest alone tells who it is."""

    user: str
    password: str
    realm: str = "callactors"
    algorithms: tuple[str, ...] = auth.OFFERED
    roaming: bool = False

    def __repr__(self) -> str:
        return f"Door(user={self.user!r}, realm={self.realm!r}, roaming={self.roaming})"


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Rates are of one source; times are seconds. `half_open`: calls without a final response or without its ACK."""

    trunk: Rate = Rate(100.0, 200.0)  # new requests of a trunk's address
    suspect: Rate = Rate(1.0, 5.0)  # of a trunk's address that fails digest after digest
    stranger: Rate = Rate(5.0, 20.0)  # messages of anybody else, where strangers are heard
    failures: int = 5
    window: float = 60.0
    ban: float = 600.0
    half_open: int = 1_000


class Alarm(msgspec.Struct, frozen=True):
    """Told once for each run of failures: `what` is `banned` or `slowed`."""

    what: str
    host: str
    trunk: str | None


class Gate:
    """The one place that decides about new requests."""

    def __init__(
        self,
        doors: Mapping[str, Door],
        *,
        key: bytes,
        random: Random,
        limits: Limits | None = None,
        urgent: Callable[[Request, str], bool] = lambda request, trunk: False,
        alarm: Callable[[Alarm], None] = lambda alarm: None,
    ) -> None:
        """`doors` has the trunks that are challenged. `key`: 32 secret bytes of this process.

        `urgent(request, trunk)` says whether this is an emergency call. `alarm` must not block.
        """
        self._doors, self._random, self._urgent, self._alarm = dict(doors), random, urgent, alarm
        self.limits = limits = limits or Limits()
        self._nonces = Nonces(key, random)
        self._roaming = {name: door for name, door in self._doors.items() if door.roaming}
        rules = {"failures": limits.failures, "window": limits.window, "ban": limits.ban}
        self._strangers = Watch(limits.stranger, **rules)  # type: ignore[arg-type]  # one row of rules for three tables
        self._listed = Watch(limits.trunk, **rules)  # type: ignore[arg-type]  # as above
        self._suspects = Watch(limits.suspect, **rules)  # type: ignore[arg-type]  # as above
        self._full_until = float("-inf")
        self.counters: Counter[str] = Counter()

    def hears(self, source: Hop, now: float) -> bool:
        """Whether a message of somebody who is of no trunk is read at all; asked before it is parsed."""
        if not self._roaming:
            return False
        who = household(source.host)
        if self._strangers.banned(who, now):
            self.counters["banned"] += 1
            return False
        if not self._strangers.take(who, now):
            self.counters["limited"] += 1
            return False
        return True

    def ask(
        self, request: Request, source: Hop, trunk: str | None, now: float, *, half_open: Callable[[], int] = lambda: 0
    ) -> Verdict:
        """What to do with a new request of `trunk`, or of a stranger who was heard. `half_open` as in Limits.

        It is asked only of who would pass, and no more for RECOUNT seconds once there are too many: a flood of INVITEs
        must not buy a count of everything each.
        """
        verdict = self._stranger(request, source, now) if trunk is None else self._known(request, source, trunk, now)
        passes = verdict.trunk if isinstance(verdict, Pass) and request.method == "INVITE" else None
        if passes is not None and self._full(half_open, now) and not self._urgent(request, passes):
            verdict = Refuse(503, "half_open", (RETRY_AFTER,))
        if isinstance(verdict, Drop | Refuse):
            self.counters[verdict.why] += 1
        return verdict

    def sources(self) -> int:
        """Hosts remembered; bounded."""
        return len(self._strangers) + len(self._listed) + len(self._suspects)

    def _full(self, half_open: Callable[[], int], now: float) -> bool:
        if now >= self._full_until and half_open() >= self.limits.half_open:
            self._full_until = now + RECOUNT
        return now < self._full_until

    def _known(self, request: Request, source: Hop, trunk: str, now: float) -> Verdict:
        if not self._listed.take(source.host, now) and not self._urgent(request, trunk):
            return Refuse(503, "limited", (RETRY_AFTER,))
        door = self._doors.get(trunk)
        if door is None or request.method != "INVITE":
            return Pass(trunk)
        if self._listed.suspected(source.host, now) and not self._suspects.take(source.host, now):
            return Drop("slowed")
        return self._digest(request, source, {trunk: door}, trunk, now)

    def _stranger(self, request: Request, source: Hop, now: float) -> Verdict:
        inside = name_addr(request.headers.get("To") or "").tag
        if request.method != "INVITE" or inside or not self._roaming:
            return Drop("strangers")
        return self._digest(request, source, self._roaming, None, now)

    def _digest(
        self, request: Request, source: Hop, doors: Mapping[str, Door], trunk: str | None, now: float
    ) -> Verdict:
        """401 with a fresh nonce, unless the request bears a digest of one of these trunks."""
        audience = trunk or source.host
        stale = False
        for value in request.headers.all("Authorization")[:4]:
            credentials = _credentials(value)
            if credentials is None:
                continue
            fresh = self._nonces.fresh(credentials.nonce, audience, now)
            stale = stale or not fresh
            if not fresh:
                continue
            passed = _door(request, credentials, doors)
            if passed is None:
                self._failed(source.host, trunk, now)
            elif self._nonces.use(credentials.nonce, max(credentials.nc, 1), now):
                watch, who = self._watch(source.host, trunk)
                watch.forgiven(who)
                return Pass(passed)
            else:
                self.counters["replayed"] += 1
                stale = True
        self.counters["challenged"] += 1
        return self._challenge(doors, audience, stale, now)

    def _challenge(self, doors: Mapping[str, Door], audience: str, stale: bool, now: float) -> Challenge:
        nonce = self._nonces.make(audience, now)
        offered = {(door.realm, algorithm): None for door in doors.values() for algorithm in door.algorithms}
        order = list(auth.PREFERRED)
        rows = sorted(offered, key=lambda row: order.index(row[1]))
        values = (auth.Challenge(realm, nonce, algorithm, ("auth",), stale=stale) for realm, algorithm in rows)
        return Challenge(tuple(("WWW-Authenticate", str(value)) for value in values))

    def _failed(self, host: str, trunk: str | None, now: float) -> None:
        self.counters["bad_digest"] += 1
        watch, who = self._watch(host, trunk)
        if watch.failed(who, now):
            if trunk is None:
                watch.ban(who, now)
            self._alarm(Alarm("banned" if trunk is None else "slowed", host, trunk))

    def _watch(self, host: str, trunk: str | None) -> tuple[Watch, str]:
        """Where a source is remembered, and by which name."""
        return (self._strangers, household(host)) if trunk is None else (self._listed, host)


def household(host: str) -> str:
    """Whom a stranger's address is counted as: of IPv6 everybody has a whole /64 to call from (RFC 6177)."""
    if ":" not in host:
        return host
    address = ipaddress.IPv6Address(host.partition("%")[0])
    return str(address.ipv4_mapped or ipaddress.IPv6Address(int(address) >> 64 << 64))


def _credentials(value: str) -> auth.Credentials | None:
    """None for what is no digest, or not one that can be read."""
    try:
        return auth.Credentials.parse(value)
    except MalformedMessage:
        return None


def _door(request: Request, credentials: auth.Credentials, doors: Mapping[str, Door]) -> str | None:
    """The trunk whose user, realm and password made these credentials. An unknown user costs the same."""
    found: str | None = None
    for name, door in doors.items():
        known = (credentials.user, credentials.realm) == (door.user, door.realm)
        listed = credentials.algorithm.upper() in door.algorithms
        right = auth.verify(
            credentials, method=request.method, uri=request.uri, password=door.password, realm=credentials.realm,
            nonce=credentials.nonce,
        )  # fmt: skip
        if known and listed and right:
            found = name
    return found
