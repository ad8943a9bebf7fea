"""The README's first command, pasted on a fresh machine: a clean copy of the project, a new virtualenv, no key."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
CLEAN = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONPATH")}


def clean_copy(into: Path) -> Path:
    """What a clone would hold: the files git knows, as they are now."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True
    ).stdout.split("\0")
    for name in filter(None, listed):
        target = into / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((ROOT / name).read_bytes())
    return into


def block(name: str) -> str:
    found = re.search(rf"<!-- run: {name} -->\s*```sh\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert found is not None
    return found[1].strip()


def response_times(call: str, data: Path, recording: Path) -> tuple[list[float], list[int]]:
    """Of each answer, as the record has it and as `latency` measures it on the recording."""
    answers = []
    for words in (["calls", "show", call, "--data", str(data)], ["latency", str(recording)]):
        command = [sys.executable, "-m", "callactors", *words, "--json"]
        answers.append(json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True).stdout))
    stages = [turn["stages"] or {} for turn in answers[0]["turns"]]
    return [one["response"] for one in stages if "response" in one], [one["ms"] for one in answers[1]["answers"]]


def test_the_first_command_installs_and_makes_a_whole_call(tmp_path: Path) -> None:
    copy = clean_copy(tmp_path / "callactors")
    command = f"{block('demo')} --json"
    ran = subprocess.run(["bash", "-euc", command], cwd=copy, env=CLEAN, capture_output=True, text=True, timeout=600)
    assert ran.returncode == 0, ran.stderr[-3000:]
    told = json.loads(ran.stdout.splitlines()[-1])
    assert told["outcome"] == "handed_off"
    assert told["bookings"]
    assert told["crm_records"]
    assert told["refer"] == {"accepted": 202, "final": 200}
    recorded, measured = response_times(told["call"], Path(told["data"]), Path(told["recording"]))
    assert recorded
    for ms in recorded:
        assert min(abs(ms - heard) for heard in measured) <= 20, (recorded, measured)


def test_a_wheel_carries_scenarios_and_agents(tmp_path: Path) -> None:
    copy = clean_copy(tmp_path / "callactors")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", "-w", str(tmp_path), str(copy)], check=True)
    wheel = next(tmp_path.glob("*.whl"))
    subprocess.run([*pip, "install", "--no-deps", "--target", str(tmp_path / "site"), str(wheel)], check=True)
    env = {**CLEAN, "PYTHONPATH": str(tmp_path / "site")}
    checked = subprocess.run(
        [sys.executable, "-P", "-m", "callactors", "check", "--json"],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "site/callactors/scenarios/salon.yaml" in checked.stdout
