"""a=crypto: which lines are honoured, what a policy takes, answers and offers, and which keys they bear."""

from __future__ import annotations

import base64
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callactors.errors import MalformedDescription, NoCommonFormat
from callactors.rtp.srtp import SUITES
from callactors.sdp import crypto as sdes
from callactors.sdp.crypto import AVP, OFFERED, SAVP, Policy, Protection, Token
from callactors.sdp.description import Description, parse
from callactors.sdp.offer import Agreement, accept_answer, live_stream, make_offer
from callactors.sdp.offer import answer as make_answer

KEY = base64.b64encode(bytes(range(30))).decode()  # of a suite with 16 and 14 bytes
CM = f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY}"
CM_32 = f"2 AES_CM_128_HMAC_SHA1_32 inline:{KEY[::-1].strip('=')}"
GCM = f"3 AEAD_AES_128_GCM inline:{base64.b64encode(bytes(28)).decode()}"
GCM_256 = f"4 AEAD_AES_256_GCM inline:{base64.b64encode(bytes(44)).decode()}"


def counting(start: int = 0) -> Token:
    """Keys that can be told apart."""
    numbers = itertools.count(start + 1)
    return lambda length: bytes([next(numbers)]) * length


def sdp(protocol: str, *crypto: str, more: tuple[str, ...] = ()) -> Description:
    lines = ["v=0", "o=- 1 1 IN IP4 127.0.0.9", "s=-", "c=IN IP4 127.0.0.9", "t=0 0"]
    lines += [f"m=audio 4000 {protocol} 0 101", *(f"a=crypto:{one}" for one in crypto), *more]
    return parse("\r\n".join([*lines, ""]).encode())


def answered(offer: Description, policy: Policy, current: Agreement | None = None, *, seed: int = 0) -> Agreement:
    security = None if current is None else current.security
    previous = None if current is None else current.local
    return make_answer(
        offer, local_host="127.0.0.1", local_port=30_000, codecs=["pcmu"], session_id=1, version=1, previous=previous,
        protection=Protection(policy, counting(seed), security),
    )  # fmt: skip


def offered(policy: Policy, *, late: bool = False) -> Description:
    protocol, crypto = Protection(policy, counting()).offer(None, late=late)
    return make_offer(
        local_host="127.0.0.1", local_port=30_000, codecs=["pcmu"], session_id=1, protocol=protocol, crypto=crypto
    )


def shown(description: Description) -> list[str]:
    """Protocol and a=crypto without its key."""
    (media,) = description.media
    return [media.protocol, *((value or "").rpartition(":")[0] for name, value in media.attributes if name == "crypto")]


def refusal(offer: Description, policy: Policy) -> str:
    with pytest.raises(NoCommonFormat) as caught:
        answered(offer, policy)
    return str(caught.value)


# -- lines ---------------------------------------------------------------------------------------------------------


def test_a_line_goes_there_and_back() -> None:
    for line in sdes.fresh(counting()):
        assert sdes.parse(line.attribute()[1]) == line


def test_a_line_is_read_with_its_lifetime_and_mki_in_every_combination() -> None:
    for end, life, mki in (
        ("", None, b""),
        ("|2^31", 2**31, b""),
        ("|1048576", 2**20, b""),
        ("|1:4", None, b"\0\0\0\1"),
        ("|2^48|66051:3", 2**48, b"\1\2\3"),
        (" WSH=64", None, b""),
        ("|2^20|1:1 KDR=0 -SOMETHING=1", 2**20, b"\1"),
    ):
        line = sdes.parse(CM + end)
        assert line is not None
        assert (line.tag, line.keys.suite) == (1, "AES_CM_128_HMAC_SHA1_80")
        assert (line.keys.key + line.keys.salt, line.keys.lifetime, line.keys.mki) == (bytes(range(30)), life, mki)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "1",
        CM.replace("1 ", "x ", 1),
        CM.replace("1 ", "1234567890 ", 1),
        CM.replace("_80", "_256"),
        CM.replace("inline", "outline"),
        CM[:-4],
        CM + "AAAA",
        CM + "|2^19",
        CM + "|2^49",
        CM + "|2^" + "9" * 15,
        CM + "|0",
        CM + "|256:1",
        CM + "|1:129",
        CM + "|1:0",
        CM + "|1:4|2^31",
        CM + "|2^31|1:4|1:4",
        CM + "|",
        f"{CM};inline:{KEY}|2:4",
        CM + " KDR=4",
        CM + " UNENCRYPTED_SRTP",
        CM + " UNENCRYPTED_SRTCP",
        CM + " UNAUTHENTICATED_SRTP",
        CM + " FEC_ORDER=FEC_SRTP",
        CM + " SOMETHING",
        "1 F8_128_HMAC_SHA1_80 inline:" + KEY,
    ],
)
def test_a_line_that_cannot_be_honoured_whole_is_read_over(value: str) -> None:
    assert sdes.parse(value) is None


