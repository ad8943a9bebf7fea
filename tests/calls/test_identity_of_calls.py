"""Identities of whole calls: signed when we place them, verified before admission, a fact of the record."""

from __future__ import annotations

from pathlib import Path
from random import Random

import attrs
import pytest
import trio

from callactors.calls.offered import Vouched
from callactors.calls.signing import Signing
from callactors.calls.vouching import Vouching, load_rules
from callactors.config import Config, load
from callactors.errors import NotFetched, Unusable
from callactors.net.http import Fetched
from callactors.net.identity_certificates import IdentityCertificates
from callactors.routing.way import Wanted, Way
from callactors.sip.address import Hop
from callactors.sip.events import Invited
from callactors.sip.headers import NameAddr
from callactors.sip.identity import date_header, read, sign, verify
from callactors.sip.message import Request, parse
from callactors.sip.uri import SipUri
from callactors.testing.sip_script import PEER, SDP, request
from callactors.testing.stir import Issued, authority, signer

WALL = 1_700_000_000.0
X5U = "https://certificates.example/shaken.pem"
ANCHOR = authority(wall=WALL)
SIGNER = signer(ANCHOR, wall=WALL)
FILE = """\
version: 1
trunks:
  carrier:
    from: [127.0.0.10/32]
    to: sip:127.0.0.10
    caller_ids: ["+13125550100"]
    country: US
    identity: {{{identity}}}
numbers: [{{match: "100", trunk: carrier, scenario: salon}}]
models: {{main: {{kind: realtime, url: "ws://127.0.0.1:9/"}}}}
"""


def config(identity: str) -> Config:
    return load(FILE.format(identity=identity), "callactors.yaml", {})


# -- signing ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def signing(tmp_path: Path) -> Signing:
    (tmp_path / "key.pem").write_bytes(SIGNER.key_pem)
    settings = config(f'sign: A, key: "{tmp_path}/key.pem", certificate_url: "{X5U}"')
    return Signing.load(settings, Random(1), lambda: WALL)


def way(caller: str = "+13125550100", called: str = "+13125550142", trunk: str = "carrier") -> Way:
    party = NameAddr("", SipUri("sip", caller, None, "127.0.0.1"))
    return Way(trunk=trunk, hop=Hop("127.0.0.10", 5060), uri=SipUri("sip", called, None, "c.example"), caller=party)


def test_a_call_we_place_is_signed(signing: Signing) -> None:
    dressed = signing.dress(Wanted(purpose="outbound"), way())
    headers = dict(dressed.headers)
    passport = read(headers["Identity"])
    found = verify(
        passport, SIGNER.key.public_key(), orig="+13125550100", dest="+13125550142", date=headers["Date"], wall=WALL
    )
    assert (found.attest, found.orig, passport.info) == ("A", "13125550100", X5U)


@pytest.mark.parametrize(
    "unsigned", [way(caller="+13125559999"), way(caller="callactors"), way(called="alice"), way(trunk="other")]
)
def test_what_is_not_ours_to_vouch_for_is_not_signed(signing: Signing, unsigned: Way) -> None:
    assert signing.dress(Wanted(purpose="outbound"), unsigned) is unsigned


@pytest.mark.parametrize("content", [b"", b"hello", ANCHOR.pem])
def test_a_key_that_cannot_sign_is_told_at_the_start(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "key.pem").write_bytes(content)
    settings = config(f'sign: A, key: "{tmp_path}/key.pem", certificate_url: "{X5U}"')
    with pytest.raises(Unusable, match=r"trunks\.carrier\.identity\.key"):
        Signing.load(settings, Random(1), lambda: WALL)


# -- verifying --------------------------------------------------------------------------------------------------------


@attrs.define
class Desk:
    """Vouching with a certificate server in memory, and what came out of it."""

    vouching: Vouching
    fetched: list[str]
    admitted: list[tuple[Invited, Vouched | None]]


def desk(tmp_path: Path, policy: str = "require", served: Issued | None = SIGNER) -> Desk:
    (tmp_path / "anchors.pem").write_bytes(ANCHOR.pem)
    settings = config(f'verify: {policy}, anchors: "{tmp_path}/anchors.pem", hosts: [certificates.example]')
    fetched: list[str] = []

    async def fetch(url: str) -> Fetched:
        fetched.append(url)
        await trio.sleep(0.01)
        if served is None:
            raise NotFetched("nobody there")
        return Fetched(served.pem, None)

    rules = {
        name: attrs.evolve(rule, certificates=IdentityCertificates([], fetch=fetch))
        for name, rule in load_rules(settings).items()
    }
    admitted: list[tuple[Invited, Vouched | None]] = []
    urgent = "sip:911@127.0.0.1"
    vouching = Vouching(
        rules, lambda: WALL, lambda invite: str(invite.request.uri) == urgent,
        lambda invite, vouched: admitted.append((invite, vouched)),
    )  # fmt: skip
    return Desk(vouching, fetched, admitted)


