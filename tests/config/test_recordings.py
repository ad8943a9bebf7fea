"""`recording`: a key nobody guesses, Opus only where it can be written, and a word about what is kept for ever."""

from __future__ import annotations

import pytest

from callactors import config
from callactors.config import ConfigErrors
from callactors.config.recordings import warn

KEY = "'a key that nobody can guess'"


def load(recording: str, source: str = "10.0.0.1") -> config.Config:
    text = f"version: 1\ntrunks: {{acme: {{from: [{source}]}}}}\nnumbers: []\nrecording: {{{recording}}}\n"
    return config.load(text, "f.yaml", {})


def problem(recording: str) -> str:
    with pytest.raises(ConfigErrors) as caught:
        load(recording)
    return str(caught.value)


@pytest.mark.parametrize("mode", ["off", "on_demand", "consent", "always"])
@pytest.mark.parametrize("more", ["", ", format: opus", f", key: {KEY}, keep_days: 7"])
def test_every_mode_format_and_key_is_built(mode: str, more: str) -> None:
    assert load(f"mode: {mode}{more}").recording.mode == mode


def test_a_key_that_can_be_guessed_is_refused_without_being_shown() -> None:
    told = problem("mode: always, key: hunter2")
    assert told == ("f.yaml:4: recording.key: is shorter than 16 characters; make one with: openssl rand -base64 32")


@pytest.fixture
def without_libopus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("callactors.config.recordings.missing", lambda: "libopus is not installed")


def test_opus_without_its_library_is_refused_with_what_to_install(without_libopus: None) -> None:
    assert "opus cannot be written: libopus is not installed; install libopus" in problem("mode: off, format: opus")


def test_recordings_of_the_public_that_nobody_deletes_are_a_warning() -> None:
    (told,) = map(str, warn(load("mode: consent")))
    assert told == "f.yaml:4: recording: recordings are kept for ever; add keep_days: 30"
    assert list(warn(load("mode: consent, keep_days: 30"))) == []
    assert list(warn(load("mode: off"))) == []
    assert list(warn(load("mode: always", "127.0.0.1"))) == []