@given(st.text(max_size=200))
def test_no_text_is_too_strange(text: str) -> None:
    sdes.parse(text)
    sdes.parse(CM + text)


def test_padding_may_be_missing_and_case_of_the_suite_does_not_count() -> None:
    assert sdes.parse(GCM_256.rstrip("=").replace("AEAD", "aead")) == sdes.parse(GCM_256)


def test_no_key_is_in_a_repr() -> None:
    agreement = answered(sdp(SAVP, CM), "require")
    ours = agreement.local.media[0].attribute("crypto") or ""
    assert KEY[:16] not in repr(agreement)
    assert ours.partition("inline:")[2][:16] not in repr(agreement)


# -- answers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("line", [CM, CM_32, GCM, GCM_256])
def test_an_answer_has_the_offers_tag_and_suite_and_a_key_of_its_own(line: str) -> None:
    agreement = answered(sdp(SAVP, line), "require")
    theirs = sdes.parse(line)
    assert theirs is not None
    assert agreement.security is not None
    assert agreement.security.receive == theirs.keys
    assert agreement.security.send.key == bytes([1]) * SUITES[theirs.keys.suite].key
    assert shown(agreement.local) == [SAVP, line.rpartition(":")[0]]


def test_the_first_line_we_know_is_taken() -> None:
    unknown = f"7 AES_256_CM_HMAC_SHA1_80 inline:{KEY}"
    assert shown(answered(sdp(SAVP, unknown, GCM, CM), "prefer").local) == [SAVP, "3 AEAD_AES_128_GCM inline"]


def test_require_refuses_clear_and_says_so() -> None:
    assert refusal(sdp(AVP), "require") == "the offer is in clear (RTP/AVP), and this trunk's srtp is require"
    assert refusal(sdp(AVP, CM), "require") == "the offer is in clear (RTP/AVP), and this trunk's srtp is require"


def test_off_refuses_what_is_encrypted_and_says_so() -> None:
    assert refusal(sdp(SAVP, CM), "off") == "the offer is encrypted (RTP/SAVP), and this trunk's srtp is off"


def test_suites_nobody_has_are_named_and_their_keys_are_not() -> None:
    said = refusal(sdp(SAVP, f"1 F8_128_HMAC_SHA1_80 inline:{KEY}", "2 x\x1by inline:z"), "prefer")
    assert said.startswith("the offer has no a=crypto we could use (suite, key, lifetime")
    assert said.endswith("; it names F8_128_HMAC_SHA1_80")


def test_dtls_is_not_spoken() -> None:
    assert "only RTP/AVP and RTP/SAVP (a=crypto) are spoken" in refusal(sdp("UDP/TLS/RTP/SAVP"), "prefer")


def test_prefer_takes_clear_encrypted_and_either() -> None:
    assert shown(answered(sdp(AVP), "prefer").local) == [AVP]
    assert shown(answered(sdp(SAVP, CM), "prefer").local) == [SAVP, CM.rpartition(":")[0]]
    opportunistic = answered(sdp(AVP, CM), "prefer")  # RFC 8643
    assert shown(opportunistic.local) == [AVP, CM.rpartition(":")[0]]
    assert opportunistic.security is not None


def test_off_answers_an_opportunistic_offer_in_clear() -> None:
    agreement = answered(sdp(AVP, CM), "off")
    assert (shown(agreement.local), agreement.security) == ([AVP], None)


