"""A trunk that is known by its digest, with SIPp as the caller; SIPp knows MD5 alone, and leaves the user out of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.support import CARRIER, STRANGER, Exchange, Program, sipp

HOUSE = """\
version: 1
listen: {rtp: 36500-36999}
trunks:
  pbx: {from: [127.0.0.10/32], challenge: {user: pbx, password: open-sesame, algorithms: [MD5]}}
  phone: {challenge: {user: roamer, password: open-barley, algorithms: [MD5]}}
numbers: [{match: "100", trunk: pbx, scenario: salon}, {match: "100", trunk: phone, scenario: salon}]
directory: {front_desk: {sip: "sip:desk@127.0.0.10:5070", trunk: pbx}}
models: {main: {kind: realtime, url: "ws://127.0.0.1:9/"}}
answer: {when: at_once}
"""


@pytest.fixture
def challenging(exchange: Exchange) -> Iterator[Program]:
    with exchange.run(config=HOUSE) as program:
        yield program


async def test_whoever_has_the_digest_of_a_trunk_talks_from_its_address_or_from_anywhere_and_nobody_else(
    challenging: Program, tmp_path: Path
) -> None:
    async def calls(caller: str, host: str, user: str, password: str) -> int:
        options = ("-s", "100", "-key", "caller", caller, "-d", "200", "-au", user, "-ap", password)
        return (
            await sipp(tmp_path, challenging.sip, *options, scenario="is_asked_for_a_digest", host=host, seconds=5)
        ).code

    assert await calls("listed", CARRIER, "pbx", "open-sesame") == 0
    assert await calls("roaming", STRANGER, "roamer", "open-barley") == 0
    assert await calls("guessing", CARRIER, "pbx", "open-barley") != 0
    records = [*await challenging.closed("listed"), *await challenging.closed("roaming")]
    assert [record["trunk"] for record in records] == ["pbx", "phone"]
    assert len(challenging.calls()) == 2
    told = challenging.capture() + challenging.log_file.read_text()
    assert "open-" not in told
