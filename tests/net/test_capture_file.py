"""The capture file: what is on disk, what is never on it, and that it costs no call anything."""

from __future__ import annotations

from pathlib import Path

import trio

from callactors.net.capture_file import CaptureFile

MESSAGE = b"OPTIONS sip:x SIP/2.0\r\nAuthorization: Digest response=5ecre7\r\n\r\n"


def capture_at(path: Path, **limits: int) -> CaptureFile:
    return CaptureFile(path, lambda at: 1_700_000_000_123, **limits)


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


async def stopped(capture: CaptureFile) -> None:
    """Run the writer long enough to write what waits."""
    async with trio.open_nursery() as nursery:
        await nursery.start(capture.run)
        nursery.cancel_scope.cancel()


async def test_messages_are_written_in_order_with_time_and_peer_and_without_secrets(tmp_path: Path) -> None:
    capture = capture_at(tmp_path / "deep" / "sip-capture.txt")
    capture.tap("in", MESSAGE, "127.0.0.2:5070")
    capture.tap("out", b"SIP/2.0 200 OK\r\n\r\n", "127.0.0.2:5070")
    await stopped(capture)
    text = capture.path.read_text()
    assert "-- 2023-11-14T22:13:20.123Z in from 127.0.0.2:5070, 64 bytes\nOPTIONS" in text
    assert text.index("OPTIONS") < text.index("200 OK")
    assert "5ecre7" not in text
    assert capture.path.stat().st_mode & 0o777 == 0o600
    assert capture.statistics().written == 2


async def test_control_characters_are_escaped_and_line_ends_and_letters_stay(tmp_path: Path) -> None:
    capture = capture_at(tmp_path / "c.txt")
    capture.tap("in", "INVITE sip:é SIP/2.0\r\nX: \x1b[2J\x00\x07\x7f\x9b1m\r\ta\r\n".encode(), "p")
    await stopped(capture)
    text = capture.path.read_bytes().decode()
    assert text.partition("\n")[2] == "INVITE sip:é SIP/2.0\r\nX: \\x1b[2J\\x00\\x07\\x7f\\xc2\\x9b1m\\x0d\ta\r\n\n\n"


async def test_a_running_writer_writes_soon_without_being_stopped(tmp_path: Path) -> None:
    capture = capture_at(tmp_path / "c.txt")
    async with trio.open_nursery() as nursery:
        await nursery.start(capture.run)
        capture.tap("in", MESSAGE, "p")
        with trio.fail_after(5):
            while not capture.statistics().written:
                await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()


async def test_the_file_rotates_by_size_and_keeps_so_many(tmp_path: Path) -> None:
    capture = capture_at(tmp_path / "c.txt", max_bytes=300, keep=2)
    for n in range(5):
        capture.tap("in", b"%d" % n * 200, "p")
        await stopped(capture)
    assert names(tmp_path) == ["c.txt", "c.txt.1", "c.txt.2"]
    assert "444" in capture.path.read_text()
    assert "333" in (tmp_path / "c.txt.1").read_text()


async def test_a_full_queue_drops_and_counts(tmp_path: Path) -> None:
    capture = capture_at(tmp_path / "c.txt", bound=3)
    for _ in range(5):
        capture.tap("in", MESSAGE, "p")
    assert (capture.statistics().waiting, capture.statistics().dropped) == (3, 2)
    by_bytes = capture_at(tmp_path / "c.txt", bound_bytes=10)
    for _ in range(3):
        by_bytes.tap("in", MESSAGE, "p")
    assert by_bytes.statistics().dropped == 2


async def test_a_disk_that_fails_costs_the_capture_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    capture = capture_at(tmp_path / "file" / "c.txt")
    capture.tap("in", MESSAGE, "p")
    await stopped(capture)
    assert (capture.statistics().failed, capture.statistics().waiting) == (1, 0)
    assert capture.statistics().problem
