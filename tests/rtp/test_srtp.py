"""SRTP: what is opened, what is not, and what new keys do. Two ends joined in memory."""

from __future__ import annotations

import hmac
import struct

import attrs
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR
from hypothesis import given, settings
from hypothesis import strategies as st

from callactors.errors import MalformedPacket
from callactors.rtp.srtp import GUESSES, OLD_KEYS, SOURCES, SUITES, Keys, Security, Srtp

CM = "AES_CM_128_HMAC_SHA1_80"
every_suite = pytest.mark.parametrize("suite", SUITES)


def keys(seed: int, suite: str = CM) -> Keys:
    kind = SUITES[suite]
    return Keys(suite, bytes([seed]) * kind.key, bytes([seed + 1]) * kind.salt)


def ends(suite: str = CM, *, lifetime: int | None = None, mki: bytes = b"") -> tuple[Srtp, Srtp]:
    """Two ends; the second is told this lifetime and MKI of the first one's key."""
    one, other = keys(1, suite), keys(11, suite)
    return Srtp(Security(one, other)), Srtp(Security(other, attrs.evolve(one, lifetime=lifetime, mki=mki)))


def rtp(sequence: int, ssrc: int = 77, payload: bytes = b"x" * 160) -> bytes:
    return struct.pack("!BBHII", 0x80, 0, sequence & 0xFFFF, sequence * 160 & 0xFFFFFFFF, ssrc) + payload


def rtcp(ssrc: int = 77) -> bytes:
    return struct.pack("!BBHI", 0x80, 201, 1, ssrc)


def refuses(end: Srtp, data: bytes) -> bool:
    with pytest.raises(MalformedPacket):
        end.unprotect(data)
    return True


# -- there and back ------------------------------------------------------------------------------------------------


@every_suite
def test_what_one_end_protects_the_other_opens(suite: str) -> None:
    ours, theirs = ends(suite)
    packet = ours.protect(rtp(1))
    assert packet[:12] == rtp(1)[:12]
    assert len(packet) == len(rtp(1)) + SUITES[suite].tag
    assert rtp(1)[12:] not in packet
    assert theirs.unprotect(packet) == rtp(1)
    assert ours.unprotect(theirs.protect(rtp(9, 5))) == rtp(9, 5)


@every_suite
def test_reports_go_there_and_back(suite: str) -> None:
    ours, theirs = ends(suite)
    packet = ours.protect_rtcp(rtcp())
    assert len(packet) == len(rtcp()) + 4 + SUITES[suite].rtcp_tag
    assert theirs.unprotect_rtcp(packet) == rtcp()


@every_suite
def test_the_wire_is_what_the_rfcs_say_by_another_librarys_ciphers(suite: str) -> None:
    ours, _ = ends(suite)
    packets = [ours.protect(rtp(sequence)) for sequence in (65_534, 65_535, 65_536)]
    opened = by_the_book if not SUITES[suite].aead else by_the_book_of_gcm
    assert opened(packets[-1], keys(1, suite), rollovers=1) == rtp(65_536)[12:]


def derived(master: Keys, label: int, length: int) -> bytes:
    """RFC 3711 section 4.3.3, with RFC 7714 section 11's longer salt."""
    start = int.from_bytes(master.salt.ljust(14, b"\0")) ^ label << 48
    return Cipher(AES(master.key), CTR((start << 16).to_bytes(16))).encryptor().update(bytes(length))


def by_the_book(packet: bytes, master: Keys, rollovers: int) -> bytes:
    """RFC 3711 sections 4.1.1 and 4.2.1."""
    size = SUITES[master.suite].tag
    tag = hmac.digest(derived(master, 1, 20), packet[:-size] + rollovers.to_bytes(4), "sha1")[:size]
    assert packet[-size:] == tag
    index = rollovers << 16 | int.from_bytes(packet[2:4])
    start = int.from_bytes(derived(master, 2, 14)) << 16 ^ int.from_bytes(packet[8:12]) << 64 ^ index << 16
    cipher = Cipher(AES(derived(master, 0, 16)), CTR(start.to_bytes(16)))
    return cipher.decryptor().update(packet[12:-size])


