"""Digest: the examples of RFC 7616, round trips, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callactors.errors import MalformedMessage, UnsafeText
from callactors.sip.auth import ALGORITHMS, Challenge, Credentials, answer, challenges, strongest, verify
from callactors.sip.headers import Headers
from callactors.sip.uri import parse_uri

NONCE = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"
CNONCE = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"


def rfc7616(algorithm: str) -> Challenge:
    return Challenge(
        "http-auth@example.org", NONCE, algorithm, ("auth", "auth-int"), "FQhe/qaU925kfnzjCev0ciny7QMkPqMA"
    )


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_the_example_of_rfc_7616_section_3_9_1_comes_out(algorithm: str, response: str) -> None:
    text = answer(rfc7616(algorithm), "GET", "/dir/index.html", "Mufasa", "Circle of Life", cnonce=CNONCE, nc=1)
    assert Credentials.parse(text).response == response


def test_algorithm_qop_and_nc_stand_without_quotes_in_credentials() -> None:
    text = answer(rfc7616("MD5"), "BYE", "sip:a@b", "u", "p", cnonce="c", nc=26)
    assert "qop=auth, nc=0000001a" in text
    assert "algorithm=MD5" in text


@pytest.mark.parametrize("algorithm", list(ALGORITHMS))
def test_what_we_answer_verifies_and_a_wrong_password_does_not(algorithm: str) -> None:
    challenge = Challenge("carrier", "n1", algorithm)
    uri = parse_uri("sip:+15551234@127.0.0.10")
    given_ = Credentials.parse(answer(challenge, "INVITE", uri, "me", "secret", cnonce="c", nc=1))

    def accepts(password: str = "secret", nonce: str = "n1", method: str = "INVITE", to: str = str(uri)) -> bool:
        return verify(given_, method=method, uri=to, password=password, realm="carrier", nonce=nonce)

    assert accepts()
    assert not accepts(password="wrong")
    assert not accepts(nonce="n2")
    assert not accepts(method="BYE")
    assert not accepts(to="sip:+15551234@127.0.0.11")


def test_a_challenge_without_qop_is_answered_in_the_way_of_rfc_2069() -> None:
    challenge = Challenge.parse('Digest realm="r", nonce="n"')
    given_ = Credentials.parse(answer(challenge, "REGISTER", "sip:r", "u", "p", cnonce="ignored", nc=1))
    assert (given_.qop, given_.cnonce, given_.nc) == ("", "", 0)
    assert verify(given_, method="REGISTER", uri="sip:r", password="p", realm="r", nonce="n")


def test_the_strongest_known_challenge_is_picked_and_unknown_ones_are_passed_over() -> None:
    offered = ("MD5", "SHA3-999", "SHA-256", "SHA-256-sess")
    headers = Headers(
        (
            ("WWW-Authenticate", "NoOneKnowsThisScheme opaque-data=here"),
            *(("WWW-Authenticate", f'Digest realm="r", nonce="n", qop="auth", algorithm={name}') for name in offered),
        )
    )
    picked = strongest(challenges(headers, "www-authenticate"))
    assert picked is not None
    assert picked.algorithm == "SHA-256"


def test_a_challenge_is_written_with_all_it_says() -> None:
    challenge = Challenge("r", "n", "SHA-256", (), "o", stale=True)
    assert str(challenge) == 'Digest realm="r", nonce="n", algorithm=SHA-256, opaque="o", stale=true'
    assert Challenge.parse(str(challenge)) == challenge


def test_an_algorithm_name_is_read_without_case() -> None:
    assert Challenge.parse('Digest realm="r", nonce="n", algorithm=md5').usable


def test_a_challenge_only_for_auth_int_is_not_usable() -> None:
    challenge = Challenge.parse('Digest realm="r", nonce="n", qop="auth-int"')
    assert strongest(c for c in [challenge] if c.usable) is None
    with pytest.raises(MalformedMessage):
        answer(challenge, "INVITE", "sip:a", "u", "p", cnonce="c", nc=1)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Basic dXNlcg==",
        "Digest",
        'Digest realm="r"',
        'Digest nonce="n"',
        'Digest realm="r", nonce="n", nonce="m"',
        'Digest realm="r", nonce="n"x',
        'Digest realm="r, nonce=n',
        "Digest realm",
        "Digest " + ", ".join(f"a{n}=1" for n in range(65)),
    ],
)
def test_a_broken_challenge_is_malformed(text: str) -> None:
    with pytest.raises(MalformedMessage):
        Challenge.parse(text)


@pytest.mark.parametrize("count", ["", "g", "123456789", "+1", "1_0"])
def test_a_broken_nonce_count_is_malformed(count: str) -> None:
    with pytest.raises(MalformedMessage):
        Credentials.parse(f'Digest username="u", realm="r", nonce="n", uri="sip:a", response="0", nc={count}')


@pytest.mark.parametrize(
    ("over", "right"),
    [("sip:100@h:5060", True), ("sip:h:5060", True), ("sip:1@h:5060", False), ("sip:h", False), ("sip:x:5060", False)],
)
def test_a_digest_is_over_the_request_uri_and_may_leave_its_user_out(over: str, right: bool) -> None:
    made = Credentials.parse(answer(Challenge("r", "n"), "INVITE", over, "u", "p", cnonce="c", nc=1))
    assert verify(made, method="INVITE", uri=parse_uri("sip:100@h:5060"), password="p", realm="r", nonce="n") is right


def test_credentials_with_a_uri_that_is_none_do_not_verify() -> None:
    given_ = Credentials("u", "r", "n", "no uri", "0")
    assert not verify(given_, method="INVITE", uri="sip:a", password="p", realm="r", nonce="n")
    assert not verify(given_, method="INVITE", uri=parse_uri("sip:a"), password="p", realm="r", nonce="n")


def test_a_line_end_in_a_user_name_never_reaches_the_header() -> None:
    with pytest.raises(UnsafeText):
        answer(Challenge("r", "n"), "INVITE", "sip:a", "u\r\nX-Injected: 1", "p", cnonce="c", nc=1)


@settings(max_examples=100)
@given(st.text(), st.text(), st.sampled_from(list(ALGORITHMS)), st.booleans(), st.none() | st.text())
def test_a_challenge_comes_back_from_its_own_text(
    realm: str, nonce: str, algorithm: str, stale: bool, opaque: str | None
) -> None:
    challenge = Challenge(realm, nonce, algorithm, ("auth",), opaque, stale)
    if any(end in text for text in (realm, nonce, opaque or "") for end in "\r\n\0"):
        with pytest.raises(UnsafeText):
            str(challenge)
    else:
        assert Challenge.parse(str(challenge)) == challenge
