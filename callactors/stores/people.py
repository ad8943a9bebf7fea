"""How a person is recognised: by the last ten digits of a number, or by a name without case and spare spaces."""

from __future__ import annotations

LONGEST = 200  # characters of a name


def phone_key(phone: str | None) -> str | None:
    """The same for "+44 20 7946 0958" and "020 7946 0958"; None for text without digits."""
    digits = "".join(character for character in (phone or "")[:100] if character.isascii() and character.isdigit())
    return digits[-10:] or None


def name_key(name: str | None) -> str:
    """A name for comparison; empty when there is none."""
    return " ".join((name or "")[:LONGEST].casefold().split())


def tidy(text: str | None, longest: int = LONGEST) -> str:
    """Text fit to store and to speak: bounded, printable, single spaces."""
    kept = "".join(character if character.isprintable() else " " for character in (text or "")[: longest * 2])
    return " ".join(kept.split())[:longest]
