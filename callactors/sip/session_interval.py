"""Session-Expires and Min-SE (RFC 4028 sections 4 and 5): read, or absent. What cannot be read is not there."""

from __future__ import annotations

import msgspec

from callactors.sip.headers import Headers, tokens
from callactors.sip.policy import Policy
from callactors.sip.scan import WHITE

LONGEST = 86_400 * 7  # seconds; what a header may ask for and we still count


class Interval(msgspec.Struct, frozen=True):
    """A Session-Expires: seconds, and "uac", "uas" or "" for whoever refreshes."""

    seconds: int
    refresher: str = ""


def too_small(headers: Headers, policy: Policy) -> str | None:
    """The Min-SE of our 422 to a request that wants less and knows what that means; None when it is fine."""
    interval, least = read_session_expires(headers), policy.min_se
    if interval is None or interval.seconds >= least or "timer" not in options(headers):
        return None
    return str(least)


def read_session_expires(headers: Headers) -> Interval | None:
    """The Session-Expires, or None where there is none that can be read."""
    value, *parameters = (headers.get("Session-Expires") or "").split(";")
    seconds = read_seconds(value)
    if seconds is None:
        return None
    given = (part.partition("=") for part in parameters[:16])
    named = {name.strip(WHITE).lower(): text.strip(WHITE).lower() for name, _, text in given}
    refresher = named.get("refresher", "")
    return Interval(seconds, refresher if refresher in ("uac", "uas") else "")


def read_seconds(text: str | None) -> int | None:
    digits = (text or "").partition(";")[0].strip(WHITE)
    if not digits.isascii() or not digits.isdigit() or len(digits) > 9 or int(digits) == 0:
        return None
    return min(int(digits), LONGEST)


def options(headers: Headers) -> set[str]:
    return {tag.lower() for name in ("Supported", "Require") for tag in tokens(headers, name)}
