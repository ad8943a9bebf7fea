"""A number as the whole world writes it (E.164), from the way one country dials it. Row 1: a table, no look-up.

- What begins with a plus is taken by its length alone: a range opened yesterday is in nobody's table.
- National forms, trunk prefixes (0, 1) and international prefixes (00, 011) are the country's own.
- A short code or an extension (911, 100) is no E.164 number: None, and whoever asks keeps it as it was dialled.
"""

from __future__ import annotations

import re

import phonenumbers

MAX_DIALLED = 40  # characters; nobody dials more
_SEPARATORS = re.compile(r"[-.() /]")
_PLUS = re.compile(r"\+[1-9][0-9]{6,14}")
_DIGITS = re.compile(r"[0-9]{5,20}")
_ENOUGH = 7  # digits of a number that no table knows


def normalise(dialled: str, country: str | None) -> str | None:
    """`+` and digits, or None. `country` is ISO 3166 alpha-2; without one only what has its plus is understood."""
    if len(dialled) > MAX_DIALLED:
        return None
    bare = _SEPARATORS.sub("", dialled)
    if bare.startswith("+"):
        return bare if _PLUS.fullmatch(bare) else None
    if country is None or not _DIGITS.fullmatch(bare):
        return None
    return _as_dialled_in(country, bare)


def known_country(country: str) -> bool:
    """Whether numbers can be read the way this country dials them."""
    return country in phonenumbers.SUPPORTED_REGIONS


def _as_dialled_in(country: str, digits: str) -> str | None:
    try:
        number = phonenumbers.parse(digits, country)
    except phonenumbers.NumberParseException:
        return None
    known = phonenumbers.is_valid_number(number)
    if not known and not (len(digits) >= _ENOUGH and phonenumbers.is_possible_number(number)):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
