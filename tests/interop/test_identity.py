"""STIR/SHAKEN with independent peers: Kamailio's secsipid and secsipidx verify what we sign, and we what they sign."""

from __future__ import annotations

import ssl
import time
from pathlib import Path
from random import Random

import pytest
import trio

from callactors.calls.signing import Signing
from callactors.config import load
from callactors.errors import BadIdentity
from callactors.net.sip_endpoint import SipEndpoint
from callactors.routing.way import Wanted, Way
from callactors.sip.address import Address, Hop
from callactors.sip.events import Event, Failed
from callactors.sip.headers import NameAddr
from callactors.sip.identity import Verified, read, sign, verify
from callactors.sip.uri import SipUri
from callactors.stores.ledger_reader import Facts
from callactors.testing.certificate import certificate
from callactors.testing.stir import Issued, authority, signer, web_server
from tests.interop.proxy import kamailio
from tests.interop.support import Exchange, Program, free_port, sipp

SIGNING, CARRIER, PHONE = "127.0.0.1", "127.0.0.45", "127.0.0.10"
OURS, THEIRS = "+13125550100", "+13125550142"
CALLERS = (THEIRS, "+13125550143", "+13125550144")  # honest, forged, not signed: kamailio/identity.cfg
X5U = "https://certificates.example/shaken.pem"
OFFER = b"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 45678 RTP/AVP 0\r\n"
FILE = """\
version: 1
trunks:
  carrier:
    from: [127.0.0.45/32]
    to: sip:127.0.0.45
    caller_ids: ["+13125550100"]
    identity: {{sign: A, key: "{key}", certificate_url: "https://certificates.example/shaken.pem"}}
numbers: [{{match: "100", trunk: carrier, scenario: salon}}]
models: {{main: {{kind: realtime, url: "ws://127.0.0.1:9/"}}}}
"""
HOUSE = """\
version: 1
listen: {{rtp: 35000-35499}}
trunks:
  carrier:
    from: [127.0.0.45/32]
    media_from: [127.0.0.10/32]
    identity: {{verify: require, anchors: "{anchors}", hosts: ["127.0.0.1:{port}"]}}
numbers: [{{match: "+13125550100", trunk: carrier, scenario: salon}}]
directory: {{front_desk: {{sip: "sip:desk@127.0.0.10:5070", trunk: carrier}}}}
models: {{main: {{kind: realtime, url: "ws://127.0.0.1:9/"}}}}
answer: {{when: at_once}}
"""


@pytest.fixture
def issued(tmp_path: Path) -> Issued:
    """A certificate below an anchor, begun an hour ago, with its files."""
    begin = time.time() - 3600
    anchor = authority(wall=begin)
    one = signer(anchor, wall=begin)
    (tmp_path / "anchors.pem").write_bytes(anchor.pem)
    (tmp_path / "shaken.pem").write_bytes(one.pem)
    (tmp_path / "shaken.key").write_bytes(one.key_pem)
    return one


# -- we sign ----------------------------------------------------------------------------------------------------------


async def dialled(folder: Path, carrier: Address, *, caller: str = OURS) -> int:
    """What Kamailio says of an INVITE that we signed for OURS and that shows `caller`."""
    config = load(FILE.format(key=folder / "shaken.key"), "callactors.yaml", {})
    signing = Signing.load(config, Random(1), time.time)
    target = SipUri("sip", THEIRS, None, carrier.host, carrier.port)
    shown = NameAddr("", SipUri("sip", OURS, None, SIGNING))
    way = signing.dress(Wanted(purpose="outbound"), Way(trunk="carrier", hop=Hop(*carrier), uri=target, caller=shown))
    endpoint = SipEndpoint(
        SIGNING, 0, node="n", trunk_of=lambda hop: "carrier", on_invite=lambda invite: None, random=Random(2)
    )
    told, answers = trio.open_memory_channel[Event](100)
    async with trio.open_nursery() as nursery:
        await nursery.start(endpoint.run)
        other = NameAddr("", SipUri("sip", caller, None, SIGNING))
        session = endpoint.invite(target, to=way.hop, trunk="carrier", caller=other, body=OFFER, headers=way.headers)
        endpoint.subscribe(session, told.send_nowait)
        with trio.fail_after(10):
            async for event in answers:
                if isinstance(event, Failed):
                    nursery.cancel_scope.cancel()
                    return event.status
    raise AssertionError("no answer")


