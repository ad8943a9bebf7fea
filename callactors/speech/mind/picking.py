"""Picking: which tool, or which colleague, an utterance is for.

A candidate is described by sentences: name and description, its parameters, and the `Callers say:` examples that a
description may end with. The score is the injected `rank` (a sentence encoder, or `shared_words`), plus words shared,
plus a little for every slot the utterance fills. Nothing shared and nothing near is nobody's: a miss.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any

import attrs

from callactors.speech.mind import intents
from callactors.speech.mind.dates import WEEKDAYS
from callactors.speech.mind.slots import PERSONAL, Slot, read, slots_of
from callactors.speech.mind.words import STOPWORDS, TENS, UNITS, tokens

Rank = Callable[[str, list[str]], list[float]]

HAND_OVER, TRANSFER, ANSWER, END = "hand_over", "transfer_to_human", "answer_question", "end_call"
COLLECT = "collect_digits"  # nothing a caller could ask for
IGNORED = frozenset(
    (*STOPWORDS, *UNITS, *TENS, *WEEKDAYS, "today", "tomorrow", "am", "pm", "oclock", "name", "phone", "number")
)
EXAMPLES = re.compile(r"callers say:", re.IGNORECASE)
PER_SLOT = 0.12
OWN = 0.05  # for one's own tool over a colleague
ENOUGH = 0.2  # of shared words
NEAR = 0.5  # of the encoder's similarity, where no word is shared
SAME = {
    "appointments": "appointment", "reservation": "appointment", "booking": "appointment", "bookings": "appointment",
    "slot": "appointment", "reserve": "book", "schedule": "book", "booked": "book", "cost": "price", "charge": "price",
    "fee": "price", "much": "price", "expensive": "price", "hour": "open", "opening": "open", "closing": "open",
    "close": "open", "available": "free", "availability": "free", "reschedule": "change", "move": "change",
    "canceled": "cancel", "cancelled": "cancel", "cancelling": "cancel", "canceling": "cancel",
}  # fmt: skip


def _bare(word: str) -> str:
    """`reserves`, `reserved`, `reserving`, `reserve` -> `reserv`."""
    for ending in ("ings", "ing", "ed", "es", "s", "e"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word.removesuffix(ending)
    return word


ALIKE = {_bare(word): _bare(other) for word, other in SAME.items() if _bare(word) != "book"}  # to book, a booking


@attrs.frozen
class Job:
    """One tool of the session as the mind sees it."""

    name: str
    description: str
    slots: tuple[Slot, ...]

    @classmethod
    def of(cls, schema: Mapping[str, Any]) -> Job:
        """From a session's tool: `name`, `description`, `parameters`."""
        parameters = schema.get("parameters") or {}
        return cls(str(schema.get("name", "")), str(schema.get("description") or ""), slots_of(parameters))

    def slot(self, name: str | None) -> Slot | None:
        """The slot of this name."""
        return next((slot for slot in self.slots if slot.name == name), None)


_WHEN = (Slot("day", "date", "", False), Slot("time", "time", "", False))


@attrs.frozen
class Pick:
    """A tool to use; for hand_over, `to` is the colleague."""

    job: Job
    score: float
    to: str | None = None


def pick(text: str, jobs: Sequence[Job], rank: Rank, now: datetime, *, hand_over: bool = True) -> Pick | None:
    """The best candidate for the utterance, or None when nothing fits.

    A question about the house goes to its notes; so does one that nobody else can take.
    """
    answers = next((job for job in jobs if job.name == ANSWER), None)
    if answers and intents.asks_facts(text) and not read(_WHEN, text, now).values:
        return Pick(answers, 1.0)
    best = _best(text, jobs, rank, now, hand_over)
    return best or (Pick(answers, ENOUGH) if answers and intents.is_question(text) else None)


def _best(text: str, jobs: Sequence[Job], rank: Rank, now: datetime, hand_over: bool) -> Pick | None:
    candidates = _candidates(jobs, hand_over)
    documents = [document for _, _, documents in candidates for document in documents]
    if not documents:
        return None
    scores = _scores(text, documents, rank)
    best: Pick | None = None
    at = 0
    for job, to, own in candidates:
        shared, likeness = max(scores[at : at + len(own)], key=lambda both: both[0] + both[1])
        at += len(own)
        extra = _extra(text, job, to, now)
        if shared < ENOUGH and likeness < NEAR and extra <= OWN:
            continue
        if best is None or shared + likeness + extra > best.score:
            best = Pick(job, shared + likeness + extra, to)
    return best