def invite(*headers: str, uri: str = "sip:13125550100@127.0.0.1", trunk: str = "carrier") -> Invited:
    """A call from +1 312 555 0142 to +1 312 555 0100, as its carrier hands it over."""
    data = request("INVITE", uri=uri, headers=headers, body=SDP, without=["From", "To"])
    given = b"\r\nFrom: <sip:+13125550142@127.0.0.10>;tag=a\r\nTo: <sip:3125550100@127.0.0.1>\r\nCSeq"
    message = parse(data.replace(b"\r\nCSeq", given, 1))
    assert isinstance(message, Request)
    return Invited(1, trunk, PEER, message)


def token(**changes: object) -> str:
    given: dict[str, object] = {
        "x5u": X5U, "attest": "A", "orig": "13125550142", "dest": "13125550100", "iat": int(WALL), "origid": "u1",
    }  # fmt: skip
    return "Identity: " + sign(SIGNER.key, **{**given, **changes})  # type: ignore[arg-type]  # keywords of sign


async def test_a_good_identity_passes_with_its_attestation(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    found = await desk(tmp_path).vouching.vouch(invite(token(), f"Date: {date_header(WALL)}"))
    assert found == Vouched("passed", "A", "u1", required=True)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ((), 428),
        ((token(iat=int(WALL) - 86_400),), 403),
        ((token(), f"Date: {date_header(WALL - 3600)}"), 403),
        ((token(orig="13125559999"),), 438),
        ((token(dest="13125559999"),), 438),
        ((token().replace("Identity: ", "Identity: e30"),), 438),
        (("Identity: rubbish",), 438),
        ((token(iat=10**400),), 438),
        ((token(orig="13125559999"), 'P-Asserted-Identity: "never closed <sip:+13125559999@127.0.0.10>'), 438),
        ((token().replace(f"info=<{X5U}>", "info=<https://evil.example/>"),), 436),
    ],
)
async def test_each_way_of_being_wrong_has_its_status(
    tmp_path: Path, autojump_clock: trio.testing.MockClock, headers: tuple[str, ...], status: int
) -> None:
    found = await desk(tmp_path).vouching.vouch(invite(*headers))
    assert (found.status, found.verstat) == (status, "none" if status == 428 else "failed")


async def test_a_certificate_out_of_reach_is_436_and_a_self_made_one_437(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    assert (await desk(tmp_path, served=None).vouching.vouch(invite(token()))).status == 436
    lone = attrs.evolve(signer(wall=WALL), key=SIGNER.key)
    assert (await desk(tmp_path, served=lone).vouching.vouch(invite(token()))).status == 437


async def test_nothing_is_fetched_for_what_is_stale_or_of_another_algorithm(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    one = desk(tmp_path)
    none = (
        "Identity: eyJhbGciOiJub25lIiwieDV1IjoiaHR0cDovLzE2OS4yNTQuMTY5LjI1NC8ifQ.e30.AA;info=<http://169.254.169.254/>"
    )
    for header in (token(iat=int(WALL) - 86_400), none):
        assert (await one.vouching.vouch(invite(header))).verstat == "failed"
    assert one.fetched == []


async def test_one_good_identity_among_others_is_enough(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    found = await desk(tmp_path).vouching.vouch(invite("Identity: rubbish", token()))
    assert found.verstat == "passed"


async def test_the_asserted_identity_is_the_caller_who_is_vouched_for(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    asserted = invite(token(orig="13125550177"), "P-Asserted-Identity: <sip:+13125550177@127.0.0.10>")
    assert (await desk(tmp_path).vouching.vouch(asserted)).verstat == "passed"


async def test_calls_are_admitted_with_what_was_found_and_calls_for_help_at_once(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    one = desk(tmp_path)
    async with trio.open_nursery() as nursery:
        await nursery.start(one.vouching.run)
        one.vouching.invited(invite(token()))
        one.vouching.invited(invite(uri="sip:911@127.0.0.1"))
        one.vouching.invited(invite(trunk="another"))
        assert [vouched for _, vouched in one.admitted] == [None, None]
        await trio.sleep(1)
        nursery.cancel_scope.cancel()
    assert one.admitted[2][1] == Vouched("passed", "A", "u1", required=True)


async def test_an_error_of_ours_about_one_identity_ends_nothing(
    tmp_path: Path, autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, seen = desk(tmp_path), list[str]()

    async def broken(self: IdentityCertificates, url: str) -> None:
        seen.append(url)
        raise ZeroDivisionError

    monkeypatch.setattr(IdentityCertificates, "chain", broken)
    async with trio.open_nursery() as nursery:
        await nursery.start(one.vouching.run)
        for _ in range(2):
            one.vouching.invited(invite(token()))
            await trio.sleep(1)
        nursery.cancel_scope.cancel()
    assert seen == [X5U, X5U]
    assert [vouched and vouched.status for _, vouched in one.admitted] == [436, 436]


async def test_a_call_that_waits_when_the_process_ends_is_handed_on_all_the_same(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    one = desk(tmp_path)
    async with trio.open_nursery() as nursery:
        await nursery.start(one.vouching.run)
        one.vouching.invited(invite(token()))
        nursery.cancel_scope.cancel()
    assert [vouched.status for _, vouched in one.admitted if vouched] == [436]


def test_anchors_that_cannot_be_read_are_told_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(Unusable, match=r"trunks\.carrier\.identity\.anchors"):
        load_rules(config(f'verify: record, anchors: "{tmp_path}/none.pem", hosts: [certificates.example]'))
