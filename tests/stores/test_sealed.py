"""An encrypted recording: read with its key, and any change, cut, swap or other key is noticed and told."""

from __future__ import annotations

import io

import pytest

from callactors.errors import RecordingUnreadable
from callactors.stores.sealed import MasterKey, Sealer, Unsealer

KEY = "a key that nobody can guess"
CHEAP = (4, 1, 1)  # scrypt, for tests
MASTER = MasterKey.derive(KEY, b"s" * 16, CHEAP)
PIECES = [b"first piece", b"second piece " * 100, b"third"]


def sealed(call: str = "0192f0aa", *, salt: bytes = b"f" * 16, whole: bool = True) -> bytes:
    sealer = Sealer(MASTER, call, salt)
    made = sealer.header + b"".join(sealer.data(piece) for piece in PIECES) + sealer.hole(3_000_000)
    return made + (sealer.end() if whole else b"")


def opened(data: bytes, key: str = KEY, *, partial: bool = False) -> bytes:
    unsealer = Unsealer(io.BytesIO(data), key)
    unsealer.open()
    return b"".join(unsealer.plain(partial))


def problem(data: bytes, key: str = KEY) -> str:
    with pytest.raises(RecordingUnreadable) as caught:
        opened(data, key)
    return str(caught.value)


def test_what_was_sealed_is_what_is_read_holes_too() -> None:
    data = sealed()
    assert opened(data) == b"".join(PIECES) + bytes(3_000_000)
    assert len(data) < 5_000
    assert not any(piece in data for piece in PIECES)


def test_the_size_is_known_without_keeping_it_all() -> None:
    unsealer = Unsealer(io.BytesIO(sealed()), KEY)
    unsealer.open()
    assert unsealer.size() == sum(map(len, PIECES)) + 3_000_000
    assert unsealer.call == "0192f0aa"


def test_two_files_of_the_same_sound_have_nothing_in_common() -> None:
    one, other = sealed(), sealed(salt=b"g" * 16)
    assert one[60:] != other[60:]


def test_another_key_is_told_from_damage() -> None:
    assert "another recording.key" in problem(sealed(), "not the key that it was")


def test_any_changed_byte_is_noticed() -> None:
    data = sealed()
    for at in range(len(data)):
        changed = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        assert problem(changed)


def test_a_file_that_was_cut_is_told_and_read_as_far_as_it_goes_where_that_is_wanted() -> None:
    data = sealed(whole=False)
    for cut in (data, data[:-1], data[:-28]):
        assert "ends too soon" in problem(cut)
        assert opened(cut, partial=True).startswith(b"".join(PIECES))
    assert "no encrypted recording" in problem(data[:20])
    assert "cut off in its beginning" in problem(data[:56])


def test_chunks_left_out_swapped_or_of_another_file_are_noticed() -> None:
    sealer = Sealer(MASTER, "0192f0aa", b"f" * 16)
    first, second, end = sealer.data(b"one"), sealer.data(b"two"), sealer.end()
    other = Sealer(MASTER, "0192f0ab", b"g" * 16)
    for chunks in ([second, end], [second, first, end], [first, end], [first, other.data(b"x"), end]):
        assert "changed" in problem(sealer.header + b"".join(chunks))
    assert "goes on after its end" in problem(sealer.header + first + second + end + b"x")


def test_partial_forgives_no_change() -> None:
    data = bytearray(sealed())
    data[120] ^= 1
    with pytest.raises(RecordingUnreadable):
        opened(bytes(data), partial=True)


def test_a_header_cannot_make_us_work_for_hours() -> None:
    data = bytearray(sealed())
    data[8] = 40
    assert "never wrote" in problem(bytes(data))


def test_keys_are_in_no_repr() -> None:
    assert KEY not in repr(Unsealer(io.BytesIO(b""), KEY)) + repr(MASTER)
    assert repr(MASTER._bits) not in repr(MASTER)
