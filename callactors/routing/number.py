"""Whose number is this: exact numbers and `*`, in the order of the file, the first match wins.

The called number is the user part of the Request-URI; visual separators (RFC 3966 section 5.1.1) do not count,
and a carrier that leaves the plus of E.164 out is understood.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

ANY = "*"
_SEPARATORS = re.compile(r"[-.() ]")
_NUMBER = re.compile(r"\+?[0-9*#]+")


class Number(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line of `numbers`: a number on a trunk, and the scenario that answers it.

    `language` None is the scenario's first. `when` is "always" for now.
    """

    match: str
    trunk: str
    scenario: str
    language: str | None = None
    when: str = "always"


def find(numbers: Iterable[Number], called: str, trunk: str) -> Number | None:
    """The first entry that serves `called` on `trunk`; None is 404, no_route."""
    dialled = plain(called)
    return next((entry for entry in numbers if entry.trunk == trunk and _serves(entry.match, dialled)), None)


def plain(called: str) -> str:
    """A number as it is compared: without separators; anything that is no phone number stays as it is."""
    bare = _SEPARATORS.sub("", called)
    return bare if _NUMBER.fullmatch(bare) else called


def without_parameters(user: str) -> str:
    """A number without what RFC 3966 hangs behind it (`;npdi`, `;cpc=ordinary`); a name keeps its semicolons."""
    number, _, _ = user.partition(";")
    return number if _NUMBER.fullmatch(_SEPARATORS.sub("", number)) else user


def _serves(match: str, dialled: str) -> bool:
    if match == ANY:
        return True
    wanted = plain(match)
    return dialled == wanted or (wanted.startswith("+") and dialled == wanted[1:])
