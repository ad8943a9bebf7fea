"""What must hold of `recording`, and what its owner should know of it."""

from __future__ import annotations

from collections.abc import Iterator

from callactors.audio.opus import missing
from callactors.config.config import Config
from callactors.errors import ConfigError

SHORTEST = 16  # characters of a key: nobody guesses `openssl rand -base64 32`


def check(config: Config) -> Iterator[ConfigError]:
    """A key that can be guessed; Opus where it cannot be made."""
    recording = config.recording
    if recording.key is not None and len(recording.key.reveal()) < SHORTEST:
        remedy = "make one with: openssl rand -base64 32"
        yield config.marks.error("recording.key", f"is shorter than {SHORTEST} characters", remedy)
    if recording.format == "opus" and (why := missing()):
        remedy = "install libopus (apt-get install libopus0), or use wav"
        yield config.marks.error("recording.format", f"opus cannot be written: {why}", remedy)


def warn(config: Config) -> Iterator[ConfigError]:
    """Recordings of the public that nobody ever deletes."""
    recording, trunks = config.recording, config.trunks
    if recording.mode == "off" or all(trunk.is_loopback for trunk in trunks.values()):
        return
    if recording.keep_days is None:
        yield config.marks.error("recording", "recordings are kept for ever", "add keep_days: 30")
