"""When a turn begins and when it is over: pure logic over speech probabilities, 32 ms each, with a hang-over.

- Two chunks above the threshold begin a turn (one is a click). Falling 0.15 below it is silence.
- A short silence is a Paused: time to begin decoding. Then either Resumed, or after the hang-over SpeechStopped.
- Text can lengthen the hang-over: "I'd like to book it for", a telephone number with digits missing.
- Times are milliseconds of audio fed in, never of a clock.
"""

from __future__ import annotations

import re

import attrs

from callactors.speech.vad import CHUNK_MS

PAUSE_MS = 128
HANG_OVER_MS = 380
PATIENCE_MS = 1200  # the hang-over while more is surely coming
_ONSET_CHUNKS = 2
_HYSTERESIS = 0.15


@attrs.frozen
class SpeechStarted:
    at_ms: int


@attrs.frozen
class Paused:
    """The caller fell silent at `at_ms`; perhaps for good."""

    at_ms: int


@attrs.frozen
class Resumed:
    at_ms: int


@attrs.frozen
class SpeechStopped:
    """The turn is over: its speech ended at `at_ms`; `speech_ms` of it were speech."""

    at_ms: int
    speech_ms: int


Endpoint = SpeechStarted | Paused | Resumed | SpeechStopped


@attrs.define
class Endpointer:
    """One caller's turns. `patience_ms` may be raised between two feeds; a new turn resets it."""

    threshold: float = 0.5
    hang_over_ms: int = HANG_OVER_MS
    patience_ms: int = attrs.field(init=False, default=0)
    speaking: bool = attrs.field(init=False, default=False)
    _now_ms: int = attrs.field(init=False, default=0)
    _loud: int = attrs.field(init=False, default=0)  # chunks of speech in a row
    _speech_ms: int = attrs.field(init=False, default=0)
    _last_speech_ms: int = attrs.field(init=False, default=0)
    _paused: bool = attrs.field(init=False, default=False)

    def feed(self, probability: float) -> list[Endpoint]:
        """What the next 32 ms tell."""
        self._now_ms += CHUNK_MS
        bar = self.threshold - _HYSTERESIS if self.speaking and not self._paused else self.threshold
        speech = probability >= bar
        self._loud = self._loud + 1 if speech else 0
        if speech:
            self._speech_ms += CHUNK_MS
        return self._in_turn(speech) if self.speaking else self._idle(speech)

    def start_at(self, now_ms: int) -> None:
        """Count from `now_ms`: some audio was fed to another one before."""
        self._now_ms = now_ms

    def reset(self) -> None:
        """Forget the turn in hand (the buffer was committed or cleared by the client)."""
        self.speaking = self._paused = False
        self._loud = self._speech_ms = self.patience_ms = 0

    def _idle(self, speech: bool) -> list[Endpoint]:
        if self._loud < _ONSET_CHUNKS:
            if not speech:
                self._speech_ms = 0
            return []
        self.speaking, self._paused, self.patience_ms = True, False, 0
        self._last_speech_ms = self._now_ms
        return [SpeechStarted(self._now_ms - self._loud * CHUNK_MS)]

    def _in_turn(self, speech: bool) -> list[Endpoint]:
        if speech:
            self._last_speech_ms = self._now_ms
            if self._paused:
                self._paused, self.patience_ms = False, 0
                return [Resumed(self._now_ms - CHUNK_MS)]
            return []
        silent = self._now_ms - self._last_speech_ms
        if silent >= max(self.hang_over_ms, self.patience_ms):
            ended = SpeechStopped(self._last_speech_ms, self._speech_ms)
            self.reset()
            return [ended]
        if silent >= PAUSE_MS and not self._paused:
            self._paused = True
            return [Paused(self._last_speech_ms)]
        return []


_DANGLING = {"and", "or", "but", "so", "to", "for", "my", "the", "a", "an", "at", "on", "in", "of", "from", "with"}
_DANGLING |= {"is", "are", "it's", "i'm", "i'd", "um", "uh", "because", "about", "like"}
_DIGITS = re.compile(r"\d")
_NUMBER_LEADS = re.compile(r"\b(number|phone|reach me|call me)\b", re.IGNORECASE)
_PHONE_DIGITS = 7


def more_is_coming(text: str) -> bool:
    """Whether `text` sounds unfinished: a dangling little word, a trailing comma, a number with digits missing."""
    stripped = text.strip()
    if stripped.endswith((",", "-", "...", "…")):
        return True
    words = stripped.rstrip(".?!").lower().split()
    if not words:
        return False
    if words[-1] in _DANGLING:
        return True
    return _digits_missing(stripped)


def _digits_missing(text: str) -> bool:
    """A telephone number announced, or digits alone, and fewer than seven of them so far."""
    digits = len(_DIGITS.findall(text))
    alone = not re.search(r"[a-z]", text, re.IGNORECASE) and ":" not in text
    announced = digits > 0 and _NUMBER_LEADS.search(text) is not None
    return (announced or (alone and digits > 4)) and digits < _PHONE_DIGITS
