"""Whose number is this: exact numbers, ranges, patterns and `*`, in the order of the file; the first match wins.

- The called number is the user part of the Request-URI; visual separators (RFC 3966 section 5.1.1) do not count, a
  carrier that leaves the plus of E.164 out is understood, and so is what is dialled the way the trunk's country does.
- There is no default: a number nobody serves is 404, no_route. Thousands of exact numbers cost one look-up.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

import attrs
import msgspec

from callactors.routing.e164 import normalise

ANY = "*"
WIDEST = 1_000_000  # numbers of one range or pattern: what is wider is a default route
_SEPARATORS = re.compile(r"[-.() ]")
_NUMBER = re.compile(r"\+?[0-9*#]+")
_RANGE = re.compile(r"(\+[0-9]{3,15}) ?- ?(\+[0-9]{3,15})")
_PATTERN = re.compile(r"\+?[0-9]*x[0-9x]*")

IsOpen = Callable[[str], bool]  # whether a `when` holds now


class Number(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line of `numbers`: a number on a trunk, and the scenario that answers it; or a `file` of such lines.

    `language` None is the scenario's first. `when` is "always", a name of `hours`, or "not " and a name.
    """

    match: str = ""
    trunk: str = ""
    scenario: str = ""
    language: str | None = None
    when: str = "always"
    file: str | None = None  # CSV: number,trunk,scenario,language,when; the other keys are what its cells leave out


@attrs.frozen
class Plan:
    """Every number of a configuration, indexed. `Plan.of` makes one."""

    _exact: Mapping[tuple[str, str], list[tuple[int, Number]]]
    _wide: Mapping[str, list[tuple[int, Number, Callable[[str], object]]]]
    _countries: Mapping[str, str | None]

    @classmethod
    def of(cls, numbers: Iterable[Number], countries: Mapping[str, str | None]) -> Plan:
        """`countries` are the trunks': how what they send was dialled."""
        exact: dict[tuple[str, str], list[tuple[int, Number]]] = {}
        wide: dict[str, list[tuple[int, Number, Callable[[str], object]]]] = {}
        for position, entry in enumerate(numbers):
            serves = matcher(entry.match)
            if serves is not None:
                wide.setdefault(entry.trunk, []).append((position, entry, serves))
                continue
            for form in written(entry.match, countries.get(entry.trunk)):
                exact.setdefault((entry.trunk, form), []).append((position, entry))
        return cls(exact, wide, countries)

    def find(self, called: str, trunk: str, is_open: IsOpen = lambda when: True) -> Number | None:
        """The first entry that serves `called` on `trunk` at this hour; None is 404, no_route."""
        return next((entry for _, entry in self.all(called, trunk) if is_open(entry.when)), None)

    def all(self, called: str, trunk: str) -> list[tuple[int, Number]]:
        """Every entry that names `called`, whenever it holds, with its position in the file."""
        dialled = forms(called, self._countries.get(trunk))
        found = {position: entry for form in dialled for position, entry in self._exact.get((trunk, form), ())}
        wide = self._wide.get(trunk, ())
        found |= {position: entry for position, entry, serves in wide if any(serves(form) for form in dialled)}
        return sorted(found.items(), key=lambda item: item[0])


def written(match: str, country: str | None) -> tuple[str, ...]:
    """What an exact number of the file is known by: as it stands there, and as E.164."""
    bare = plain(match)
    return tuple(dict.fromkeys((bare, normalise(bare, country) or bare)))


def forms(dialled: str, country: str | None) -> tuple[str, ...]:
    """Every way the file may have written what was dialled; a carrier may have left the plus out."""
    bare = plain(dialled)
    plus = f"+{bare}" if bare.isascii() and bare.isdigit() else bare
    return tuple(dict.fromkeys((*written(bare, country), plus)))


def matcher(match: str) -> Callable[[str], object] | None:
    """What tells whether a form of a number is meant by a `*`, range or pattern; None for an exact number."""
    if match == ANY:
        return lambda form: True
    if ends := _RANGE.fullmatch(match.strip()):
        return _between(ends[1], ends[2])
    if _PATTERN.fullmatch(bare := _SEPARATORS.sub("", match)):
        return re.compile(bare.replace("+", r"\+").replace("x", "[0-9]")).fullmatch
    return None


def width(match: str) -> int:
    """How many numbers a match names; 0 for a range that ends before it begins, or whose ends differ in length."""
    if ends := _RANGE.fullmatch(match.strip()):
        same = len(ends[1]) == len(ends[2])
        return max(0, int(ends[2]) - int(ends[1]) + 1) if same else 0
    bare = _SEPARATORS.sub("", match)
    return int(10 ** bare.count("x")) if _PATTERN.fullmatch(bare) else 1


def _between(low: str, high: str) -> Callable[[str], object]:
    return lambda form: len(form) == len(low) and form[0] == "+" and form[1:].isdigit() and low <= form <= high


def plain(called: str) -> str:
    """A number as it is compared: without separators; anything that is no phone number stays as it is."""
    bare = _SEPARATORS.sub("", called)
    return bare if _NUMBER.fullmatch(bare) else called


def without_parameters(user: str) -> str:
    """A number without what RFC 3966 hangs behind it (`;npdi`, `;cpc=ordinary`); a name keeps its semicolons."""
    number, _, _ = user.partition(";")
    return number if _NUMBER.fullmatch(_SEPARATORS.sub("", number)) else user
