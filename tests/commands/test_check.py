"""`check` as a person and as a program uses it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from callactors.commands.check import check

FULL = Path(__file__).parent.parent / "config" / "full.yaml"
SHOP = """\
version: 1
scenario: shop
languages: {en: {greeting: an automated assistant}}
agents: {a: {persona: a.md}}
start: a
"""
CONFIG = """\
version: 1
trunks: {acme: {from: [10.0.0.1]}}
numbers: [{match: "+1312", trunk: acme, scenario: shop}]
"""


def run(*arguments: object, **environ: str) -> Result:
    app = typer.Typer()
    app.command()(check)
    return CliRunner().invoke(app, [str(argument) for argument in arguments], env=environ)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "scenarios").mkdir()
    (tmp_path / "agents/shop").mkdir(parents=True)
    (tmp_path / "scenarios/shop.yaml").write_text(SHOP)
    (tmp_path / "agents/shop/a.md").write_text("You are Ann.")
    (tmp_path / "callactors.yaml").write_text(CONFIG)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_complete_file_passes() -> None:
    result = run(FULL)
    assert (result.exit_code, result.output) == (0, result.output)
    assert "full.yaml: fine" in result.output


def test_the_embedded_default_and_every_shipped_scenario_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = run()
    assert result.exit_code == 0, result.output
    assert "default.yaml: fine" in result.output
    assert "salon.yaml: fine" in result.output


def test_a_folder_of_ones_own_passes_with_its_configuration(root: Path) -> None:
    result = run("--agents", "agents")
    assert result.exit_code == 0, result.output
    assert "callactors.yaml: fine\nscenarios/shop.yaml: fine\n" in result.output


def test_a_folder_of_agents_that_is_not_there_is_named(root: Path) -> None:
    result = run("--agents", "nowhere")
    assert result.exit_code == 2
    assert "'nowhere' does not exist" in result.output


def test_a_problem_is_one_line_an_editor_can_jump_to(root: Path) -> None:
    (root / "callactors.yaml").write_text(f"{CONFIG}stores: {{url: postgresql://db/calls}}\n")
    result = run("callactors.yaml")
    assert result.exit_code == 1
    line = "callactors.yaml:4: stores.url: is not available in this version; use sqlite:///PATH"
    assert result.output.splitlines() == [line]


def test_a_program_reads_the_same_as_json(root: Path) -> None:
    (root / "callactors.yaml").write_text(f"{CONFIG}stores: {{url: postgresql://db/calls}}\n")
    found = json.loads(run("--json", "callactors.yaml").output)
    assert (found["ok"], found["files"]) == (False, ["callactors.yaml"])
    (problem,) = found["problems"]
    assert (problem["line"], problem["path"], problem["kind"]) == (4, "stores.url", "not_available")


def test_a_scenario_is_known_by_its_key_and_checked_with_what_lies_beside_it(root: Path) -> None:
    (root / "agents/shop/a.md").unlink()
    result = run("scenarios/shop.yaml")
    assert result.exit_code == 1
    assert result.output.startswith("scenarios/shop.yaml:4: agents.a.persona: there is no file ")


def test_a_scenario_that_is_named_and_not_there_is_told_at_the_numbers_line(root: Path) -> None:
    (root / "callactors.yaml").write_text(CONFIG.replace("scenario: shop", "scenario: saloon"))
    result = run("callactors.yaml")
    assert result.output.startswith('callactors.yaml:3: numbers[0].scenario: there is no scenario "saloon"')


def test_a_file_that_is_neither_is_told_so(root: Path) -> None:
    (root / "x.yaml").write_text("a: 1")
    result = run("x.yaml")
    assert (result.exit_code, "neither a configuration nor a scenario" in result.output) == (1, True)


def test_a_missing_file_is_wrong_use(root: Path) -> None:
    assert run("nowhere.yaml").exit_code == 2


def test_a_secret_is_never_printed(root: Path) -> None:
    secret = 'auth: {user: u, password: "${PW}"}, country: "${PW}"'
    (root / "callactors.yaml").write_text(CONFIG.replace("10.0.0.1]", f"10.0.0.1], {secret}"))
    result = run("callactors.yaml", PW="hunter2")
    assert (result.exit_code, "hunter2" in result.output) == (1, False)
    assert "PW is not set" in run("callactors.yaml").output


@pytest.mark.parametrize(
    ("key", "file", "content", "told"),
    [
        ("emergency: {trunk: acme, location: f.xml}", "f.xml", "<a>\n<b></a>", "f.xml:2: is no XML"),
        ("outbound: {consent: f.csv}", "f.csv", "number\n+13125550142\nfoo\n", "f.csv:3: 'foo' is no number"),
    ],
)
def test_a_list_or_a_location_that_cannot_be_read_is_told_before_a_call_needs_it(
    key: str, file: str, content: str, told: str, root: Path
) -> None:
    (root / "c.yaml").write_text(CONFIG.replace("[10.0.0.1]", "[10.0.0.1], to: 'sip:h', country: US") + key + "\n")
    (root / file).write_text(content)
    result = run(root / "c.yaml")
    assert result.exit_code == 1
    assert told in result.stdout
