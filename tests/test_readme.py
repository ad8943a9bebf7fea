"""The README runs: its blocks are what people paste. The shell blocks are run whole in tests/interop and by .ci/run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from callactors import config
from callactors.__main__ import app
from callactors.commands.check import look

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
BLOCK = re.compile(r"<!-- run: (?P<name>[\w-]+) -->\s*```(?P<language>\w+)\n(?P<text>.*?)```", re.DOTALL)
BLOCKS = {found["name"]: found["text"].strip() for found in BLOCK.finditer(README)}


def test_a_call_without_a_key_is_made_by_line_25() -> None:
    first = next(number for number, line in enumerate(README.splitlines(), 1) if "callactors demo" in line)
    assert first <= 25


def test_the_trunk_and_key_take_ten_lines_of_yaml_that_pass_check(tmp_path: Path) -> None:
    file = tmp_path / "callactors.yaml"
    file.write_text(BLOCKS["config"])
    assert len(BLOCKS["config"].splitlines()) <= 10
    assert [str(problem) for problem in look([file], {"OPENAI_API_KEY": "sk-test"}).problems] == []


def test_the_demo_and_test_blocks_are_one_command_each() -> None:
    assert [len(BLOCKS[name].splitlines()) for name in ("demo", "test")] == [1, 1]


@pytest.mark.parametrize("verb", sorted(set(re.findall(r"python -m callactors ([a-z]+)", README))))
def test_every_command_the_readme_names_has_help_with_an_example(verb: str) -> None:
    shown = CliRunner().invoke(app, [verb, "--help"])
    assert shown.exit_code == 0
    assert "xample" in shown.output


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)#]+)\)", README))
def test_every_link_leads_somewhere(link: str) -> None:
    assert (ROOT / link).exists()


def test_the_embedded_default_listens_on_this_machine_only() -> None:
    default = config.default()
    assert default.listen.udp.host == "127.0.0.1"
    assert default.listen.web is not None
    assert default.listen.web.host == "127.0.0.1"
