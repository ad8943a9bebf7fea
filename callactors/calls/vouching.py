"""What an inbound call's Identity is worth (RFC 8224 section 6.2), before admission decides about the call.

- A fact for the record where the trunk says `record`, a refusal where it says `require`: 428, 403, 436, 437 or 438.
- A call for help is never held up by it. Verification is bounded: a certificate out of reach is 436, not a wait.
- The number vouched for is the one we would believe: P-Asserted-Identity before From; the callee is To (section 4).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import attrs
import trio
from cryptography import x509

from callactors.calls.contain import contain
from callactors.calls.offered import Vouched, asserted
from callactors.config import Config
from callactors.config.trunk_schema import Identity
from callactors.errors import BadIdentity, MalformedMessage, Unusable
from callactors.net.identity_certificates import IdentityCertificates
from callactors.routing.e164 import normalise
from callactors.sip.events import Invited
from callactors.sip.headers import Headers, name_addr
from callactors.sip.identity import Verified, check_freshness, number_of, read, verify
from callactors.sip.identity_chain import signing_key

MOST = 4  # Identity headers of one call that are looked at


@attrs.frozen
class Rule:
    """How one trunk's calls are verified."""

    required: bool
    anchors: tuple[x509.Certificate, ...]
    certificates: IdentityCertificates
    country: str | None


@attrs.define(eq=False)
class Vouching:
    """Verifies, then hands the INVITE on. `wall()` is seconds since 1970, `urgent` knows a call for help."""

    rules: dict[str, Rule]
    wall: Callable[[], float]
    urgent: Callable[[Invited], bool]
    admit: Callable[[Invited, Vouched | None], None]
    _nursery: trio.Nursery | None = None

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Verify what comes, side by side, until cancelled; how many at once the endpoint's half-open limit says."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            task_status.started()
            try:
                await trio.sleep_forever()
            finally:
                self._nursery = None

    def invited(self, invite: Invited) -> None:
        """A new INVITE: handed on at once where nobody asks for its Identity, or nobody can."""
        if self._nursery is None or invite.trunk not in self.rules or self.urgent(invite):
            self.admit(invite, None)
        else:
            self._nursery.start_soon(self._one, invite)

    async def _one(self, invite: Invited) -> None:
        """Whatever becomes of it, somebody decides about the call, and the next one is looked at too."""
        required = self.rules[invite.trunk].required
        vouched = Vouched("failed", problem="given up", status=436, required=required)
        broken = Vouched("failed", problem="an error of ours", status=436, required=required)
        try:
            vouched = await contain("identity", partial(self.vouch, invite), lambda error: broken)
        finally:
            self.admit(invite, vouched)

    async def vouch(self, invite: Invited) -> Vouched:
        """What its Identity is worth. Never raises for what a caller sent."""
        rule, headers = self.rules[invite.trunk], invite.request.headers
        tokens = headers.all("Identity")[:MOST]
        if not tokens:
            return Vouched("none", problem="no Identity", status=428, required=rule.required)
        problem: tuple[int, str] | None = None
        for token in tokens:
            try:
                found = await self._verified(token, headers, rule)
            except BadIdentity as error:
                problem = problem or (error.status, error.problem)
            else:
                return Vouched("passed", found.attest, found.origid, required=rule.required)
        status, text = problem or (438, "")
        return Vouched("failed", problem=text, status=status, required=rule.required)

    async def _verified(self, token: str, headers: Headers, rule: Rule) -> Verified:
        """Raises BadIdentity. What is stale or unreadable is known before anything is fetched for it."""
        passport, date, wall = read(token), headers.get("Date"), self.wall()
        check_freshness(passport.claims.iat, date, wall)
        orig = _caller(headers, rule.country)
        chain = await rule.certificates.chain(passport.info)
        key = signing_key(chain, rule.anchors, orig, wall)
        return verify(passport, key, orig=orig, dest=_number(headers.get("To"), rule.country), date=date, wall=wall)


def load_rules(config: Config) -> dict[str, Rule]:
    """The rule of each trunk that verifies. Reads anchor files; raises Unusable."""
    rules: dict[str, Rule] = {}
    for name, trunk in config.trunks.items():
        settings = trunk.identity
        if settings is not None and settings.verify != "off":
            required = settings.verify == "require"
            certificates = IdentityCertificates(settings.hosts)
            rules[name] = Rule(required, _anchors(name, settings), certificates, trunk.country)
    return rules


def _anchors(trunk: str, settings: Identity) -> tuple[x509.Certificate, ...]:
    path = settings.anchors or ""
    try:
        return tuple(x509.load_pem_x509_certificates(Path(path).read_bytes()))
    except (OSError, ValueError) as error:
        raise Unusable(f"trunks.{trunk}.identity.anchors: {path} cannot be used: {error}") from error


def _caller(headers: Headers, country: str | None) -> str:
    numbers = (_number(text, country) for text in (*asserted(headers), headers.get("From")))
    return next((number for number in numbers if number), "")


def _number(text: str | None, country: str | None) -> str:
    """The canonical number of a header, as E.164 where the trunk's country tells how."""
    try:
        uri = name_addr(text or "").uri
    except MalformedMessage:
        return ""
    number = number_of(uri)
    plus = "+" if "+" in str(uri).partition("@")[0] else ""
    full = normalise(plus + number, country) if number else None
    return full.lstrip("+") if full is not None else number
