"""We as an extension of a PBX: Kamailio's registrar takes our REGISTER, and its calls follow the registration."""

from __future__ import annotations

import signal
from pathlib import Path

from callactors.sip.address import Address
from tests.interop.proxy import kamailio
from tests.interop.support import Exchange, Program, free_port, sipp, until

PBX, PHONE = "127.0.0.46", "127.0.0.10"
HOUSE = """\
version: 1
listen: {{rtp: 35500-35999}}
trunks:
  office:
    profile: pbx
    from: [127.0.0.46/32]
    media_from: [127.0.0.10/32]
    to: "sip:{pbx}"
    auth: {{user: "200", password: "open-sesame"}}
    register: {{expires: 30}}
  thief:
    profile: pbx
    from: [127.0.0.47/32]
    auth: {{user: "201", password: "guess-no-1"}}
    register: {{registrar: "sip:{pbx}"}}
numbers: [{{match: "200", trunk: office, scenario: salon}}]
directory: {{front_desk: {{sip: "sip:desk@127.0.0.10:5070", trunk: office}}}}
models: {{main: {{kind: realtime, url: "ws://127.0.0.1:9/"}}}}
answer: {{when: at_once}}
"""


async def test_a_registration_is_made_once_the_registrar_is_there_brings_calls_and_is_taken_back(
    tmp_path: Path, exchange: Exchange
) -> None:
    pbx = Address(PBX, free_port(PBX))
    with exchange.run(config=HOUSE.format(pbx=pbx)) as program:
        await until(lambda: len(program.log("trunk.not_registered")) == 2, what="nobody to register with")
        async with kamailio(tmp_path, "registrar", pbx, password="open-sesame", minimum=40):
            await until(lambda: program.log("trunk.registered"), 15, "the registration")
            [line] = program.log("trunk.registered")
            assert "expires=40" in line  # we asked for 30, and were told 423
            assert "trunk=office" in line
            assert await called(tmp_path, pbx) == 0
            [record] = await program.closed("300")
            assert (record["called"], record["trunk"], bool(record["answered"])) == ("200", "office", True)
            await leaves(program)
            assert await called(tmp_path, pbx) != 0  # 480: nobody is registered any more
    told = program.capture() + program.log_file.read_text()
    assert "open-sesame" not in told
    assert "guess-no-1" not in told


async def called(folder: Path, pbx: Address) -> int:
    """SIPp's exit code: 0 when extension 200 answered."""
    options = ("-s", "200", "-key", "caller", "300", "-d", "200")
    return (await sipp(folder, pbx, *options, scenario="talks_through_proxies", host=PHONE, seconds=10)).code


async def leaves(program: Program) -> None:
    program.signal(signal.SIGTERM)
    assert await program.exit_code() == 0
