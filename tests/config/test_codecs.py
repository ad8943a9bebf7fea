"""The codecs of a trunk: what may be written, and what this machine makes of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from callactors import config
from callactors.audio import opus
from callactors.config.warnings import warn
from callactors.errors import ConfigError

NUMBERS = 'numbers: [{match: "+1312", trunk: acme, scenario: salon}]'


def load(codecs: str) -> config.Config:
    return config.load(f"version: 1\ntrunks:\n  acme: {{from: [127.0.0.1], codecs: {codecs}}}\n{NUMBERS}", "f.yaml", {})


@pytest.fixture
def no_opus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine whose libopus is a broken file."""
    (tmp_path / "libopus.so.0").write_bytes(b"\x7fELF")
    with monkeypatch.context() as machine:
        machine.setattr(opus, "candidates", lambda: iter([str(tmp_path / "libopus.so.0")]))
        opus.load.cache_clear()
        yield
    opus.load.cache_clear()


def test_the_order_written_is_the_order_offered() -> None:
    assert load("[opus, g722, pcma]").trunk("acme").codecs == ("opus", "g722", "pcma")


@pytest.mark.parametrize(
    ("written", "told"), [("PCMU", "did you mean pcmu?"), ("G-722", "did you mean g722?"), ("G729A", "is not spoken: ")]
)
def test_codecs_in_capitals_as_carriers_write_them_are_understood_well_enough_to_say_so(
    written: str, told: str
) -> None:
    with pytest.raises(ConfigError, match=re.escape(told)):
        load(f"[{written}]")


def test_g729_is_refused_with_the_reason_and_what_to_write_instead() -> None:
    with pytest.raises(ConfigError) as refused:
        load("[g729]")
    assert str(refused.value) == (
        'f.yaml:3: trunks.acme.codecs[0]: "g729" is not spoken: its one free implementation is GPL-3.0, and the others '
        "want a licence per channel; whoever offers g729 offers pcmu or pcma too"
    )


@pytest.mark.parametrize(("written", "meant"), [("ulaw", "pcmu"), ("G711A", "pcma"), ("g711", "pcmu")])
def test_other_names_of_a_codec_are_pointed_out(written: str, meant: str) -> None:
    with pytest.raises(ConfigError, match=f"is not one of pcmu, pcma, opus, g722; did you mean {meant}?"):
        load(f"[{written}]")


@pytest.mark.usefixtures("no_opus")
def test_without_libopus_opus_is_not_offered_and_check_says_why() -> None:
    loaded = load("[opus, pcmu]")
    assert loaded.trunk("acme").codecs == ("pcmu",)
    (told,) = [str(problem) for problem in warn(loaded)]
    assert told.startswith("f.yaml:3: trunks.acme.codecs[0]: opus is not offered: ")
    assert "file too short" in told
    assert told.endswith("; install libopus (Debian: apt install libopus0; or pip install 'callactors[opus]')")


@pytest.mark.usefixtures("no_opus")
def test_a_trunk_without_any_codec_this_machine_can_speak_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"has no codec that this machine can speak: .*; add pcmu or pcma"):
        load("[opus]")
