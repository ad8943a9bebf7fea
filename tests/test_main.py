"""The program as a process: what `python -m callactors` does before any command runs."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
INTERRUPTED_WHILE_IMPORTING = """
import os, runpy, signal, sys

class Impatient:
    def find_spec(self, name, path, target=None):
        if name == "callactors.commands.run":
            os.kill(os.getpid(), signal.SIGINT)

signal.signal(signal.SIGINT, signal.default_int_handler)
sys.meta_path.insert(0, Impatient())
runpy.run_module("callactors", run_name="__main__")
"""


def test_ctrl_c_while_the_program_is_still_being_imported_shows_no_traceback() -> None:
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED_WHILE_IMPORTING], cwd=ROOT, capture_output=True, timeout=60
    )
    assert done.returncode == -signal.SIGINT
    assert done.stderr == b""
