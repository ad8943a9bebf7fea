"""Dialogs (RFC 3261 section 12): who is talking to whom, by which route, and at which sequence number.

- `DialogId` and `DialogFacts` are frozen; `DialogFacts` is the ledger's `attempts` row, enough for a BYE after kill -9.
- `Dialog` is the living state: it numbers and builds requests and judges the order of the peer's.
- A route set is kept in the order our requests use it, strict routers (no `;lr`) included (section 12.2.1.1).
"""

from __future__ import annotations

from collections.abc import Iterable

import attrs
import msgspec

from callactors.sip.headers import Headers, NameAddr, cseq, name_addr, name_addrs
from callactors.sip.message import Request, Response
from callactors.sip.uri import SipUri, Uri, parse_uri

MAX_FORWARDS = "70"


class DialogId(msgspec.Struct, frozen=True):
    """What tells one dialog from another, from our side (RFC 3261 section 12)."""

    call_id: str
    local_tag: str
    remote_tag: str


class DialogFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A dialog as plain text and one number: what the ledger keeps. Addresses are `host:port`."""

    sip_call_id: str
    local_tag: str
    remote_tag: str
    cseq: int
    local_uri: str
    remote_uri: str
    local_address: str
    remote_address: str
    route_set: tuple[str, ...]
    remote_target: str


@attrs.define
class Dialog:
    """One dialog, early, confirmed or dying. `local_cseq` is the last number we used, `remote_cseq` the last we saw."""

    call_id: str
    local_tag: str
    remote_tag: str
    local_uri: str
    remote_uri: str
    remote_target: Uri
    route_set: tuple[NameAddr, ...] = ()
    local_cseq: int = 0
    remote_cseq: int | None = None

    @property
    def id(self) -> DialogId:
        return DialogId(self.call_id, self.local_tag, self.remote_tag)

    @classmethod
    def of_invite(cls, request: Request, local_tag: str) -> Dialog:
        """Our side of a dialog the peer opens (section 12.1.1). The request has From, To, Call-ID, CSeq and Contact."""
        headers = request.headers
        sender, to = name_addr(headers.get("From") or ""), name_addr(headers.get("To") or "")
        return cls(
            call_id=headers.get("Call-ID") or "",
            local_tag=local_tag,
            remote_tag=sender.tag or "",
            local_uri=str(to.uri),
            remote_uri=str(sender.uri),
            remote_target=name_addrs(headers, "Contact")[0].uri,
            route_set=name_addrs(headers, "Record-Route"),
            remote_cseq=cseq(headers).number,
        )

    def join(self, response: Response) -> None:
        """Our INVITE got its answer: tag, target and route set come from it (section 12.1.2)."""
        self.remote_tag = name_addr(response.headers.get("To") or "").tag or ""
        self.route_set = tuple(reversed(name_addrs(response.headers, "Record-Route")))
        self.refresh(response.headers)

    def refresh(self, headers: Headers) -> None:
        """A target refresh: requests go to the new Contact from here on (section 12.2)."""
        contacts = name_addrs(headers, "Contact")
        if contacts:
            self.remote_target = contacts[0].uri

    def in_order(self, number: int) -> bool:
        """Whether a request with this CSeq is no older than the last one; if so it is the last one now."""
        if self.remote_cseq is not None and number < self.remote_cseq:
            return False
        self.remote_cseq = number
        return True

    def next_hop(self) -> Uri:
        """Where a request goes first: the first route, else the target."""
        return self.route_set[0].uri if self.route_set else self.remote_target

    def request(
        self,
        method: str,
        via: str,
        *,
        number: int | None = None,
        headers: Iterable[tuple[str, str]] = (),
        body: bytes = b"",
    ) -> Request:
        """A request of this dialog; `number` is only for ACK, everything else takes the next CSeq."""
        if number is None:
            self.local_cseq += 1
            number = self.local_cseq
        uri, routes = self._routed()
        remote_tag = f";tag={self.remote_tag}" if self.remote_tag else ""
        items = [
            ("Via", via),
            ("Max-Forwards", MAX_FORWARDS),
            ("From", f"<{self.local_uri}>;tag={self.local_tag}"),
            ("To", f"<{self.remote_uri}>{remote_tag}"),
            ("Call-ID", self.call_id),
            ("CSeq", f"{number} {method}"),
            *(("Route", route) for route in routes),
            *headers,
        ]
        return Request(method, uri, Headers(tuple(items)), body)

    def _routed(self) -> tuple[Uri, list[str]]:
        """Request-URI and Route values, by a loose or a strict first router."""
        if not self.route_set:
            return self.remote_target, []
        first, *rest = self.route_set
        if isinstance(first.uri, SipUri) and first.uri.parameter("lr") is not None:
            return self.remote_target, [str(route) for route in self.route_set]
        uri = attrs.evolve(first.uri, headers=()) if isinstance(first.uri, SipUri) else first.uri
        return uri, [*(str(route) for route in rest), f"<{self.remote_target}>"]

    def facts(self, local_address: str, remote_address: str) -> DialogFacts:
        return DialogFacts(
            sip_call_id=self.call_id,
            local_tag=self.local_tag,
            remote_tag=self.remote_tag,
            cseq=self.local_cseq,
            local_uri=self.local_uri,
            remote_uri=self.remote_uri,
            local_address=local_address,
            remote_address=remote_address,
            route_set=tuple(map(str, self.route_set)),
            remote_target=str(self.remote_target),
        )

    @classmethod
    def from_facts(cls, facts: DialogFacts) -> Dialog:
        """A dialog from the ledger. Raises MalformedMessage when a URI of it does not parse."""
        return cls(
            call_id=facts.sip_call_id,
            local_tag=facts.local_tag,
            remote_tag=facts.remote_tag,
            local_uri=facts.local_uri,
            remote_uri=facts.remote_uri,
            remote_target=parse_uri(facts.remote_target),
            route_set=tuple(map(name_addr, facts.route_set)),
            local_cseq=facts.cseq,
        )
