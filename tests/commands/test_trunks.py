"""`trunks list` and `trunks probe` as a user runs them."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from callactors.__main__ import app

TEXT = """\
version: 1
listen: {{sip: [{{udp: "127.0.0.1:5060"}}]}}
trunks:
  a: {{profile: sbc, from: [127.0.0.41/32], to: "sip:127.0.0.1:{port}", channels: 60, cps: 10, country: US}}
  inward: {{from: [127.0.0.42/32]}}
numbers: []
routes: [{{to: "+1", tries: [[{{trunk: a}}]]}}]
permit: ["+1"]
ledger: {{path: {data}/ledger.db}}
"""


def trunks(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["trunks", *arguments])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return written(tmp_path, 5099)


def written(folder: Path, port: int) -> Path:
    file = folder / "callactors.yaml"
    file.write_text(TEXT.format(port=port, data=folder))
    return file


@contextmanager
def answering(status: str) -> Iterator[int]:
    """A carrier that answers with this status line, on a thread: the command has a Trio run of its own."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(10)

        def serve() -> None:
            data, source = server.recvfrom(65_535)
            kept = [
                line
                for line in data.split(b"\r\n")
                if line.split(b":")[0] in (b"Via", b"From", b"To", b"Call-ID", b"CSeq")
            ]
            head = [b"SIP/2.0 " + status.encode(), *kept, b"Content-Length: 0", b"", b""]
            server.sendto(b"\r\n".join(head), source)

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        thread.join()


def test_list_shows_every_trunk_and_that_nobody_runs(file: Path) -> None:
    shown = trunks("list", "--config", str(file))
    assert shown.exit_code == 0
    assert "a  (sbc)  to sip:127.0.0.1:5099  from 127.0.0.41/32  60 channels  10 calls/s" in shown.stdout
    assert "no process runs" in shown.stdout


def test_list_shows_what_a_running_process_knows(file: Path) -> None:
    (file.parent / "trunks.json").write_text('{"a":{"127.0.0.1:5099":{"state":"open","status":null,"at":1.5}}}')
    assert "    127.0.0.1:5099: state open, at 1.5" in trunks("list", "--config", str(file)).stdout
    (one, _) = json.loads(trunks("list", "--config", str(file), "--json").stdout)
    assert one["state"]["127.0.0.1:5099"]["state"] == "open"
    assert (one["routes"], one["channels"]) == (["+1"], 60)


def test_probe_asks_and_says_what_to_tick(tmp_path: Path) -> None:
    with answering("200 OK") as port:
        shown = trunks("probe", "a", "--config", str(written(tmp_path, port)))
    assert shown.exit_code == 0
    assert f"127.0.0.1:{port}: answers 200 after" in shown.stdout
    assert "[ ] Relay OPTIONS to us as a health check" in shown.stdout


@pytest.mark.parametrize(
    ("status", "code", "words"), [("403 Forbidden", 0, "allow our address"), ("503 Down", 1, "says not now: 503")]
)
def test_probe_says_what_a_refusal_means(status: str, code: int, words: str, tmp_path: Path) -> None:
    with answering(status) as port:
        shown = trunks("probe", "--config", str(written(tmp_path, port)))
    assert shown.exit_code == code
    assert words in shown.stdout
    assert "it has no `to`" in shown.stdout


def test_probe_says_that_nobody_listens_there(file: Path) -> None:
    shown = trunks("probe", "a", "--config", str(file))
    assert shown.exit_code == 1
    assert "127.0.0.1:5099: cannot be reached" in shown.stdout


def test_probe_answers_in_json(tmp_path: Path) -> None:
    with answering("200 OK") as port:
        shown = trunks("probe", "a", "--json", "--config", str(written(tmp_path, port)))
    (one,) = json.loads(shown.stdout)
    (answer,) = one["answers"]
    assert (answer["hop"], answer["status"], answer["alive"]) == (f"127.0.0.1:{port}", 200, True)


def test_a_trunk_that_is_not_there_is_named(file: Path) -> None:
    shown = trunks("probe", "nobody", "--config", str(file))
    assert shown.exit_code == 2
    assert "there is no trunk 'nobody'; there are a, inward" in shown.stderr


def test_a_configuration_that_cannot_be_used_is_exit_code_2(tmp_path: Path) -> None:
    (tmp_path / "callactors.yaml").write_text("version: 1\n")
    assert trunks("list", "--config", str(tmp_path / "callactors.yaml")).exit_code == 2