def _candidates(jobs: Sequence[Job], hand_over: bool) -> list[tuple[Job, str | None, list[str]]]:
    found: list[tuple[Job, str | None, list[str]]] = []
    for job in jobs:
        if job.name == HAND_OVER:
            found += [(job, name, documents) for name, documents in colleagues(job).items() if hand_over]
        elif job.name not in (TRANSFER, END, COLLECT):
            found.append((job, None, _documents(job)))
    return found


def colleagues(job: Job) -> dict[str, list[str]]:
    """The specialists a hand_over names, each with the sentences that say what they do."""
    slot = next((slot for slot in job.slots if slot.choices), None)
    if slot is None:
        return {}
    described: dict[str, list[str]] = {}
    for name in slot.choices:
        others = "|".join(re.escape(other) for other in slot.choices)
        said = re.search(rf"\b{re.escape(name)}: (.*?)(?=\s(?:{others}): |$)", slot.description, re.DOTALL)
        described[name] = _sentences(name, said[1] if said else "")
    return described


def _documents(job: Job) -> list[str]:
    parameters = " ".join(f"{slot.name} {' '.join(slot.choices)}" for slot in job.slots if slot.kind not in PERSONAL)
    documents = _sentences(job.name.replace("_", " "), job.description)
    return [f"{documents[0]} {parameters}", *documents[1:]]


def _sentences(name: str, description: str) -> list[str]:
    """The description, then each of the examples after `Callers say:`."""
    what, *rest = EXAMPLES.split(description, maxsplit=1)
    examples = re.split(r"[;?]", rest[0]) if rest else []
    together = [f"{name} {description}"] if rest else []
    return [f"{name} {what}".strip(), *(part.strip() for part in examples if part.strip(" .")), *together]


def _extra(text: str, job: Job, to: str | None, now: datetime) -> float:
    if to is not None:
        return 0.0
    if job.name == ANSWER:
        return OWN if intents.is_question(text) else 0.0
    telling = [slot for slot in job.slots if slot.kind in ("date", "time", "datetime", "choice")]
    return OWN + PER_SLOT * len(read(telling, text, now).values)


def _scores(text: str, documents: list[str], rank: Rank) -> list[tuple[float, float]]:
    """(words shared, likeness by `rank`) of each document."""
    return list(zip(_shared(text, documents), rank(text, documents), strict=True))


def shared_words(text: str, documents: list[str]) -> list[float]:
    """The `rank` to use where there is no sentence encoder: half of the share of the utterance's words."""
    return [score / 2 for score in _shared(text, documents)]


def _shared(text: str, documents: list[str]) -> list[float]:
    """How much of what matters in the utterance each document holds, 0 to 1; rare words count more."""
    bags = [set(_content(tokens(document))) for document in documents]
    common = Counter(word for bag in bags for word in bag)
    said = set(_content(_joined(tokens(text), common)))
    weights = {word: 1.0 / (1.0 + math.log1p(common[word])) for word in said}
    total = sum(weights.values())
    return [_share(weights, said & bag, bag) / total if total else 0.0 for bag in bags]


def _share(weights: Mapping[str, float], both: set[str], bag: set[str]) -> float:
    return sum(weights[word] for word in both) * (0.7 + 0.3 * len(both) / len(bag)) if both else 0.0


def _joined(words: list[str], known: Mapping[str, int]) -> list[str]:
    """`hair cut` -> `haircut` where a document writes it so."""
    pairs = [one + other for one, other in pairwise(words)]
    found = [pair for pair in pairs if known.get(_stem(pair))]
    parts = {part for one, other in pairwise(words) if one + other in found for part in (one, other)}
    return [word for word in words if word not in parts] + found


def _content(words: Sequence[str]) -> list[str]:
    return [_stem(word) for word in words if word not in IGNORED and word[0].isalpha()]


def _stem(word: str) -> str:
    if word in SAME:
        return _bare(SAME[word])
    stem = _bare(word)
    return ALIKE.get(stem, stem)
