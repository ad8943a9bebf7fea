"""The one log, by structlog: one line an event, `time level event key=value ...`, made for people and for grep.

- A value may come from a caller: control characters are escaped, long text is cut, so one event is one line always.
- A key that names a secret (password, authorization, nonce, digits, ...) never shows its value, nor does a
  `user:password@` inside a URI.
- Colour only on a terminal, and not where NO_COLOR is set.
- A line that cannot be written (a full disk, a reader that went away) is lost, and nothing else is.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, MutableMapping
from contextlib import suppress
from typing import Any, TextIO, cast

import structlog

LONGEST = 200  # characters of one value
MOST = 40  # values of one line
SECRET = "[secret]"
_SECRET_WORDS = re.compile(
    r"passw|secret|authori[sz]ation|credential|token$|nonce|api_?key|^key$|_key$|digest|^response$|digits|dtmf|cookie",
    re.IGNORECASE,
)
_USER_PASSWORD = re.compile(r"(?P<scheme>\b[a-zA-Z][a-zA-Z0-9+.-]{0,15}:(?://)?[^\s:@/<>\"]{1,200}):[^\s@<>\"]{1,200}@")
_PLAIN = re.compile(r"[!#-<>-\[\]-~]+")  # printable ASCII without space, quote, = and backslash
_COLOURS = {"warning": "\x1b[33m", "error": "\x1b[31m", "critical": "\x1b[31m"}
_DIM, _BOLD, _END = "\x1b[2m", "\x1b[1m", "\x1b[0m"

Log = structlog.typing.FilteringBoundLogger


def configure(stream: TextIO | None = None, *, colour: bool | None = None, **facts: object) -> None:
    """Send the log to `stream` (stderr). `colour` None asks the stream whether it is a terminal.

    Every line of the process bears the `facts`.
    """
    target = stream if stream is not None else sys.stderr
    shown = _is_terminal(target) if colour is None else colour
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            lambda logger, method, line_facts: {**line_facts, **facts},
            _Renderer(shown),
        ],
        wrapper_class=structlog.make_filtering_bound_logger("info"),
        logger_factory=structlog.WriteLoggerFactory(
            cast(Any, _Forgiving(target))
        ),  # its stub wants a file, a TextIO is what it uses
        cache_logger_on_first_use=False,
    )


def log(**facts: object) -> Log:
    """A logger whose every line carries these facts: `log(call=id).info("call_answered", codec="pcmu")`."""
    if not structlog.is_configured():
        configure()
    return cast(Log, structlog.get_logger(**facts))


def call_event(call: str, event: str, **facts: object) -> None:
    """One line about one call."""
    log(call=call).info(event, **facts)


def safe(value: object, longest: int = LONGEST) -> str:
    """Any value as one bounded, printable word or quoted text."""
    text = _USER_PASSWORD.sub(r"\g<scheme>:[secret]@", _text(value, longest))
    cut = text if len(text) <= longest else text[:longest] + "..."
    if _PLAIN.fullmatch(cut):
        return cut
    return '"' + "".join(map(_escape, cut)) + '"'


def line(facts: Mapping[str, object], *, colour: bool = False) -> str:
    """A log line from `event`, `level`, `timestamp` and whatever else there is, in the order it was given."""
    rest = dict(facts)
    moment, level, event = (str(rest.pop(name, "")) for name in ("timestamp", "level", "event"))
    head = [moment[:23] + "Z" if moment else "", level, safe(event).strip('"')]
    words = [f"{safe(key, 40)}={_shown(key, value)}" for key, value in list(rest.items())[:MOST]]
    if colour:
        head = [_DIM + head[0] + _END, _COLOURS.get(level, _DIM) + level + _END, _BOLD + head[2] + _END]
    return " ".join(word for word in [*head, *words] if word)


class _Forgiving:
    """A stream that may fail. Log lines come from callbacks of the endpoint, which an exception would end."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        with suppress(OSError, ValueError):  # ValueError: it is closed
            self._stream.write(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            self._stream.flush()


class _Renderer:
    """structlog's last processor."""

    def __init__(self, colour: bool) -> None:
        self._colour = colour

    def __call__(self, _logger: object, _method: str, facts: MutableMapping[str, Any]) -> str:
        return line(facts, colour=self._colour)


def _shown(key: str, value: object) -> str:
    return SECRET if _SECRET_WORDS.search(key) else safe(value)


def _text(value: object, longest: int) -> str:
    if isinstance(value, float):
        return f"{value:.3f}".rstrip("0").rstrip(".")
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value[: longest + 1]).decode("utf-8", "backslashreplace")
    if isinstance(value, BaseException):
        return f"{type(value).__name__}: {value}"[: longest * 2]
    return str(value)[: longest * 2]


def _escape(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    return character if character.isprintable() else character.encode("unicode_escape").decode("ascii")


def _is_terminal(stream: TextIO) -> bool:
    return stream.isatty() and "NO_COLOR" not in os.environ
