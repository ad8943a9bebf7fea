"""A certificate signs calls only if it leads to an anchor, is valid today, and names the number (RFC 8226)."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from callactors.errors import BadIdentity
from callactors.sip.identity_chain import MAX_CHAIN, read_pem, signing_key
from callactors.sip.tn_auth_list import TnAuthList
from callactors.testing.stir import DAY, Issued, authority, signer

WALL = 1_700_000_000.0
ANCHOR = authority(wall=WALL)
NUMBER = "13125550100"


def why_not(
    chain: Sequence[Issued], number: str = NUMBER, wall: float = WALL, anchors: Sequence[Issued] = (ANCHOR,)
) -> str:
    """The problem, "" when there is none."""
    try:
        signing_key([one.certificate for one in chain], [one.certificate for one in anchors], number, wall)
    except BadIdentity as problem:
        assert problem.status == 437  # noqa: PT017  # the helper is what raises for both kinds of test
        return problem.problem
    return ""


def test_a_certificate_below_an_anchor_signs() -> None:
    leaf = signer(ANCHOR, wall=WALL)
    key = signing_key([leaf.certificate], [ANCHOR.certificate], NUMBER, WALL)
    assert key == leaf.key.public_key()


def test_one_between_comes_with_the_leaf() -> None:
    middle = authority("middle", wall=WALL, issuer=ANCHOR)
    leaf = signer(middle, wall=WALL)
    assert why_not([leaf, middle]) == ""
    assert why_not([leaf]) == "no way to a certificate we trust"


def test_a_self_made_certificate_does_not_pass_unless_it_is_an_anchor_itself() -> None:
    lone = signer(wall=WALL)
    assert why_not([lone]) == "no way to a certificate we trust"
    assert why_not([lone], anchors=[lone]) == ""


def test_the_same_name_with_another_key_is_not_the_anchor() -> None:
    fake = authority(wall=WALL)
    assert why_not([signer(fake, wall=WALL), fake]) == "no way to a certificate we trust"


def test_a_leaf_issues_nothing() -> None:
    leaf = signer(ANCHOR, wall=WALL)
    assert why_not([signer(leaf, wall=WALL), leaf]) == "no way to a certificate we trust"


def test_a_path_longer_than_a_ca_allows_is_no_path() -> None:
    short = authority("short", wall=WALL, depth=0)
    middle = authority("middle", wall=WALL, issuer=short)
    assert why_not([signer(short, wall=WALL)], anchors=[short]) == ""
    assert why_not([signer(middle, wall=WALL), middle], anchors=[short]) == "no way to a certificate we trust"


def test_an_endless_chain_is_not_followed() -> None:
    chain = [ANCHOR]
    for n in range(MAX_CHAIN):
        chain.append(authority(f"ca {n}", wall=WALL, issuer=chain[-1]))
    assert why_not([signer(chain[-1], wall=WALL), *reversed(chain[1:])]) == "no way to a certificate we trust"


@pytest.mark.parametrize("wall", [WALL - 1, WALL + DAY + 1])
def test_a_certificate_is_valid_in_its_time_only(wall: float) -> None:
    assert why_not([signer(ANCHOR, wall=WALL)], wall=wall) == "a certificate that is not valid today"


def test_an_expired_anchor_anchors_nothing() -> None:
    assert why_not([signer(ANCHOR, wall=WALL + DAY)], wall=WALL + DAY + 1) == "a certificate that is not valid today"


@pytest.mark.parametrize(
    ("allowed", "number", "problem"),
    [
        (TnAuthList(codes=("1234",)), NUMBER, ""),
        (TnAuthList(numbers=((NUMBER, 1),)), NUMBER, ""),
        (TnAuthList(numbers=((NUMBER, 1),)), "13125550101", "a certificate for other numbers"),
        (TnAuthList(numbers=(("13125550000", 200),)), "13125550199", ""),
        (TnAuthList(numbers=(("13125550000", 200),)), "13125550200", "a certificate for other numbers"),
        (TnAuthList(numbers=(("13125550000", 200),)), "0013125550100", "a certificate for other numbers"),
        (None, NUMBER, "no TNAuthList"),
        (TnAuthList(), NUMBER, "unreadable TNAuthList"),
    ],
)
def test_it_signs_for_the_numbers_it_names(allowed: TnAuthList | None, number: str, problem: str) -> None:
    assert why_not([signer(ANCHOR, wall=WALL, allowed=allowed)], number) == problem


def test_another_curve_signs_no_calls() -> None:
    assert why_not([signer(ANCHOR, wall=WALL, curve=ec.SECP384R1)]) == "not a P-256 key"


def test_what_is_critical_and_unknown_is_refused() -> None:
    strange = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
    assert why_not([signer(ANCHOR, wall=WALL, critical=[strange])]) == "a critical extension we do not know"


def test_a_certificate_that_may_not_sign_does_not() -> None:
    others = dict.fromkeys(("content_commitment", "data_encipherment", "key_agreement", "crl_sign"), False)
    usage = x509.KeyUsage(
        digital_signature=False, key_encipherment=False, key_cert_sign=True, encipher_only=False, decipher_only=False,
        **others,
    )  # fmt: skip
    assert why_not([signer(ANCHOR, wall=WALL, critical=[usage])]) == "a certificate that may not sign"


@pytest.mark.parametrize("data", [b"", b"hello", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_what_is_no_certificate_is_437(data: bytes) -> None:
    with pytest.raises(BadIdentity, match="437"):
        read_pem(data)


def test_more_certificates_than_a_chain_has_are_not_looked_at() -> None:
    with pytest.raises(BadIdentity, match="too many"):
        read_pem(ANCHOR.pem * (MAX_CHAIN + 1))
