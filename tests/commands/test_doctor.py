"""`doctor` looks over the machine it runs on."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from callactors import config
from callactors.commands.doctor import doctor


def run(*arguments: str) -> Result:
    app = typer.Typer()
    app.command()(doctor)
    return CliRunner().invoke(app, list(arguments))


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def listen_on(sip: int) -> None:
    text = config.default_text().replace("127.0.0.1:5060", f"127.0.0.1:{sip}").replace("127.0.0.1:8080", "127.0.0.1:0")
    Path("callactors.yaml").write_text(text)


def findings() -> dict[str, dict[str, object]]:
    return {each["name"]: each for each in json.loads(run("--json").output)["findings"]}


def test_the_checklist_has_the_things_a_call_needs() -> None:
    names = set(findings())
    assert {"Python", "packages", "configuration", "codec opus", "codec g722", "file descriptors"} <= names
    assert {"SIP port", "data folder", "clock"} <= names
    assert any(name.startswith("speech-to-text") for name in names)


def test_a_port_that_is_taken_is_something_to_put_right() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        listen_on(taken.getsockname()[1])
        result = run()
    assert result.exit_code == 1
    assert "MISS  SIP port: 127.0.0.1:" in result.output
    assert "\x1b[" not in result.output


def test_a_broken_configuration_is_told_and_the_rest_still_looked_at() -> None:
    Path("callactors.yaml").write_text("version: 1\n")
    found = findings()
    assert (found["configuration"]["well"], found["clock"]["well"]) == (False, True)


def test_a_data_folder_that_is_a_file_is_told() -> None:
    Path("data").write_text("")
    assert findings()["data folder"]["well"] is False