def by_the_book_of_gcm(packet: bytes, master: Keys, rollovers: int) -> bytes:
    """RFC 7714 sections 8.1 and 9.1."""
    start = b"\0\0" + packet[8:12] + rollovers.to_bytes(4) + packet[2:4]
    start = bytes(a ^ b for a, b in zip(start, derived(master, 2, 12), strict=True))
    return AESGCM(derived(master, 0, len(master.key))).decrypt(start, packet[12:], packet[:12])


def test_the_wire_is_libsrtps_published_example() -> None:
    key = bytes.fromhex("e1f97a0d3e018be0d64fa32c06de4139")
    salt = bytes.fromhex("0ec675ad498afeebb6960b3aabe6")
    sender = Srtp(Security(Keys(CM, key, salt), keys(1)))
    plain = bytes.fromhex("800f1234decafbadcafebabe") + b"\xab" * 16
    assert sender.protect(plain).hex() == (
        "800f1234decafbadcafebabe4e55dc4ce79978d88ca4d215949d2402b78d6acc99ea179b8dbb"
    )


@pytest.mark.parametrize(("suite", "key", "salt"), [("AES", 16, 14), (CM, 32, 14), (CM, 16, 12)])
def test_keys_have_the_lengths_of_their_suite(suite: str, key: int, salt: int) -> None:
    with pytest.raises(ValueError, match="no key and salt"):
        Keys(suite, bytes(key), bytes(salt))


def test_a_repr_shows_no_key() -> None:
    security = Security(Keys(CM, b"ABCDEFGHIJKLMNOP", b"abcdefghijklmn"), keys(1))
    assert "ABCD" not in repr(security)
    assert "abcd" not in repr(security)


# -- what is not opened --------------------------------------------------------------------------------------------


@every_suite
def test_a_packet_is_opened_once(suite: str) -> None:
    ours, theirs = ends(suite)
    packet = ours.protect(rtp(1))
    theirs.unprotect(packet)
    assert refuses(theirs, packet)
    report = ours.protect_rtcp(rtcp())
    theirs.unprotect_rtcp(report)
    with pytest.raises(MalformedPacket):
        theirs.unprotect_rtcp(report)
    assert theirs.unprotect(ours.protect(rtp(2))) == rtp(2)


@settings(max_examples=60, deadline=None)
@given(where=st.integers(0, 10_000), bit=st.integers(0, 7), suite=st.sampled_from(sorted(SUITES)))
def test_no_bit_of_a_packet_can_be_changed(where: int, bit: int, suite: str) -> None:
    ours, theirs = ends(suite)
    packet = bytearray(ours.protect(rtp(1)))
    packet[where % len(packet)] ^= 1 << bit
    assert refuses(theirs, bytes(packet))
    report = bytearray(ours.protect_rtcp(rtcp()))
    report[where % len(report)] ^= 1 << bit
    with pytest.raises(MalformedPacket):
        theirs.unprotect_rtcp(bytes(report))
    assert theirs.unprotect(ours.protect(rtp(2))) == rtp(2)


@settings(max_examples=100, deadline=None)
@given(data=st.binary(max_size=2048))
def test_noise_is_refused_and_changes_nothing(data: bytes) -> None:
    ours, theirs = ends()
    assert refuses(theirs, data)
    with pytest.raises(MalformedPacket):
        theirs.unprotect_rtcp(data)
    assert theirs.unprotect(ours.protect(rtp(1))) == rtp(1)


@every_suite
def test_clear_rtp_short_packets_and_another_key_are_refused(suite: str) -> None:
    ours, theirs = ends(suite)
    packet = ours.protect(rtp(1))
    stranger = Srtp(Security(keys(33, suite), keys(44, suite)))
    for data in (rtp(1), b"", b"12345", packet[:12], packet[:-1], stranger.protect(rtp(1))):
        assert refuses(theirs, data)
    for data in (rtcp(), b"", b"12345", stranger.protect_rtcp(rtcp())):
        with pytest.raises(MalformedPacket):
            theirs.unprotect_rtcp(data)
    assert theirs.unprotect(packet) == rtp(1)


