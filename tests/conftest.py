"""What every test lives under: interop tests only where real programs are, and no skipped test there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

INTEROP = Path(__file__).parent / "interop"
WITH_PROGRAMS = os.environ.get("CALLACTORS_INTEROP") == "1"

# before numpy is imported: one thread a call path, as in production (MEDIA-PATH)
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Leave tests/interop out unless CALLACTORS_INTEROP=1 says that the programs .ci/run names are installed."""
    return True if not WITH_PROGRAMS and collection_path == INTEROP else None


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> object:
    """With the programs there, a skip is an error: nothing may quietly not be tested."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]  # pluggy's Result, untyped in a generator hook
    if WITH_PROGRAMS and report.skipped:
        report.outcome = "failed"
        report.longrepr = f"skipped, and nothing may be: {report.longrepr}"
    return outcome
