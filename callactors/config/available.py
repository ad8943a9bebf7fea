"""What the schema knows and this version does not do. Start and `check` refuse these, they never ignore them.

When something is built, its line here goes.
"""

from __future__ import annotations

from collections.abc import Iterator

from callactors.config.config import Config
from callactors.config.problems import NotAvailable


def check(config: Config) -> Iterator[NotAvailable]:
    """A NotAvailable for each value that is not built yet."""
    yield from _recording(config)
    if not config.stores.url.startswith("sqlite:///"):
        yield config.marks.not_available("stores.url", "", "use sqlite:///PATH")


def _recording(config: Config) -> Iterator[NotAvailable]:
    recording = config.recording
    if recording.mode in ("on_demand", "consent"):
        yield config.marks.not_available("recording.mode", recording.mode, "use off or always")
    if recording.mode == "off":
        return
    if recording.key is not None:
        yield config.marks.not_available("recording.key", "encryption", "leave the key out, or use mode: off")
    if recording.keep_days is not None:
        yield config.marks.not_available("recording.keep_days", "deletion", "leave it out, or use mode: off")