def test_a_key_is_not_heard_past_its_lifetime() -> None:
    ours, theirs = ends(lifetime=3)
    for sequence in range(3):
        theirs.unprotect(ours.protect(rtp(sequence)))
    assert refuses(theirs, ours.protect(rtp(3)))


def test_an_authentic_sender_has_so_many_sources_and_no_more() -> None:
    ours, theirs = ends()
    for ssrc in range(SOURCES):
        theirs.unprotect(ours.protect(rtp(1, ssrc)))
    assert refuses(theirs, ours.protect(rtp(1, SOURCES)))
    assert theirs.unprotect(ours.protect(rtp(2, 5))) == rtp(2, 5)


# -- MKI (RFC 3711 section 3.1, RFC 7714 section 8.1) ----------------------------------------------------------------


def with_mki(packet: bytes, mki: bytes, suite: str) -> bytes:
    """Before the tag, and behind everything where the tag is part of what is encrypted."""
    end = len(packet) - (0 if SUITES[suite].aead else SUITES[suite].tag)
    return packet[:end] + mki + packet[end:]


@every_suite
def test_an_mki_is_taken_off(suite: str) -> None:
    ours, theirs = ends(suite, mki=b"\0\0\0\1")
    assert theirs.unprotect(with_mki(ours.protect(rtp(1)), b"\0\0\0\1", suite)) == rtp(1)
    report = ours.protect_rtcp(rtcp())
    end = len(report) - (0 if SUITES[suite].aead else SUITES[suite].rtcp_tag)
    assert theirs.unprotect_rtcp(report[:end] + b"\0\0\0\1" + report[end:]) == rtcp()


@every_suite
def test_another_mki_or_none_is_refused(suite: str) -> None:
    ours, theirs = ends(suite, mki=b"\1")
    assert refuses(theirs, with_mki(ours.protect(rtp(1)), b"\2", suite))
    assert refuses(theirs, ours.protect(rtp(2)))


# -- numbers that pass 65535, sources that come and go -----------------------------------------------------------------


def test_a_call_of_hours_passes_65535_again_and_again_with_packets_lost_in_between() -> None:
    ours, theirs = ends()
    for sequence in range(60_000, 300_000, 4_999):
        assert theirs.unprotect(ours.protect(rtp(sequence))) == rtp(sequence)


def test_packets_that_changed_places_around_65535_are_opened() -> None:
    ours, theirs = ends()
    packets = [ours.protect(rtp(sequence)) for sequence in range(65_533, 65_539)]
    for index in (1, 0, 3, 2, 5, 4):
        assert theirs.unprotect(packets[index]) == rtp(65_533 + index)


def test_a_new_source_is_heard_and_the_old_one_still_is() -> None:
    ours, theirs = ends()
    for ssrc, sequence in ((1, 65_535), (1, 65_536), (2, 40_000), (1, 65_537), (2, 40_001)):
        assert theirs.unprotect(ours.protect(rtp(sequence, ssrc))) == rtp(sequence, ssrc)


@pytest.mark.parametrize("first", [1, 1_000, 40_000, 65_000])
def test_who_joins_late_hears(first: int) -> None:
    ours, theirs = ends()
    ours.protect(rtp(max(0, first - 900)))
    assert theirs.unprotect(ours.protect(rtp(first))) == rtp(first)


def test_who_missed_the_first_packets_up_to_65535_hears_from_there() -> None:
    ours, theirs = ends()
    missed = [ours.protect(rtp(sequence)) for sequence in range(65_500, 65_540)]
    for sequence in range(65_540, 65_560):
        packet = ours.protect(rtp(sequence))
        assert theirs.unprotect(packet) == rtp(sequence)
        assert refuses(theirs, packet)
    assert theirs.unprotect(missed[-1]) == rtp(65_539)


def test_guessing_ends() -> None:
    ours, theirs = ends()
    ours.protect(rtp(65_500))
    for sequence in range(GUESSES):
        assert refuses(theirs, rtp(sequence))
    assert refuses(theirs, ours.protect(rtp(65_540)))


# -- new keys ----------------------------------------------------------------------------------------------------------


