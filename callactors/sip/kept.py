"""Headers of an INVITE that are worth keeping in the record: who says who called, for whom, and on whose way.

Every value came from outside: control characters are shown as `?`, long text and long lists are cut, a password inside
a URI is taken out.
"""

from __future__ import annotations

import re

from callactors.sip.message import Request

KEPT = (
    "Diversion", "History-Info", "P-Asserted-Identity", "P-Preferred-Identity", "Privacy", "Remote-Party-ID",
    "User-to-User", "Referred-By", "Replaces", "Reason", "Subject", "User-Agent", "P-Charging-Vector", "P-Charge-Info",
    "Geolocation", "Identity", "X-Twilio-CallSid",
)  # fmt: skip
LONGEST = 500  # characters of one header
MOST = 8  # values of one name
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\udc80-\udcff]")
_PASSWORD = re.compile(r"(\bsips?:[^\s:@<>\"]{1,256}):[^\s@<>\"]{1,256}@", re.IGNORECASE)


def kept(request: Request) -> dict[str, str]:
    """Name -> value, several values of one name with `, ` between them; only headers that are there."""
    found: dict[str, str] = {}
    for name in KEPT:
        values = request.headers.all(name)[:MOST]
        if values:
            found[name] = _safe(", ".join(values))
    return found


def _safe(text: str) -> str:
    clean = _PASSWORD.sub(r"\1:[redacted]@", _CONTROL.sub("?", text))
    return clean if len(clean) <= LONGEST else clean[: LONGEST - 3] + "..."
