"""Whether what was dialled is a call for help: by country, by what a PBX adds, or as `urn:service:sos` (RFC 5031).

- The country's own numbers come from phonenumbers' table of short numbers; ours adds the test routes of carriers.
- 112 and 911 are understood everywhere: a phone of another country dials them.
- Asked before anything else: before the number plan, limits, and whether we are draining.
"""

from __future__ import annotations

import re

import phonenumbers

EVERYWHERE = ("112", "911")
TESTS = {"US": ("933",), "CA": ("933",)}  # a carrier's test route: it says the address on file
OURS = {"US": "911", "CA": "911", "GB": "999", "AU": "000", "JP": "119", "NZ": "111", "CN": "120"}
SOS = "urn:service:sos"
_SEPARATORS = re.compile(r"[-.() ]")


def emergency_number(dialled: str, country: str | None, extra: tuple[str, ...] = ()) -> str | None:
    """The number to dial for help ("911", "933", "112"), or None for any other call.

    `dialled` is a user part or a whole `urn:service:sos.fire`; `extra` are a site's own strings: "9911" means 911.
    """
    if _is_sos(dialled):
        return OURS.get(country or "", "112")
    bare = _SEPARATORS.sub("", dialled)
    if bare in {_SEPARATORS.sub("", own) for own in extra}:
        return _without_prefix(bare, country)
    short = bare.removeprefix("+")
    return _short(short, country) if len(short) <= 6 else None


def _is_sos(dialled: str) -> bool:
    name = dialled.lower()
    return name == SOS or name.startswith(SOS + ".")


def _short(digits: str, country: str | None) -> str | None:
    if not (digits.isascii() and digits.isdigit()):
        return None
    if digits in EVERYWHERE or digits in TESTS.get(country or "", ()):
        return digits
    if country is not None and phonenumbers.is_emergency_number(digits, country):
        return digits
    return _with_calling_code(digits, country)


def _with_calling_code(digits: str, country: str | None) -> str | None:
    """Some carriers send +1911."""
    code = str(phonenumbers.country_code_for_region(country)) if country is not None else "0"
    rest = digits.removeprefix(code)
    return _short(rest, country) if rest != digits and len(rest) >= 3 else None


def _without_prefix(digits: str, country: str | None) -> str:
    """What a PBX's own string means: the longest tail that is an emergency number, or all of it."""
    tails = (_short(digits[at:], country) for at in range(len(digits) - 2))
    return next((tail for tail in tails if tail is not None), digits)
