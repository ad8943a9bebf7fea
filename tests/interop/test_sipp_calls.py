"""Callers as carriers send them, by SIPp with scenarios of tests/interop/sipp: what each is told, what is recorded."""

from __future__ import annotations

import subprocess
from pathlib import Path

import trio

from callactors.sip.headers import cseq, name_addr
from callactors.sip.message import Response, parse
from callactors.testing.sip_script import request
from tests.interop.support import CARRIER, STRANGER, Program, Sipp, free_port, sipp

NUMBER = "+13125550100"
OFFER = b"v=0\r\no=- 1 1 IN IP4 127.0.0.12\r\ns=-\r\nc=IN IP4 127.0.0.12\r\nt=0 0\r\nm=audio 45678 RTP/AVP 0\r\n"


async def calling(
    folder: Path,
    program: Program,
    caller: str,
    scenario: str,
    *options: str,
    number: str = NUMBER,
    host: str = CARRIER,
    calls: int = 1,
) -> Sipp:
    """One of our scenarios, the caller being known in the records by a name of its own."""
    return await sipp(
        folder, program.sip, "-s", number, "-key", "caller", caller, *options, scenario=scenario, host=host, calls=calls
    )


async def test_a_caller_who_cancels_while_it_rings_gets_200_and_487_and_a_record_that_says_cancelled(
    ringing_house: Program, tmp_path: Path
) -> None:
    done = await calling(tmp_path, ringing_house, "impatient", "cancels_while_ringing", "-d", "500")
    assert done.code == 0, done.errors
    [record] = await ringing_house.closed("impatient")
    assert (record["cause"], record["sip_code"], record["answered"]) == ("cancelled", 487, None)


async def test_of_six_callers_at_once_a_house_for_three_refuses_exactly_three_with_503_and_retry_after(
    ringing_house: Program, tmp_path: Path
) -> None:
    done = await calling(
        tmp_path, ringing_house, "crowd", "rings_or_is_refused", "-d", "1500", "-r", "6", "-rp", "100", calls=6
    )
    assert done.code == 0, done.errors
    records = await ringing_house.closed("crowd", 6)
    assert (
        sorted((one["cause"], one["sip_code"]) for one in records) == [("cancelled", 487)] * 3 + [("overload", 503)] * 3
    )


async def test_a_bye_from_another_address_of_the_trunks_list_ends_the_call(house: Program, tmp_path: Path) -> None:
    async with trio.open_nursery() as calls:
        calls.start_soon(calling, tmp_path, house, "pooled", "is_hung_up_from_elsewhere", "-d", "3000")
        [record] = await house.open_call("pooled")
        [dialog] = house.call(record["call"])["attempts"]
        tags = ("-key", "our_tag", dialog["local_tag"], "-key", "their_tag", dialog["remote_tag"])
        done = await calling(
            tmp_path,
            house,
            "pooled",
            "hangs_up_for_another",
            "-cid_str",
            dialog["sip_call_id"],
            *tags,
            host="127.0.0.13",
        )
        assert done.code == 0, done.errors
        [record] = await house.closed("pooled")
    assert (record["cause"], record["ended_by"]) == ("caller_hung_up", "far_end")


async def test_an_invite_that_comes_again_is_the_same_call(house: Program, tmp_path: Path) -> None:
    done = await calling(tmp_path, house, "again", "asks_twice", "-d", "500", "-nr")
    assert done.code == 0, done.errors
    assert len(await house.closed("again")) == 1


async def test_a_number_nobody_serves_is_told_404_and_recorded_as_no_route(house: Program, tmp_path: Path) -> None:
    done = await calling(tmp_path, house, "lost", "is_told_404", number="+13125550199")
    assert done.code == 0, done.errors
    [record] = await house.closed("lost")
    assert (record["cause"], record["sip_code"], record["called"]) == ("no_route", 404, "+13125550199")


async def test_an_offer_without_a_codec_of_ours_is_told_488(house: Program, tmp_path: Path) -> None:
    done = await calling(tmp_path, house, "g729", "offers_no_codec_of_ours")
    assert done.code == 0, done.errors
    [record] = await house.closed("g729")
    assert (record["cause"], record["sip_code"]) == ("bad_offer", 488)


async def test_a_stranger_hears_nothing_and_leaves_no_record(house: Program, tmp_path: Path) -> None:
    done = await calling(tmp_path, house, "stranger", "hears_nothing", host=STRANGER)
    assert done.code == 0, done.errors
    assert not [one for one in house.calls() if one["caller"] == "stranger"]


async def test_sipsak_gets_200_for_options(house: Program) -> None:
    options = ["sipsak", "-v", "-s", f"sip:{NUMBER}@{house.sip}", "-l", str(free_port())]
    done = await trio.run_process(options, capture_stdout=True, stderr=subprocess.STDOUT, check=False)
    assert done.returncode == 0, done.stdout.decode()
    assert "SIP/2.0 200" in done.stdout.decode()


async def test_a_digit_that_sipp_plays_is_recorded_once(house: Program, tmp_path: Path) -> None:
    done = await calling(tmp_path, house, "digits", "presses_one")
    assert done.code == 0, done.errors
    [record] = await house.closed("digits")
    facts = house.call(record["call"])
    assert [event["body"] for event in facts["events"] if event["kind"] == "digit"] == [{"digit": "1"}]


async def test_a_caller_on_another_address_with_a_random_port_and_no_rport_is_served(house: Program) -> None:
    with await udp("127.0.0.12") as sending, await udp("127.0.0.12") as listed:
        via = "{}:{}".format(*listed.getsockname())

        async def ask(method: str, number: int, to_tag: str = "", body: bytes = b"") -> Response:
            data = request(
                method, uri=f"sip:{NUMBER}@{house.sip}", via=via, cseq=number, branch=f"z9hG4bK{number}{method}",
                call_id=via, to_tag=to_tag, body=body,
            )  # fmt: skip
            await sending.sendto(data.replace(b"sip:caller@", b"sip:wanderer@"), house.sip)
            return await final(listed, method)

        answer = await ask("INVITE", 1, body=OFFER)
        assert answer.status == 200
        tag = name_addr(answer.headers.get("To") or "").tag or ""
        assert (await ask("BYE", 2, tag)).status == 200
    [record] = await house.closed("wanderer")
    assert record["cause"] == "caller_hung_up"


async def udp(host: str) -> trio.socket.SocketType:
    """A socket on a port nobody has told anybody."""
    socket = trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM)
    await socket.bind((host, 0))
    return socket


async def final(socket: trio.socket.SocketType, method: str) -> Response:
    """The next final response to a request of this method that comes in here."""
    with trio.fail_after(5):
        while True:
            message = parse(await socket.recv(65_535))
            if isinstance(message, Response) and message.status >= 200 and cseq(message.headers).method == method:
                return message
