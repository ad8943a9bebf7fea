"""SRTP and SRTCP of one stream (RFC 3711, RFC 7714), by libsrtp, which calls know from here alone. Rules:

- What does not authenticate, was heard before, or came in clear is MalformedPacket, and changes nothing.
- New keys (RFC 4568 section 7.1.4) sound at once; for a little while the old ones are still understood.
- Whether a new key goes on counting rollovers (RFC 3711 section 3.3.1) or begins at 0, as most do, is found by trying.
- An MKI is taken off and must be the one that was named; we send none. A key is not heard past its lifetime.
"""

from __future__ import annotations

from collections import deque
from typing import Final

import attrs
from pylibsrtp import Error, Policy, Session

from callactors.errors import MalformedPacket

SOURCES = 256  # SSRCs that may speak under one key: libsrtp keeps a stream for each
OLD_KEYS = 3.0  # seconds after a change of keys in which the old ones are still understood
UNOPENED = 8  # datagrams kept that may be under a key whose answer is still on its way
GUESSES = 32  # packets for which a rollover is guessed that nobody heard
SHORTEST_RTP, SHORTEST_RTCP = 12, 8  # bytes, before what SRTP adds
_STEP = 0x6000  # how far a sequence number may jump and still be taken for newer


@attrs.frozen
class Suite:
    """A crypto suite (RFC 4568 section 6.2, RFC 7714 section 14.2): lengths in bytes. `aead`: an MKI comes last."""

    name: str
    profile: int
    key: int
    salt: int
    tag: int
    rtcp_tag: int
    aead: bool = False


SUITES: Final = {
    suite.name: suite
    for suite in (
        Suite("AES_CM_128_HMAC_SHA1_80", Policy.SRTP_PROFILE_AES128_CM_SHA1_80, 16, 14, 10, 10),
        Suite("AES_CM_128_HMAC_SHA1_32", Policy.SRTP_PROFILE_AES128_CM_SHA1_32, 16, 14, 4, 10),
        Suite("AEAD_AES_128_GCM", Policy.SRTP_PROFILE_AEAD_AES_128_GCM, 16, 12, 16, 16, aead=True),
        Suite("AEAD_AES_256_GCM", Policy.SRTP_PROFILE_AEAD_AES_256_GCM, 32, 12, 16, 16, aead=True),
    )
}


@attrs.frozen
class Keys:
    """One direction's master key and salt. `lifetime` is in packets, None for what the suite allows.

    Raises ValueError for an unknown suite and for lengths that are not its own.
    """

    suite: str
    key: bytes = attrs.field(repr=False)
    salt: bytes = attrs.field(repr=False)
    lifetime: int | None = None
    mki: bytes = b""

    def __attrs_post_init__(self) -> None:
        suite = SUITES.get(self.suite)
        if suite is None or (len(self.key), len(self.salt)) != (suite.key, suite.salt):
            raise ValueError(f"no key and salt of {self.suite}")


@attrs.frozen
class Security:
    """What both directions of a stream are protected with."""

    send: Keys
    receive: Keys


class Srtp:
    """Protects what leaves and opens what comes, for one stream with sockets of its own for RTCP."""

    def __init__(self, security: Security) -> None:
        self.security = security
        self._send = _session(security.send, Policy.SSRC_ANY_OUTBOUND)
        self._ear = _Ear(security.receive)
        self._others: list[_Ear] = []
        self._guesses = GUESSES
        self._old_until = 0.0
        self._unopened: deque[bytes] = deque(maxlen=UNOPENED)

    def agree(self, security: Security, now: float) -> bool:
        """Go on with these keys; whether we now send under other ones. Those that stay keep their state.

        Who now sends under other keys and may have passed sequence number 65535 takes another SSRC, and numbers under
        2^15: peers do not agree on the rollovers of an old SSRC under a new key.
        """
        if security.receive != self.security.receive:
            self._listen_for(security.receive)
            self._old_until = now + OLD_KEYS
        renewed = security.send != self.security.send
        if renewed:
            self._send = _session(security.send, Policy.SSRC_ANY_OUTBOUND)
        self.security = security
        return renewed

    def _listen_for(self, keys: Keys) -> None:
        former = [self._ear, *self._others]
        known = next((ear for ear in former if ear.keys == keys), None)
        self._ear = _Ear(keys) if known is None else known
        self._others = [ear for ear in former if ear.keys != keys]
        ssrc, index = next(reversed(former[0].heard.items()), (b"", 0))
        if known is None and index > 0xFFFF:
            self._others.insert(0, _turned(self._ear, ssrc, index))
        self._guesses = GUESSES

    def expire(self, now: float) -> None:
        """OLD_KEYS after `agree` whoever was heard by the new key is understood by no older one."""
        if self._others and now >= self._old_until and self._ear.heard:
            self._others.clear()

    def unopened(self) -> list[bytes]:
        """The last datagrams no key opened: who answers a re-offer speaks under its key before we have the answer."""
        kept = list(self._unopened)
        self._unopened.clear()
        return kept

    def protect(self, rtp: bytes) -> bytes:
        """An RTP packet as it goes on the wire: at most 1356 bytes, with a sequence number not used before."""
        return self._send.protect(rtp)

    def protect_rtcp(self, rtcp: bytes) -> bytes:
        """An RTCP compound as it goes on the wire."""
        return self._send.protect_rtcp(rtcp)

    def unprotect(self, data: bytes) -> bytes:
        """The RTP packet in a datagram. Raises MalformedPacket."""
        try:
            return self._ear.unprotect(data)
        except MalformedPacket:
            rtp = self._otherwise(data)
            if rtp is None:
                self._unopened.append(data)
                raise
            return rtp

    def unprotect_rtcp(self, data: bytes) -> bytes:
        """The RTCP compound in a datagram. Raises MalformedPacket."""
        for ear in self._others:
            if ear.keys != self._ear.keys:
                try:
                    return ear.unprotect_rtcp(data)
                except MalformedPacket:
                    continue
        return self._ear.unprotect_rtcp(data)

    def _otherwise(self, data: bytes) -> bytes | None:
        """By the keys before; or, until these have been heard, by these with the rollovers counted differently."""
        for ear in (*self._others, *self._guessed(data)):
            ours = ear.keys == self._ear.keys
            if ours and self._ear.heard:
                continue
            try:
                rtp = ear.unprotect(data)
            except MalformedPacket:
                continue
            if ours:
                self._ear = ear
            return rtp
        return None

    def _guessed(self, data: bytes) -> tuple[_Ear, ...]:
        """Who began near 65535 may have passed it before we could hear: then the first we hear is just behind."""
        if self._ear.heard or len(data) <= SHORTEST_RTP or data[2] >= 0x10 or not self._guesses:
            return ()
        self._guesses -= 1
        return (_turned(self._ear, data[8:12], 0x10000),)