async def test_kamailio_verifies_what_we_sign(tmp_path: Path, issued: Issued) -> None:
    listen = Address(CARRIER, free_port(CARRIER))
    words = {"certificate": tmp_path / "shaken.pem", "key": tmp_path / "shaken.key", "x5u": X5U, "house": "127.0.0.1:9"}
    async with kamailio(tmp_path, "identity", listen, signed=SIGNING, **words):
        assert await dialled(tmp_path, listen) == 486


async def test_kamailio_refuses_what_was_signed_with_another_key(tmp_path: Path, issued: Issued) -> None:
    listen = Address(CARRIER, free_port(CARRIER))
    (tmp_path / "other.pem").write_bytes(signer(wall=time.time() - 60).pem)
    words = {"certificate": tmp_path / "other.pem", "key": tmp_path / "shaken.key", "x5u": X5U, "house": "127.0.0.1:9"}
    async with kamailio(tmp_path, "identity", listen, signed=SIGNING, **words):
        assert await dialled(tmp_path, listen) == 438


async def test_secsipidx_verifies_what_we_sign_and_refuses_it_altered(tmp_path: Path, issued: Issued) -> None:
    token = sign(
        issued.key, x5u=X5U, attest="B", orig=OURS, dest=THEIRS, iat=int(time.time()), origid="8f0b4d5e"
    )  # fmt: skip
    assert await checked(tmp_path, token) == 0
    head, claims, rest = token.split(".", 2)
    assert await checked(tmp_path, f"{head}.{claims[:-4]}AAAA.{rest}") != 0


async def checked(folder: Path, token: str) -> int:
    (folder / "identity").write_text(token)
    command = ["secsipidx", "-check", "-fidentity", str(folder / "identity"), "-p", str(folder / "shaken.pem")]
    done = await trio.run_process([*command, "-expire", "60"], capture_stdout=True, capture_stderr=True, check=False)
    return done.returncode


# -- they sign --------------------------------------------------------------------------------------------------------


async def test_we_verify_what_secsipidx_signs(tmp_path: Path, issued: Issued) -> None:
    command = [
        "secsipidx", "-sign-full", "-orig-tn", OURS.lstrip("+"), "-dest-tn", THEIRS.lstrip("+"), "-attest", "A",
        "-orig-id", "e9b1a7c2", "-x5u", X5U, "-k", str(tmp_path / "shaken.key"),
    ]  # fmt: skip
    done = await trio.run_process(command, capture_stdout=True)
    passport = read(done.stdout.decode().strip().removeprefix("Identity: "))
    given = {"orig": OURS, "date": None, "wall": time.time()}
    found = verify(passport, issued.key.public_key(), dest=THEIRS, **given)  # type: ignore[arg-type]  # shared row
    assert found == Verified("A", "e9b1a7c2", OURS.lstrip("+"))
    with pytest.raises(BadIdentity, match="438"):
        verify(passport, issued.key.public_key(), dest=OURS, **given)  # type: ignore[arg-type]  # as above


async def test_a_call_that_kamailio_signed_is_taken_and_a_forged_or_unsigned_one_is_438_or_428(
    tmp_path: Path, issued: Issued, exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    web = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(web)
    monkeypatch.setenv("SSL_CERT_FILE", str(web))  # of the process that takes the call
    listen = Address(CARRIER, free_port(CARRIER))
    async with web_server({"/shaken.pem": issued.pem}, context) as port:
        config = HOUSE.format(anchors=tmp_path / "anchors.pem", port=port)
        with exchange.run(config=config) as program:
            words = {
                "certificate": tmp_path / "shaken.pem", "key": tmp_path / "shaken.key", "house": program.sip,
                "x5u": f"https://127.0.0.1:{port}/shaken.pem",
            }  # fmt: skip
            async with kamailio(tmp_path, "identity", listen, signed="127.0.0.99", **words):
                records = [await called_by(tmp_path, program, listen, caller) for caller in CALLERS]
            events = program.call(records[0]["call"])["events"]
    assert [(one["cause"], one["sip_code"]) for one in records][1:] == [("identity", 438), ("identity", 428)]
    assert records[0]["answered"]
    [body] = [event["body"] for event in events if event["kind"] == "identity"]
    assert (body["verstat"], body["attest"]) == ("passed", "A")


async def called_by(folder: Path, program: Program, proxy: Address, caller: str) -> Facts:
    """The record of one call through Kamailio."""
    await sipp(
        folder, proxy, "-s", OURS, "-key", "caller", caller, "-d", "200",
        scenario="talks_through_proxies", host=PHONE, seconds=10,
    )  # fmt: skip
    [record] = await program.closed(caller)
    return record
