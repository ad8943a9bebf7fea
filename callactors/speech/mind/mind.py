"""The mind: hears an utterance, says a sentence or uses a tool. A table of stages (state.py), one method each.

- It knows what a Realtime model knows: instructions and tools' schemas. There is no second script.
- Before a write it reads back and waits for a yes; two misses in a row lead to a person.
- After hand_over the utterance that led there is carried on with the new tools.
- Anything but a find, list, check, get, look or answer is taken for a write: reading back once too often is cheap.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from callactors.speech.mind import intents, wording
from callactors.speech.mind.acts import Act, Say, Use
from callactors.speech.mind.choices import find_choice, spoken
from callactors.speech.mind.picking import ANSWER, END, HAND_OVER, TRANSFER, Job, Pick, Rank, pick, shared_words
from callactors.speech.mind.results import Result, read_result
from callactors.speech.mind.slots import Reading, Slot, read
from callactors.speech.mind.state import State
from callactors.speech.mind.words import ORDINALS, holds, tokens

READS = re.compile(r"^(?:find|search|list|check|get|look|show|answer|read|lookup|query)(?:_|$)")
CALLER_ID = re.compile(r"(?:caller'?s?|calling from)\b[^.\n+\d]{0,40}(\+?\d[\d ()-]{5,18}\d)", re.IGNORECASE)
MOST_MISSES = 2
MOST_SPOKEN_OVER = 3
CLEAR = 0.9  # a pick's score that lets a caller change the subject in the middle of a job
GUESSED = ("time", "date", "datetime", "choice", "phone", "integer", "name")  # what "no, four" may mean, in this order


class Mind:
    """One conversation. Acts are performed in the order they are returned."""

    def __init__(
        self,
        instructions: str = "",
        tools: Sequence[Mapping[str, Any]] = (),
        *,
        now: Callable[[], datetime],
        rank: Rank = shared_words,
    ) -> None:
        self._now, self._rank = now, rank
        self._jobs: tuple[Job, ...] = ()
        self._state = State()
        self._running: dict[str, Job] = {}  # tools that are out, by call_id
        self._requests = 0
        self._spoken_over = 0  # utterances since a tool went out
        self._wish = ""  # the utterance that began the latest job
        self._carried: str | None = None  # the utterance a hand_over carries on
        self._reconfigured = False
        self.configure(instructions, tools)

    # -- what happens to it ----------------------------------------------------------------------------------------

    def configure(self, instructions: str, tools: Sequence[Mapping[str, Any]]) -> None:
        """New instructions and tools. What is known of the caller stays."""
        self._jobs = tuple(Job.of(schema) for schema in tools)
        self._reconfigured = True
        caller = CALLER_ID.search(instructions)
        if caller:
            self._state.memory.setdefault("phone", re.sub(r"[^+\d]", "", caller[1]))
        if self._state.job and not self._job(self._state.job.name):
            self._state.drop()

    def hear(self, text: str) -> list[Act]:
        """The caller's words, a finished utterance. Nothing in it, nothing done."""
        if not tokens(text):
            return []
        if self._running and not self._wants_person(text) and self._waits(text):
            return []
        return self._urgent(text) or self._by_stage(text)

    def wake(self) -> list[Act]:
        """A turn without new words: carry on after a hand-over, or ask again what was asked last."""
        if self._carried is not None and self._reconfigured:
            return self._carry_on()
        return [] if self._running else [Say(self._question())]

    def tool_finished(self, call_id: str, output: str) -> list[Act]:
        """The output of the tool asked for by the Use of this `call_id`; any other is let go."""
        job = self._running.pop(call_id, None)
        if job is None:
            return []
        result = read_result(output)
        if job.name == HAND_OVER:
            return self._handed_over(result)
        if job.name == ANSWER:
            return self._answered(result)
        if job.name in (TRANSFER, END):
            return [] if result.ok else [Say(wording.BACK)]
        return self._succeeded(job, result) if result.ok else self._failed(job, result)

    def _waits(self, text: str) -> bool:
        """Words said while a tool is out: they join those being carried on, or wait for its result like the caller.

        A tool nobody answers for must not make us deaf: it is given up after a few utterances.
        """
        self._spoken_over += 1
        if self._spoken_over > MOST_SPOKEN_OVER:
            self._running.clear()
            self._carried = None
            return False
        if self._carried is not None:
            self._carried = f"{self._carried} {text}"
        return True

    # -- hearing ---------------------------------------------------------------------------------------------------

    def _urgent(self, text: str) -> list[Act]:
        """What counts in every stage: a wish for a person, a goodbye."""
        asked = self._asked()
        counting = asked is not None and asked.kind in ("integer", "number", "text")
        if intents.asks_machine(text):
            return [Say(f"{wording.AUTOMATED} {self._question()}")]
        if self._wants_person(text) and not counting:
            return self._transfer(text, wording.TO_A_PERSON)
        if intents.is_goodbye(text) and self._state.stage not in ("confirming", "changing"):
            return self._goodbye()
        return []

    def _by_stage(self, text: str) -> list[Act]:
        if self._state.stage != "idle" and intents.drops(text):
            self._state.drop()
            self._state.closing = True
            return [Say(wording.DROPPED)]
        stages: dict[str, Callable[[str], list[Act]]] = {
            "idle": self._idle,
            "collecting": self._collecting,
            "confirming": self._confirming,
            "changing": self._changing,
            "proposed": self._proposed,
            "offering_person": self._offering_person,
        }
        return stages[self._state.stage](text)

    def _idle(self, text: str) -> list[Act]:
        if self._state.closing and intents.is_no(text) and len(tokens(text)) <= 6:
            return self._goodbye()
        small = self._small_talk(text)
        if small:
            self._state.misses = 0
            return [Say(small)]
        picked = self._pick(text)
        return self._begin(picked, text) if picked else self._miss(text)

    def _small_talk(self, text: str) -> str:
        if intents.is_thanks(text):
            self._state.closing = True
            return wording.WELCOME
        if intents.is_hello(text):
            return wording.HELLO
        if len(tokens(text)) <= 2 and intents.is_yes(text):
            return wording.HOW_CAN_I_HELP
        return ""

    def _collecting(self, text: str) -> list[Act]:
        asked = self._asked()
        offered = self._from_offers(text)
        reading = self._read(text, asked.name if asked else None)
        values = {**offered, **reading.values}
        looked = [] if values else self._look(text)
        if looked:
            return looked
        if intents.asks_facts(text) and (not values or asked is None or asked.name not in values):
            facts = self._use_answer(text)
            if facts:
                return facts
        if values:
            self._state.learn(values, reading.pieces)
            return self._advance()
        if reading.pieces:
            self._state.learn({}, reading.pieces)
            return [Say(wording.GO_ON if asked and asked.kind == "phone" else self._next_question())]
        return self._elsewhere(text) or self._miss(text)

    def _look(self, text: str) -> list[Act]:
        """`What do you have?` while a day or time is asked for: the tool that finds it, with what is known so far."""
        asked = self._asked()
        if asked is None or asked.kind not in ("date", "time", "datetime") or not intents.asks_room(text):
            return []
        known = set(self._state.values)
        finders = [job for job in self._jobs if READS.match(job.name) and job.name != ANSWER]
        finder = next((job for job in finders if known & {slot.name for slot in job.slots}), None)
        if finder is None or finder is self._state.job:
            return []
        self._state.begin(finder)
        self._state.learn(self._read(text, None).values, {})
        return self._advance()

    def _confirming(self, text: str) -> list[Act]:
        changes = self._changes(text)
        if changes:
            self._state.learn(changes, {})
            return self._advance()
        if intents.is_yes(text):
            return self._run()
        return self._objection(text) or self._repeated(text) or self._elsewhere(text) or self._miss(text)

    def _repeated(self, text: str) -> list[Act]:
        """What is known, said again: the caller did not hear all of what was read back."""
        return [Say(self._question())] if self._read(text, None).values else []

    def _changing(self, text: str) -> list[Act]:
        changes = self._changes(text, guess=True)
        if changes:
            self._state.learn(changes, {})
            return self._advance()
        return self._objection(text, whole=False) or self._elsewhere(text) or self._miss(text)

    def _objection(self, text: str, whole: bool = True) -> list[Act]:
        """`The name is wrong`: ask for it again. A plain no: ask what."""
        words = tokens(text)
        slots = self._state.job.slots if self._state.job else ()
        named = next((slot for slot in slots if _names(slot, words)), None)
        if named is not None:
            self._state.forget(named.name)
            return self._advance()
        if whole and intents.is_no(text):
            self._state.stage = "changing"
            self._state.misses = 0
            return [Say(wording.WHAT_TO_CHANGE)]
        return []

    def _proposed(self, text: str) -> list[Act]:
        """The last tool's `then`: yes, or a value of it, takes it up."""
        proposal = self._state.proposal or ""
        job, offers = self._job(proposal), dict(self._state.offers)
        offered = self._from_offers(text)
        expected = next(iter(offers), None)
        reading = read(job.slots, text, self._now(), expected=expected) if job else Reading({}, {})
        if intents.is_no(text) and not reading.values and not offered:
            self._state.drop()
            self._state.closing = True
            return [Say("All right. " + wording.ANYTHING_ELSE)]
        if not (reading.values or offered or intents.is_yes(text) or (tokens(text) and not job)):
            self._state.drop()
            return self._idle(text)
        self._state.memory.update(offered)
        if job is None:
            return self._propose_to_colleague(proposal, text)
        wished = read(job.slots, self._wish, self._now()).values
        self._state.begin(job)
        self._state.offers = offers
        self._state.learn({**wished, **offered, **reading.values}, {})
        return self._advance()

    def _propose_to_colleague(self, proposal: str, text: str) -> list[Act]:
        """The proposed tool belongs to somebody else: hand over what it is, and the caller's words for its slots."""
        self._state.drop()
        picked = self._pick(spoken(proposal))
        wish = f"{spoken(proposal)}, {self._wish} {text}"
        return self._begin(picked, wish) if picked and picked.to else self._idle(text)

    def _offering_person(self, text: str) -> list[Act]:
        self._state.drop()
        if intents.is_yes(text):
            return self._transfer(text, wording.TO_A_PERSON)
        if intents.is_no(text) and len(tokens(text)) <= 4:
            self._state.closing = True
            return [Say("All right. " + wording.ANYTHING_ELSE)]
        return self._idle(text)

    # -- deciding --------------------------------------------------------------------------------------------------

    def _begin(self, picked: Pick, text: str) -> list[Act]:
        if picked.to is not None:
            self._state.drop()
            self._carried, self._reconfigured = text, False
            return self._use(picked.job, {picked.job.slots[0].name: picked.to})
        if picked.job.name == ANSWER:
            return self._use_answer(text)
        self._wish = text
        self._state.begin(picked.job)
        reading = self._read(text, None)
        self._state.learn(reading.values, reading.pieces)
        return self._advance()

    def _advance(self) -> list[Act]:
        """Ask for what is missing, read back what is to be written, or run."""
        job = self._state.job
        assert job is not None  # every caller has just filled one in
        missing = self._state.missing()
        if missing is not None:
            self._state.stage, self._state.asked = "collecting", missing.name
            return [Say(wording.question(missing))]
        if READS.match(job.name):
            return self._run()
        self._state.stage, self._state.asked = "confirming", None
        return [Say(self._question())]

    def _run(self) -> list[Act]:
        job = self._state.job
        assert job is not None  # only a filled job is run
        self._state.misses = 0
        return self._use(job, dict(self._state.values))

    def _elsewhere(self, text: str) -> list[Act]:
        """The caller changed the subject, clearly; or asked something on the way."""
        picked = self._pick(text)
        if picked is None or picked.job is self._state.job:
            return []
        if picked.job.name == ANSWER:
            return self._use_answer(text) if intents.is_question(text) else []
        return self._begin(picked, text) if picked.score >= CLEAR else []

    def _changes(self, text: str, guess: bool = False) -> dict[str, Any]:
        """What the utterance says differently from what was read back."""
        state = self._state
        values = _differing(self._read(text, None).values, state.values)
        if values or not (guess or intents.is_no(text)) or state.job is None:
            return values
        answer = re.sub(r"^\W*(?:no|nope|not|sorry|wrong)\b\W*", "", text.strip(), flags=re.IGNORECASE)
        for kind in GUESSED if len(tokens(answer)) <= 6 else ():
            for slot in state.job.slots:
                if slot.kind == kind and not _names(slot, tokens(answer)):
                    values = _differing(read([slot], answer, self._now(), expected=slot.name).values, state.values)
                    if values:
                        return values
        return {}

    def _from_offers(self, text: str) -> dict[str, Any]:
        """`Yes` to the only offer, `the second one`, `either`."""
        words = tokens(text)
        for name, offers in self._state.offers.items():
            numbers = [ORDINALS[word] for word in words if word in ORDINALS and len(words) <= 6]
            if numbers and 1 <= numbers[0] <= len(offers):
                return {name: offers[numbers[0] - 1]}
            if offers and ((intents.is_yes(text) and len(offers) == 1) or {"either", "any", "whichever"} & set(words)):
                return {name: offers[0]}
        return {}

    def _pick(self, text: str, hand_over: bool = True) -> Pick | None:
        return pick(text, self._jobs, self._rank, self._now(), hand_over=hand_over)

    def _miss(self, text: str) -> list[Act]:
        if intents.is_hello(text) or intents.is_thanks(text):
            return [Say(self._question())]
        self._state.misses += 1
        if self._state.misses >= MOST_MISSES and self._job(TRANSFER):
            return self._transfer("", wording.GIVING_UP)
        return [Say(f"{wording.NOT_CAUGHT} {self._question()}")]

    def _wants_person(self, text: str) -> bool:
        """Somebody real, or one of those a transfer may lead to, by name."""
        if intents.wants_person(text):
            return True
        job = self._job(TRANSFER)
        names = [name for slot in job.slots for name in slot.choices] if job else []
        return intents.wants_through(text) and find_choice(tokens(text), names) is not None

    def _transfer(self, text: str, words: str) -> list[Act]:
        job = self._job(TRANSFER)
        self._state.drop()
        if job is None:
            return [Say(wording.NOBODY_TO_REACH)]
        targets = next((slot for slot in job.slots if slot.choices), None)
        if targets is None:
            return [Say(words), *self._use(job, {})]
        chosen = find_choice(tokens(text), targets.choices)
        return [Say(words), *self._use(job, {targets.name: chosen.value if chosen else targets.choices[0]})]

    def _goodbye(self) -> list[Act]:
        self._state.drop()
        job = self._job(END)
        return [Say(wording.GOODBYE), *(self._use(job, {}) if job else [])]

    def _use_answer(self, text: str) -> list[Act]:
        job = self._job(ANSWER)
        return self._use(job, {job.slots[0].name: text.strip()}) if job and job.slots else []

    def _use(self, job: Job, arguments: dict[str, Any]) -> list[Act]:
        self._requests += 1
        self._spoken_over = 0
        use = Use(job.name, arguments, f"call_{self._requests}")
        self._running[use.call_id] = job
        return [use]

    # -- a tool finished -------------------------------------------------------------------------------------------

    def _handed_over(self, result: Result) -> list[Act]:
        """New tools say that it happened, whatever the words; until then only an ok is waited on."""
        if self._reconfigured:
            return self._carry_on()
        if result.ok:
            return []
        self._carried = None
        return [Say(f"{wording.BROKE} {self._question()}")]

    def _carry_on(self) -> list[Act]:
        """The colleague takes up the same words, and does not pass them on again."""
        text, self._carried = self._carried or "", None
        self._running.clear()
        picked = self._pick(text, hand_over=False)
        return self._begin(picked, text) if picked else [Say(wording.HOW_CAN_I_HELP)]

    def _answered(self, result: Result) -> list[Act]:
        self._state.misses = 0
        if self._state.stage != "idle":
            return [Say(result.say), Say(self._question())]
        if not result.ok and self._job(TRANSFER):
            self._state.stage = "offering_person"
            return [Say(f"{result.say} {'' if result.say.endswith('?') else 'Shall I?'}".strip())]
        self._state.closing = True
        return [Say(_asking(result.say))]

    def _succeeded(self, job: Job, result: Result) -> list[Act]:
        self._state.done(wrote=not READS.match(job.name))
        if result.then:
            self._state.stage, self._state.proposal, self._state.offers = "proposed", result.then, result.offers
            return [Say(result.say or "Shall I go on?")]
        self._state.closing = True
        return [Say(_asking(result.say or "That's done."))]

    def _failed(self, job: Job, result: Result) -> list[Act]:
        wrong = next((name for name in result.mend if job.slot(name)), None)
        if wrong is not None:
            self._state.forget(*result.mend)
            self._state.stage, self._state.asked, self._state.offers = "collecting", wrong, result.offers
            return [Say(result.say if result.say.endswith("?") else f"{result.say} {self._question()}")]
        self._state.drop()
        if not self._job(TRANSFER):
            self._state.closing = True
            return [Say(_asking(result.say))]
        self._state.stage = "offering_person"
        return [Say(f"{result.say} Shall I put you through to a person?")]

    # -- looking ---------------------------------------------------------------------------------------------------

    def _job(self, name: str) -> Job | None:
        return next((job for job in self._jobs if job.name == name), None)

    def _asked(self) -> Slot | None:
        return self._state.job.slot(self._state.asked) if self._state.job else None

    def _read(self, text: str, expected: str | None) -> Reading:
        slots = self._state.job.slots if self._state.job else ()
        return read(slots, text, self._now(), expected=expected, pieces=self._state.pieces)

    def _next_question(self) -> str:
        missing = self._state.missing()
        return wording.question(missing) if missing else self._question()

    def _question(self) -> str:
        """What the caller is being asked, as it stands."""
        state, asked = self._state, self._asked()
        if state.stage == "collecting" and asked is not None:
            return wording.question(asked)
        if state.stage == "confirming" and state.job is not None:
            return wording.read_back(state.job, state.values, self._now().date())
        if state.stage == "changing":
            return "What should I change?"
        if state.stage == "proposed":
            return "Shall I go on with that?"
        if state.stage == "offering_person":
            return "Shall I put you through to a person?"
        return wording.ANYTHING_ELSE if state.closing else wording.HOW_CAN_I_HELP


def make_mind(now: Callable[[], datetime], rank: Rank = shared_words) -> Callable[[], Mind]:
    """What makes one mind a call, to be configured by its session."""
    return partial(Mind, now=now, rank=rank)


def _differing(values: Mapping[str, Any], known: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if known.get(name) != value}


def _names(slot: Slot, words: Sequence[str]) -> bool:
    """Whether the words name the slot itself: `the name is wrong`, `another time`."""
    return holds(words, spoken(slot.name).lower()) or (slot.kind == "phone" and "number" in words)


def _asking(text: str) -> str:
    return text if text.rstrip().endswith("?") else f"{text} {wording.ANYTHING_ELSE}"
