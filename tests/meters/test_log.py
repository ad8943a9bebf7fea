"""The log: one event is one line, whatever a caller sends, and no secret is in it."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from callactors.meters import log


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    target = io.StringIO()
    log.configure(target)
    yield target
    structlog.reset_defaults()


def test_a_call_event_is_one_line_of_time_level_event_and_facts(stream: io.StringIO) -> None:
    log.call_event("0192-abc", "call_answered", codec="pcmu", after=0.12345, scenario="hair salon")
    moment, rest = stream.getvalue().split(" ", 1)
    assert len(moment) == len("2026-01-02T03:04:05.678Z")
    assert rest == 'info call_answered call=0192-abc codec=pcmu after=0.123 scenario="hair salon"\n'


@pytest.mark.parametrize(
    "value", ["a\r\nREADY sip=evil", "\x1b[31mred\x1b[0m", "a\u2028b\x85c", "\u202edesrever", "\ud800"]
)
def test_what_a_caller_sends_cannot_start_a_line_or_drive_a_terminal(stream: io.StringIO, value: str) -> None:
    log.call_event(value, "call_invited", caller=value)
    text = stream.getvalue()
    assert len(text.splitlines()) == 1
    assert text[:-1].isprintable()


def test_long_values_and_many_values_are_cut(stream: io.StringIO) -> None:
    facts: dict[str, object] = {f"k{n}": "x" * 100_000 for n in range(100)}
    log.log(**facts).warning("big")
    assert len(stream.getvalue()) < 10_000


@pytest.mark.parametrize(
    "key", ["password", "Authorization", "nonce", "api_key", "digits", "response", "access_token", "key"]
)
def test_a_key_that_names_a_secret_never_shows_its_value(stream: io.StringIO, key: str) -> None:
    facts: dict[str, object] = {key: "5ecre7"}
    log.log(**facts).info("x")
    assert f"{key}=[secret]" in stream.getvalue()
    assert "5ecre7" not in stream.getvalue()


def test_a_password_inside_a_uri_never_shows(stream: io.StringIO) -> None:
    log.log(target="sip:alice:5ecre7@example.com", url="wss://u:5ecre7@host/x").info("x")
    assert "5ecre7" not in stream.getvalue()
    assert "sip:alice:[secret]@example.com" in stream.getvalue()


def test_colour_is_only_for_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.delenv("NO_COLOR", raising=False)
    terminal = Terminal()
    log.configure(terminal)
    log.log().info("x")
    assert "\x1b[" in terminal.getvalue()
    monkeypatch.setenv("NO_COLOR", "1")
    plain = Terminal()
    log.configure(plain)
    log.log().info("x")
    structlog.reset_defaults()
    assert "\x1b[" not in plain.getvalue()


@given(st.one_of(st.text(), st.binary(), st.floats(), st.lists(st.integers())))
def test_any_value_becomes_one_printable_bounded_word(value: object) -> None:
    text = log.safe(value)
    assert text.isprintable()
    assert len(text) < 2500


def test_without_configure_the_log_goes_to_stderr_and_leaves_stdout_to_programs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    structlog.reset_defaults()
    log.call_event("c1", "call_closed", cause="completed")
    structlog.reset_defaults()
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "call_closed call=c1 cause=completed" in printed.err


@pytest.mark.parametrize("error", [BrokenPipeError(32, "Broken pipe"), OSError(28, "No space left on device")])
def test_a_line_that_cannot_be_written_is_lost_and_nothing_else_is(error: OSError) -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise error

    log.configure(Gone(), colour=False)
    try:
        log.log().info("ringing", call="c1")
    finally:
        structlog.reset_defaults()
