"""Keys for SRTP in a description: a=crypto (RFC 4568, RFC 7714), and what a trunk's policy makes of it. Its rules:

- A line we cannot honour whole (suite, key length, MKI, lifetime, session parameter) is read over, as section 6 asks.
- An answer has one line: the first of the offer's that we know, with its tag and suite and a key of our own.
- A key serves one attempt. It stays as long as the far end's does, so that a re-offer disturbs nothing (7.1.4).
- RTP/AVP with a=crypto is an offer to encrypt if we can (RFC 8643); DTLS (UDP/TLS/RTP/SAVP) is not spoken.
- No key is ever in a message of an error, nor in a repr.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Sequence
from typing import Literal

import attrs

from callactors.errors import MalformedDescription, NoCommonFormat
from callactors.rtp.srtp import SUITES, Keys, Security, Suite
from callactors.sdp.description import Media

Policy = Literal["off", "prefer", "require"]
Token = Callable[[int], bytes]  # that many bytes nobody can guess

AVP, SAVP = "RTP/AVP", "RTP/SAVP"
OFFERED = ("AES_CM_128_HMAC_SHA1_80", "AEAD_AES_128_GCM", "AEAD_AES_256_GCM", "AES_CM_128_HMAC_SHA1_32")  # best first
SHORTEST_LIFE = 2**20  # packets: six hours of 20 ms; whoever changes keys more often is asked for another line
LONGEST_LIFE = 2**48  # RFC 3711 section 9.2
LONGEST_MKI = 128

_LINE = re.compile(
    r"([0-9]{1,9})[ \t]+(\w{1,64})[ \t]+inline:([A-Za-z0-9+/=]{1,128})((?:\|[^| \t;]{1,160})*)(.*)", re.ASCII
)
_LIFE = re.compile(r"(2\^)?([0-9]{1,15})")
_MKI = re.compile(r"([0-9]{1,40}):([0-9]{1,3})")
_HARMLESS = re.compile(r"-[A-Za-z0-9_=.-]*|WSH=[0-9]{1,6}|KDR=0", re.IGNORECASE)  # a leading "-": may be ignored


@attrs.frozen
class Crypto:
    """One a=crypto line; the keys are for what its writer sends."""

    tag: int
    keys: Keys

    def attribute(self) -> tuple[str, str]:
        """As a description has it."""
        secret = base64.b64encode(self.keys.key + self.keys.salt).decode()
        return "crypto", f"{self.tag} {self.keys.suite} inline:{secret}"


def parse(value: str) -> Crypto | None:
    """A line as somebody else wrote it; None where it is none, or asks for what we do not do."""
    found = _LINE.fullmatch(value.strip(" \t"))
    suite = SUITES.get(found[2].upper()) if found is not None else None
    if found is None or suite is None:
        return None
    secret, life = _secret(found[3], suite), _life_and_mki(found[4])
    if secret is None or life is None or not all(map(_HARMLESS.fullmatch, found[5].split())):
        return None
    return Crypto(int(found[1]), Keys(suite.name, secret[: suite.key], secret[suite.key :], *life))


def lines(media: Media) -> tuple[Crypto, ...]:
    """The lines of a stream that we could use, in the writer's order; of a tag that comes twice the first."""
    found: dict[int, Crypto] = {}
    for name, value in media.attributes:
        if name == "crypto" and (crypto := parse(value or "")) is not None:
            found.setdefault(crypto.tag, crypto)
    return tuple(found.values())


def fresh(token: Token, suites: Sequence[str] = OFFERED) -> tuple[Crypto, ...]:
    """Lines for an offer, each with a key of its own."""
    return tuple(Crypto(tag, _new_keys(SUITES[name], token)) for tag, name in enumerate(suites, 1))


def settled(ours: Media, theirs: Media) -> Security | None:
    """What their answer to our stream agrees on; None is clear RTP. Raises MalformedDescription."""
    offered = {crypto.tag: crypto.keys for crypto in lines(ours)}
    if not offered or theirs.attribute("crypto") is None:
        if offered and is_secure(theirs):
            raise MalformedDescription(f"{theirs.protocol} answered without a=crypto")
        return None
    for crypto in lines(theirs):
        keys = offered.get(crypto.tag)
        if keys is not None and keys.suite == crypto.keys.suite:
            return Security(send=keys, receive=crypto.keys)
    raise MalformedDescription("the answer's a=crypto is none of ours")


