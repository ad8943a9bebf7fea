"""STIR/SHAKEN: what we sign verifies, and nothing else does (RFC 8224, 8225, 8588)."""

from __future__ import annotations

import base64
import json
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from callactors.errors import BadIdentity
from callactors.sip.identity import Passport, Verified, canonical_number, date_header, number_of, read, sign, verify
from callactors.sip.uri import parse_uri

KEY = ec.derive_private_key(7, ec.SECP256R1())
OTHER = ec.derive_private_key(8, ec.SECP256R1())
X5U = "https://certificates.example/shaken.pem"
WALL = 1_700_000_000.0


def signed(**changes: Any) -> str:
    given = {
        "x5u": X5U,
        "attest": "A",
        "orig": "+13125550100",
        "dest": "+13125550142",
        "iat": int(WALL),
        "origid": "u1",
    }
    return sign(KEY, **{**given, **changes})


def check(text: str, **changes: Any) -> Verified:
    given = {"orig": "+13125550100", "dest": "+13125550142", "date": None, "wall": WALL}
    return verify(read(text), KEY.public_key(), **{**given, **changes})


def status(text: str, **changes: Any) -> int:
    with pytest.raises(BadIdentity) as raised:
        check(text, **changes)
    return raised.value.status


def part(text: str, index: int) -> Any:
    piece = text.partition(";")[0].split(".")[index]
    return base64.urlsafe_b64decode(piece + "=" * (-len(piece) % 4))


def altered(text: str, index: int, **changes: Any) -> str:
    """The same token with some values changed, its signature left."""
    pieces = text.partition(";")[0].split(".")
    value = {**json.loads(part(text, index)), **changes}
    pieces[index] = base64.urlsafe_b64encode(msgspec.json.encode(value, order="sorted")).rstrip(b"=").decode()
    return ".".join(pieces) + ";" + text.partition(";")[2]


@pytest.mark.parametrize("attest", ["A", "B", "C"])
def test_what_we_sign_verifies_with_its_attestation(attest: str) -> None:
    assert check(signed(attest=attest)) == Verified(attest, "u1", "13125550100")


def test_the_token_is_canonical_json_sorted_and_without_spaces() -> None:
    text = signed()
    assert part(text, 0) == f'{{"alg":"ES256","ppt":"shaken","typ":"passport","x5u":"{X5U}"}}'.encode()
    claims = '{"attest":"A","dest":{"tn":["13125550142"]},"iat":1700000000,"orig":{"tn":"13125550100"},"origid":"u1"}'
    assert part(text, 1) == claims.encode()
    assert len(part(text, 2)) == 64
    assert text.endswith(f";info=<{X5U}>;alg=ES256;ppt=shaken")


@pytest.mark.parametrize("wall", [WALL - 61, WALL + 61, WALL + 86_400])
def test_a_token_that_is_not_of_now_is_403(wall: float) -> None:
    assert status(signed(), wall=wall) == 403


def test_a_date_must_agree_with_iat() -> None:
    assert check(signed(), date=date_header(WALL + 30))
    assert status(signed(), date=date_header(WALL + 90)) == 403
    assert status(signed(), date="yesterday") == 403


def test_a_date_is_written_as_sip_wants_it() -> None:
    assert date_header(WALL) == "Tue, 14 Nov 2023 22:13:20 GMT"


@pytest.mark.parametrize("claim", [{"attest": "B"}, {"origid": "x"}, {"dest": {"tn": ["1"]}}, {"orig": {"tn": "1"}}])
def test_an_altered_claim_is_438(claim: dict[str, Any]) -> None:
    assert status(altered(signed(), 1, **claim)) == 438


def test_another_caller_or_callee_than_the_signed_one_is_438() -> None:
    assert status(signed(), orig="+13125550199") == 438
    assert status(signed(), dest="+13125550199") == 438


def test_another_key_is_438_and_another_curve_437() -> None:
    passport = read(signed())
    given = {"orig": "+13125550100", "dest": "+13125550142", "date": None, "wall": WALL}
    for key, expected in ((OTHER.public_key(), 438), (ec.derive_private_key(7, ec.SECP384R1()).public_key(), 437)):
        with pytest.raises(BadIdentity) as raised:
            verify(passport, key, **given)  # type: ignore[arg-type]  # one row of arguments for both
        assert raised.value.status == expected


@pytest.mark.parametrize("alg", ["none", "HS256", "es256", "RS256", "ES384"])
def test_no_algorithm_but_es256_is_looked_at(alg: str) -> None:
    assert status(altered(signed(), 0, alg=alg)) == 437


def test_another_kind_of_passport_is_437() -> None:
    assert status(altered(signed(), 0, ppt="div")) == 437
    assert status(signed().replace("ppt=shaken", "ppt=div")) == 437


def test_what_must_be_understood_and_is_not_is_437() -> None:
    assert status(altered(signed(), 0, crit=["jku"], jku="https://elsewhere.example/")) == 437


def test_the_compact_form_is_refused() -> None:
    token, _, rest = signed().partition(";")
    assert status(f"..{token.split('.')[2]};{rest}") == 438


def test_info_must_name_the_certificate_that_the_token_names() -> None:
    assert status(signed().replace(f"info=<{X5U}>", "info=<https://evil.example/a.pem>")) == 436
    assert status(signed().partition(";")[0]) == 436


def test_a_token_of_ten_thousand_characters_is_not_looked_at() -> None:
    assert status("a" * 10_000) == 438


def test_a_deep_or_broken_json_is_438() -> None:
    token = signed().split(".")
    for claims in (b"[" * 2000, b'{"iat":' + b"[" * 2000, b"\xff", b"{}", b'{"iat":"now"}'):
        token[1] = base64.urlsafe_b64encode(claims).rstrip(b"=").decode()
        assert status(".".join(token)) == 438


@settings(max_examples=100)
@given(st.text(max_size=200) | st.builds(lambda a, b: signed()[:a] + b + signed()[a:], st.integers(0, 300), st.text()))
def test_no_text_leads_to_anything_but_bad_identity(text: str) -> None:
    with suppress(BadIdentity):
        assert isinstance(read(text), Passport)


def test_a_number_is_its_digits() -> None:
    assert canonical_number("+1 (312) 555-0100") == "13125550100"
    assert number_of(parse_uri("sip:+13125550100;npdi@carrier.example;user=phone")) == "13125550100"
    assert number_of(parse_uri("tel:+1-312-555-0100")) == "13125550100"
    assert number_of(parse_uri("sip:alice@carrier.example")) == ""
