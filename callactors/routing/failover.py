"""After a try: is the call over, or does the next carrier get it? The whole table, as one function without state.

- A person who was reached is never called again; a network that failed is passed over. In doubt it was a person.
- Reason's Q.850 value is read before the SIP status: a gateway may dress a busy phone as 503, or congestion as 486.
- 401 and 407 come here only when our credentials were refused: that is between us and the trunk, no person said it.
- What no rule names (404, 403, 3xx, 604 ...) is final too: another carrier would say the same of that number.
"""

from __future__ import annotations

from typing import Literal

from callactors.routing.way import Tried

Verdict = Literal["answered", "next", "plainer", "person"]

PERSON = frozenset({17, 18, 19, 21})  # Q.850: busy, no response, no answer, rejected
NETWORK = frozenset({3, 27, 34, 38, 41, 42})  # no route, out of order, no circuit, network, failure, congestion
DESTINATION = frozenset({3, 27})  # of these, the ones that say nothing about the carrier itself
_BEFORE_RINGING = frozenset({401, 407, 408, 430, 480, 487})  # after a 18x, somebody's phone said it
_ELSEWHERE = frozenset({None, 408, 430, 503})  # None: silence, a broken transport


def verdict(tried: Tried, *, bridged: bool) -> Verdict:
    """`answered`, `next` (way), `plainer` (the same way, offering less), or `person`: the last word, whoever said it.

    `bridged`: a person, not our agent, hears this leg's early media.
    """
    if tried.answered:
        return "answered"
    if bridged and tried.heard:
        return "person"
    if tried.q850 in PERSON:
        return "person"
    if tried.q850 in NETWORK:
        return "next"
    if tried.status == 488 and not tried.way.plainer:
        return "plainer"
    return "next" if not tried.rang and _is_network(tried.status) else "person"


def elsewhere(tried: Tried) -> bool:
    """Of a try whose verdict is `next`: whether the same trunk's next address may do better (RFC 3263 section 4.3)."""
    return tried.q850 is None and tried.status in _ELSEWHERE


def blames_trunk(tried: Tried) -> bool | None:
    """What a try says of the trunk's health: True ill, False well, None nothing."""
    if verdict(tried, bridged=False) != "next":
        return False
    if tried.q850 in DESTINATION or tried.status in (480, 487):
        return None
    return True


def _is_network(status: int | None) -> bool:
    """Silence, a broken transport, or a status the network gave."""
    return status is None or status in _BEFORE_RINGING or 500 <= status < 600