def is_secure(media: Media) -> bool:
    """Whether it is a stream of RTP/SAVP."""
    return media.protocol.upper() == SAVP


@attrs.frozen
class Protection:
    """What is asked of a stream: the trunk's policy, where new keys come from, the keys it has."""

    policy: Policy
    token: Token
    current: Security | None = None

    def offer(self, said: Media | None, *, late: bool = False, renewed: bool = False) -> tuple[str, tuple[Crypto, ...]]:
        """Protocol and a=crypto of our next offer, `said` being our stream in the description before.

        `late`: in a response, where nobody could refuse it and be asked again. `renewed`: with a new key.
        """
        if self.policy == "off":
            return AVP, ()
        if said is None or not (is_secure(said) or lines(said)):
            return AVP if late and self.policy == "prefer" else SAVP, fresh(self.token)
        if renewed and self.current is not None:
            return said.protocol, fresh(self.token, (self.current.send.suite,))
        return said.protocol, lines(said)

    def usable(self, streams: Sequence[Media]) -> list[int]:
        """Which streams the policy lets us take, encrypted ones first. Raises NoCommonFormat, saying why none."""
        refusals = [self._refusal(media) for media in streams]
        if streams and all(refusals):
            raise NoCommonFormat(next(iter(refusals)))
        found = [index for index, refusal in enumerate(refusals) if not refusal]
        return sorted(found, key=lambda index: not is_secure(streams[index]))

    def _refusal(self, media: Media) -> str:
        protocol = media.protocol.upper()
        if protocol == AVP:
            return "the offer is in clear (RTP/AVP), and this trunk's srtp is require" if self._must else ""
        if protocol != SAVP:
            return f"the offer is {protocol[:40]}, and only RTP/AVP and RTP/SAVP (a=crypto) are spoken"
        if self.policy == "off":
            return "the offer is encrypted (RTP/SAVP), and this trunk's srtp is off"
        why = "the offer has no a=crypto we could use (suite, key, lifetime, MKI, parameters)"
        return "" if lines(media) else f"{why}; it names {_named(media)}"

    @property
    def _must(self) -> bool:
        return self.policy == "require"

    def reply(self, stream: Media) -> tuple[Crypto | None, Security | None]:
        """Our line for the answer to a stream of `usable`, and what it agrees on; neither for clear RTP."""
        offered = lines(stream) if self.policy != "off" else ()
        if not offered:
            return None, None
        now = self.current
        same = None if now is None else next((one for one in offered if one.keys == now.receive), None)
        if now is not None and same is not None:
            return Crypto(same.tag, now.send), now
        first = offered[0]
        keys = _new_keys(SUITES[first.keys.suite], self.token)
        return Crypto(first.tag, keys), Security(send=keys, receive=first.keys)


CLEAR = Protection("off", bytes)


def _new_keys(suite: Suite, token: Token) -> Keys:
    return Keys(suite.name, token(suite.key), token(suite.salt))


def _secret(text: str, suite: Suite) -> bytes | None:
    """Key and salt; some leave the padding out."""
    try:
        secret = base64.b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4), validate=True)
    except binascii.Error:
        return None
    return secret if len(secret) == suite.key + suite.salt else None


def _life_and_mki(text: str) -> tuple[int | None, bytes] | None:
    """`|2^31|1:4`, both optional, in this order; None where they make no sense or cannot be honoured."""
    life, mki = None, b""
    parts = text.split("|")[1:]
    if parts and (found := _LIFE.fullmatch(parts[0])):
        exponent = int(found[2])
        life = (2**exponent if exponent <= 48 else 0) if found[1] else exponent
        if not SHORTEST_LIFE <= life <= LONGEST_LIFE:
            return None
        parts = parts[1:]
    if parts and (found := _MKI.fullmatch(parts[0])):
        length = int(found[2])
        if not 1 <= length <= LONGEST_MKI or int(found[1]) >= 1 << 8 * length:
            return None
        mki, parts = int(found[1]).to_bytes(length), parts[1:]
    return None if parts else (life, mki)


def _named(media: Media) -> str:
    """The suites of a stream's a=crypto lines, for people."""
    words = [(value or "").split() for name, value in media.attributes if name == "crypto"]
    named = sorted({parts[1][:40] for parts in words if len(parts) > 1 and re.fullmatch(r"\w+", parts[1])})
    return ", ".join(named[:8]) or "none"