class _Ear:
    """Hears by one key. `heard` is about the highest index (RFC 3711 section 3.3.1) of each SSRC."""

    __slots__ = ("_left", "_mki", "_open", "_plain", "_shortest", "_suite", "heard", "keys", "rtcp", "rtp")

    def __init__(self, keys: Keys, rtcp: Session | None = None) -> None:
        self.keys = keys
        self.heard: dict[bytes, int] = {}
        self.rtp = _session(keys, Policy.SSRC_ANY_INBOUND)
        self.rtcp = rtcp or _session(keys, Policy.SSRC_ANY_INBOUND)
        self._suite, self._mki, self._left = SUITES[keys.suite], keys.mki, keys.lifetime
        self._plain = not keys.mki and keys.lifetime is None
        self._open, self._shortest = self.rtp.unprotect, SHORTEST_RTP + self._suite.tag

    def unprotect(self, data: bytes) -> bytes:
        if len(data) < self._shortest:
            raise MalformedPacket(f"{len(data)} bytes are no SRTP")
        ssrc = data[8:12]
        at = self.heard.get(ssrc)
        if at is None and len(self.heard) >= SOURCES:
            raise MalformedPacket(f"over {SOURCES} sources under one SRTP key")
        try:
            rtp = self._open(data) if self._plain else self._unusual(data)
        except (Error, ValueError) as error:
            raise MalformedPacket(f"SRTP: {error}") from None
        if at is None:
            self.heard[ssrc] = data[2] << 8 | data[3]
        elif not data[3] & 0x3F:  # now and then is enough
            ahead = ((data[2] << 8 | data[3]) - at) & 0xFFFF
            self.heard[ssrc] = at + ahead if ahead < 0x8000 else at
        return rtp

    def _unusual(self, data: bytes) -> bytes:
        if self._left == 0:
            raise MalformedPacket("SRTP past the lifetime of its key")
        rtp = self._open(self._without_mki(data, self._suite.tag) if self._mki else data)
        if self._left is not None:
            self._left -= 1
        return rtp

    def unprotect_rtcp(self, data: bytes) -> bytes:
        if len(data) < SHORTEST_RTCP + 4 + self._suite.rtcp_tag:
            raise MalformedPacket(f"{len(data)} bytes are no SRTCP")
        try:
            return self.rtcp.unprotect_rtcp(self._without_mki(data, self._suite.rtcp_tag) if self._mki else data)
        except (Error, ValueError) as error:
            raise MalformedPacket(f"SRTCP: {error}") from None

    def _without_mki(self, data: bytes, tag: int) -> bytes:
        """RFC 3711 section 3.1: it stands before the tag; RFC 7714 section 8.1: at the end."""
        end = len(data) if self._suite.aead else len(data) - tag
        begin = end - len(self._mki)
        if begin < SHORTEST_RTCP or data[begin:end] != self._mki:
            raise MalformedPacket("SRTP with another MKI than agreed")
        return data[:begin] + data[end:]


def _session(keys: Keys, kind: int) -> Session:
    return Session(Policy(keys.key + keys.salt, ssrc_type=kind, srtp_profile=SUITES[keys.suite].profile))


def _turned(ear: _Ear, ssrc: bytes, index: int) -> _Ear:
    """An ear for the same key that takes this source to be near `index`, by packets that were never on a wire."""
    turned, mouth = _Ear(ear.keys, ear.rtcp), _session(ear.keys, Policy.SSRC_ANY_OUTBOUND)
    behind = max(0, index - _STEP // 2)  # so that what comes next is newer than these, and within reach
    for at in (*range(behind % _STEP, behind, _STEP), behind):
        turned.rtp.unprotect(mouth.protect(b"\x80\0" + (at & 0xFFFF).to_bytes(2) + bytes(4) + ssrc))
    turned.heard[ssrc] = behind
    return turned