def test_of_a_stream_in_clear_and_an_encrypted_one_the_encrypted_is_taken() -> None:
    both = sdp(AVP, more=(f"m=audio 4002 {SAVP} 0", f"a=crypto:{CM}"))
    local = answered(both, "prefer").local
    assert [(media.port, media.protocol) for media in local.media] == [(0, AVP), (30_000, SAVP)]
    assert [media.port for media in answered(both, "off").local.media] == [30_000, 0]


def test_the_same_key_again_is_answered_with_ours_and_nothing_has_changed() -> None:
    first = answered(sdp(SAVP, GCM, CM), "require")
    again = answered(sdp(SAVP, CM, GCM), "require", first, seed=50)
    assert again.security == first.security
    assert again.local == first.local


def test_a_new_key_is_answered_with_a_new_key() -> None:
    first = answered(sdp(SAVP, CM), "require")
    again = answered(sdp(SAVP, CM.replace("inline:AAEC", "inline:BBEC")), "require", first, seed=50)
    assert first.security is not None
    assert again.security is not None
    assert again.security.send != first.security.send
    assert again.local.origin.version == first.local.origin.version + 1


# -- offers ----------------------------------------------------------------------------------------------------------


def test_offers_have_a_line_a_suite_each_with_its_own_key() -> None:
    for policy in ("prefer", "require"):
        media = offered(policy).media[0]
        lines = sdes.lines(media)
        assert media.protocol == SAVP
        assert [(line.tag, line.keys.suite) for line in lines] == list(enumerate(OFFERED, 1))
        assert len({line.keys.key for line in lines}) == len(OFFERED)
    assert shown(offered("off")) == [AVP]


def test_a_late_offer_can_be_answered_in_clear_where_that_is_allowed() -> None:
    assert shown(offered("prefer", late=True))[0] == AVP
    assert len(shown(offered("prefer", late=True))) == 1 + len(OFFERED)
    assert shown(offered("require", late=True))[0] == SAVP
    assert accept_answer(offered("prefer", late=True), sdp(AVP)).security is None
    assert accept_answer(offered("prefer", late=True), sdp(AVP, CM)).security is not None


@pytest.mark.parametrize("suite", OFFERED)
def test_both_sides_agree_on_the_keys(suite: str) -> None:
    offer = offered("require")
    chosen = [line for line in sdes.lines(offer.media[0]) if line.keys.suite == suite]
    told = sdp(SAVP, chosen[0].attribute()[1])
    called = answered(told, "require", seed=90)
    caller = accept_answer(offer, parse(bytes(called.local)))
    assert caller.security is not None
    assert called.security is not None
    assert (caller.security.send, caller.security.receive) == (called.security.receive, called.security.send)


@pytest.mark.parametrize(
    "answer", [sdp(SAVP), sdp(SAVP, "9" + CM[1:]), sdp(SAVP, CM.replace("_80", "_32")), sdp(SAVP, GCM_256[:-8])]
)
def test_an_answer_with_no_line_of_ours_is_refused(answer: Description) -> None:
    with pytest.raises(MalformedDescription):
        accept_answer(offered("prefer"), answer, clear_too=True)


def test_who_answers_in_clear_is_taken_where_that_is_allowed() -> None:
    assert accept_answer(offered("prefer"), sdp(AVP), clear_too=True).security is None
    with pytest.raises(MalformedDescription):
        accept_answer(offered("require"), sdp(AVP))


def test_a_stream_in_clear_is_not_answered_encrypted() -> None:
    with pytest.raises(MalformedDescription):
        accept_answer(offered("off"), sdp(SAVP, CM), clear_too=True)


def test_the_next_offer_has_the_same_keys_unless_they_are_renewed() -> None:
    first = offered("require")
    agreement = accept_answer(first, sdp(SAVP, CM))
    protection = Protection("require", counting(100), agreement.security)
    said = live_stream(first)
    assert protection.offer(said) == (SAVP, sdes.lines(first.media[0]))
    protocol, (renewed,) = protection.offer(said, renewed=True)
    assert (protocol, renewed.keys.suite, renewed.keys.key) == (SAVP, "AES_CM_128_HMAC_SHA1_80", bytes([101]) * 16)
