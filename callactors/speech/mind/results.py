"""A tool's output as the mind understands it: what tools/result.py says a tool may return, or plain text.

Plain text that is not JSON is a failure told by the executor; where it is written for machines it is not spoken.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import attrs

from callactors.speech.mind.wording import BROKE, shortened

FOR_MACHINES = re.compile(r"_|[{}<>]|\bError\b|\n|took longer than")


@attrs.frozen
class Result:
    """What came back."""

    ok: bool
    say: str
    mend: tuple[str, ...] = ()  # arguments to ask again
    offers: Mapping[str, list[str]] = attrs.field(factory=dict)  # argument -> values that would do
    then: str | None = None  # the tool that usually follows


def read_result(output: str) -> Result:
    """Never fails: an output nobody can read is one that didn't work."""
    try:
        value: Any = json.loads(output)
    except (ValueError, RecursionError):
        return Result(ok=False, say=_audible(output))
    if isinstance(value, str):
        return Result(ok=True, say=shortened(value))
    if not isinstance(value, dict):
        return Result(ok=True, say="")
    ok = bool(value.get("ok", "error" not in value))
    said = value.get("say") or value.get("error") or value.get("message") or ""
    return Result(
        ok=ok,
        say=shortened(str(said)) if ok else _audible(str(said)),
        mend=tuple(str(name) for name in _listed(value.get("mend"))),
        offers=_offers(value.get("offers")),
        then=str(value["then"]) if value.get("then") else None,
    )


def _audible(text: str) -> str:
    return BROKE if not text.strip() or FOR_MACHINES.search(text) else shortened(text)


def _offers(value: Any) -> dict[str, list[str]]:
    if not isinstance(value, dict):
        return {}
    return {str(name): [str(offer) for offer in _listed(offers)] for name, offers in value.items()}


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]
