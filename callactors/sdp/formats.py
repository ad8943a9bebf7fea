"""Payload numbers and what they mean: the codecs and telephone events of one m= line, read and written. Rules:

- A codec is a record in ENCODINGS; static numbers are those of RFC 3551 table 4, dynamic ones what a=rtpmap says.
- Telephone events run on the clock of the audio beside them (RFC 4733 section 2.1): of several, that one is agreed on.
- A number once given to a format keeps it for the session (RFC 3264 section 8.3.2).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Literal

import attrs

from callactors.sdp.description import Attributes, Media

CodecName = Literal["pcmu", "pcma", "opus", "g722"]

TELEPHONE_EVENT = 101  # the number we offer for 8 kHz; theirs may be any
SHOWN = 8  # names of a refused offer that are told
_NAME = re.compile(r"[A-Za-z0-9._+-]{1,24}(/[0-9]{1,6}){0,2}")
_DYNAMIC = range(96, 128)


@attrs.frozen
class Encoding:
    """How a codec is written. `fmtp` is what we say of ourselves, `ptimes` the milliseconds one packet may have."""

    rtpmap: str
    number: int  # what we offer
    clock: int
    fmtp: str = ""
    ptimes: tuple[int, ...] = (10, 20, 30, 40, 50, 60)
    also: tuple[str, ...] = ()  # other ways to write it


ENCODINGS: dict[CodecName, Encoding] = {
    "pcmu": Encoding("PCMU/8000", 0, 8_000, also=("PCMU/8000/1",)),
    "pcma": Encoding("PCMA/8000", 8, 8_000, also=("PCMA/8000/1",)),
    "g722": Encoding("G722/8000", 9, 8_000, also=("G722/8000/1",)),  # 16 kHz; the clock is a mistake kept (RFC 3551)
    "opus": Encoding(
        "opus/48000/2",  # always these two numbers (RFC 7587 section 7)
        111,
        48_000,
        "useinbandfec=1;maxplaybackrate=24000;sprop-maxcapturerate=24000",
        ptimes=(10, 20, 40, 60),  # the lengths of one frame
        also=("OPUS/48000",),
    ),
}
EVENT_NUMBERS = {8_000: TELEPHONE_EVENT, 48_000: 110}
_STATIC = {
    0: "PCMU/8000",
    3: "GSM/8000",
    4: "G723/8000",
    8: "PCMA/8000",
    9: "G722/8000",
    13: "CN/8000",
    15: "G728/8000",
    18: "G729/8000",
}
_CODEC_OF = {text.upper(): name for name, encoding in ENCODINGS.items() for text in (encoding.rtpmap, *encoding.also)}


@attrs.frozen
class Event:
    """The payload number of telephone events (None: there are none) and their clock."""

    number: int | None
    clock: int


@attrs.frozen
class Formats:
    """What the payload numbers of one m= line mean.

    `codecs` are ours in the line's order, with their numbers; `fmtp` is what the line says of them; `events` are the
    numbers of telephone events by clock; `others` are codecs that are none of ours.
    """

    codecs: dict[CodecName, int] = attrs.field(factory=dict)
    fmtp: dict[CodecName, str] = attrs.field(factory=dict)
    events: dict[int, int] = attrs.field(factory=dict)
    others: tuple[str, ...] = ()

    @classmethod
    def read(cls, media: Media) -> Formats:
        found = cls()
        parameters = _numbered(media.attributes, "fmtp")
        others: list[str] = []
        for number, encoding in _encodings(media).items():
            codec = _CODEC_OF.get(encoding)
            event = encoding.removeprefix("TELEPHONE-EVENT/") if encoding.startswith("TELEPHONE-EVENT/") else ""
            if codec is not None:
                if found.codecs.setdefault(codec, number) == number:
                    found.fmtp[codec] = parameters.get(str(number), "")
            elif event in ("8000", "48000"):
                found.events.setdefault(int(event), number)
            elif not encoding:
                others.append(f"{number} without a=rtpmap")
            elif not event and _NAME.fullmatch(encoding) and not encoding.startswith("CN/"):
                others.append(encoding)
        return attrs.evolve(found, others=tuple(others))

    def event(self, codec: CodecName) -> Event:
        """The telephone events to use beside a codec: on its clock, or, better than none, on any."""
        clock = ENCODINGS[codec].clock
        if clock not in self.events:
            clock = next(iter(self.events), clock)
        return Event(self.events.get(clock), clock)

    def only(self, codec: CodecName) -> Formats:
        """One codec and its telephone events: what an answer has."""
        event = self.event(codec)
        events = {} if event.number is None else {event.clock: event.number}
        return Formats({codec: self.codecs[codec]}, {}, events)

    def shared(self, other: Formats) -> Formats:
        """These, with only those telephone events that the other line has too."""
        return attrs.evolve(self, events={clock: at for clock, at in self.events.items() if clock in other.events})

    def names(self) -> list[str]:
        """Every codec of the line, as written in SDP."""
        return [*(ENCODINGS[name].rtpmap for name in self.codecs), *self.others]

    def lines(self) -> tuple[tuple[str, ...], Attributes]:
        """The numbers of an m= line that offers (or accepts) these, and the attributes that explain them."""
        attributes: list[tuple[str, str | None]] = []
        for codec, number in self.codecs.items():
            encoding = ENCODINGS[codec]
            attributes.append(("rtpmap", f"{number} {encoding.rtpmap}"))
            if encoding.fmtp:
                attributes.append(("fmtp", f"{number} {encoding.fmtp}"))
        for clock, number in self.events.items():
            attributes += [("rtpmap", f"{number} telephone-event/{clock}"), ("fmtp", f"{number} 0-15")]
        return tuple(str(number) for number in (*self.codecs.values(), *self.events.values())), tuple(attributes)


def to_offer(codecs: Iterable[str], *, events: bool, previous: Media | None) -> Formats:
    """What to offer, in this order; what `previous` (our own line) had a number for keeps it."""
    before = Formats() if previous is None else Formats.read(previous)
    taken = set() if previous is None else {int(text) for text in previous.formats if text.isdigit()}
    numbers = {name: _number(before.codecs.get(name), ENCODINGS[name].number, taken) for name in _ours(codecs)}
    clocks = dict.fromkeys(ENCODINGS[name].clock for name in numbers) if events else {}
    if clocks and 8_000 not in clocks:
        clocks[8_000] = None  # many a peer knows no other
    marks = {clock: _number(before.events.get(clock), EVENT_NUMBERS[clock], taken) for clock in clocks}
    return Formats(numbers, {}, marks)


def packet_time(codec: CodecName, wanted: int, longest: int) -> int:
    """The packets to send somebody who wants `wanted` milliseconds in each, and takes no more than `longest`."""
    within = [one for one in ENCODINGS[codec].ptimes if one <= min(wanted, longest)]
    return within[-1] if within else ENCODINGS[codec].ptimes[0]


def shown(names: Iterable[str]) -> str:
    """Codecs that were offered in vain, for a record."""
    unique = list(dict.fromkeys(names))
    text = ", ".join(unique[:SHOWN]) + (" and others" if len(unique) > SHOWN else "")
    return text or "no audio at all"


def _ours(codecs: Iterable[str]) -> Iterator[CodecName]:
    return (known for name in codecs for known in ENCODINGS if known == name)


def _number(kept: int | None, usual: int, taken: set[int]) -> int:
    """A number for a format: the one it had, its usual one, or the next that is free; it is taken then."""
    number = kept
    if number is None:
        number = usual if usual not in taken else next((free for free in _DYNAMIC if free not in taken), usual)
    taken.add(number)
    return number


def _encodings(media: Media) -> dict[int, str]:
    """Every usable payload number with the encoding it stands for, in capitals; "" where that is not said."""
    mapped = _numbered(media.attributes, "rtpmap")
    numbers = [int(text) for text in media.formats if text.isascii() and text.isdigit() and len(text) <= 3]
    return {number: mapped.get(str(number), _STATIC.get(number, "")).upper() for number in numbers if _is_type(number)}


def _numbered(attributes: Attributes, name: str) -> dict[str, str]:
    """The attributes of a name that begin with a payload number, by it; the last one counts."""
    found = (value.replace("\t", " ").partition(" ") for known, value in attributes if known == name and value)
    return {number: text.strip(" ") for number, _, text in found}


def _is_type(number: int) -> bool:
    """0..127 without the numbers that read as RTCP (RFC 5761 section 4)."""
    return 0 <= number <= 127 and not 64 <= number <= 95