def test_new_keys_sound_at_once_and_the_old_ones_are_understood_until_they_expire() -> None:
    ours, theirs = ends()
    late = [ours.protect(rtp(sequence)) for sequence in (1, 2, 3)]
    theirs.unprotect(late[0])
    assert ours.agree(Security(keys(3), keys(11)), 0.0)
    assert not theirs.agree(Security(keys(11), keys(3)), 0.0)
    assert theirs.unprotect(late[1]) == rtp(2)
    assert theirs.unprotect(ours.protect(rtp(4))) == rtp(4)
    assert refuses(theirs, late[1])
    theirs.expire(OLD_KEYS)
    assert refuses(theirs, late[2])
    assert theirs.unprotect(ours.protect(rtp(5))) == rtp(5)


def test_reports_under_the_old_key_are_understood_as_long() -> None:
    ours, theirs = ends()
    report, packet = ours.protect_rtcp(rtcp()), rtp(1)
    ours.agree(Security(keys(3), keys(11)), 0.0)
    theirs.agree(Security(keys(11), keys(3)), 0.0)
    assert theirs.unprotect_rtcp(report) == rtcp()
    assert theirs.unprotect_rtcp(ours.protect_rtcp(rtcp())) == rtcp()
    theirs.unprotect(ours.protect(packet))
    theirs.expire(OLD_KEYS)
    with pytest.raises(MalformedPacket):
        theirs.unprotect_rtcp(report)


def test_the_old_key_lasts_until_the_new_one_has_been_heard() -> None:
    ours, theirs = ends()
    theirs.agree(Security(keys(11), keys(3)), 0.0)
    theirs.expire(OLD_KEYS)
    assert theirs.unprotect(ours.protect(rtp(1))) == rtp(1)


def test_keys_that_stay_keep_what_they_have_heard() -> None:
    ours, theirs = ends()
    packet = ours.protect(rtp(65_535))
    theirs.unprotect(packet)
    theirs.agree(Security(keys(44), keys(1)), 0.0)
    assert refuses(theirs, packet)
    assert theirs.unprotect(ours.protect(rtp(65_536))) == rtp(65_536)


def test_a_key_that_comes_back_has_not_forgotten() -> None:
    ours, theirs = ends()
    packet = ours.protect(rtp(1))
    theirs.unprotect(packet)
    theirs.agree(Security(keys(11), keys(3)), 0.0)
    theirs.agree(Security(keys(11), keys(1)), 0.0)
    assert refuses(theirs, packet)
    assert theirs.unprotect(ours.protect(rtp(2))) == rtp(2)


@pytest.mark.parametrize("resets", [False, True])
@every_suite
def test_a_new_key_after_65535_is_heard_whether_it_counts_on_or_anew(suite: str, resets: bool) -> None:
    ours, theirs = ends(suite)
    for sequence in range(60_032, 200_000, 64):
        theirs.unprotect(ours.protect(rtp(sequence)))
    theirs.agree(Security(keys(11, suite), keys(3, suite)), 0.0)
    ours.agree(Security(keys(3, suite), keys(11, suite)), 0.0)
    assert theirs.unprotect_rtcp(ours.protect_rtcp(rtcp())) == rtcp()
    if not resets:
        for sequence in range(0, 200_000, 10_000):  # an end that keeps its rollovers
            ours.protect(rtp(sequence))
    for sequence in range(200_001, 200_011):
        packet = ours.protect(rtp(sequence))
        assert theirs.unprotect(packet) == rtp(sequence)
        assert refuses(theirs, packet)


def test_what_came_under_a_key_before_its_answer_can_be_opened_afterwards() -> None:
    ours, theirs = ends()
    ours.agree(Security(keys(3), keys(11)), 0.0)
    early = [ours.protect(rtp(sequence)) for sequence in (1, 2)]
    for packet in early:
        assert refuses(theirs, packet)
    theirs.agree(Security(keys(11), keys(3)), 0.0)
    assert [theirs.unprotect(packet) for packet in theirs.unopened()] == [rtp(1), rtp(2)]
    assert theirs.unopened() == []
