"""What a call's events say of its recording, as one mapping. The kinds are those of actors/recorder and calls/archive.

- `recording` has path, format, rate and encrypted: the file begins, or has become another one (converted).
- `recording_ended` has seconds, paused ([[from, to], ...] in seconds of the file), and sounds_lost if a disk was slow.
- `recording_failed` has an error, `recording_deleted` path and keep_days.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

Facts = dict[str, Any]
_TELLS = {
    "recording": ("path", "format", "rate", "encrypted"),
    "recording_ended": ("seconds", "paused", "sounds_lost"),
    "recording_failed": ("error",),
}


def recording_facts(events: Iterable[Facts]) -> Facts | None:
    """Of events in their order; None when nothing was recorded. `deleted` is when it was, `path` where it is."""
    facts: Facts = {}
    for event in events:
        body = event["body"] if isinstance(event["body"], dict) else {"path": str(event["body"])}
        for name in _TELLS.get(event["kind"], ()):
            if name in body:
                facts[name] = body[name]
        if event["kind"] == "recording_deleted":
            facts["deleted"] = event["at"]
    return facts or None
