"""A call for help from outside: a PBX dials it while the house is full and every other trunk is dead."""

from __future__ import annotations

from pathlib import Path

import trio

from callactors.sip.message import Request, parse
from tests.interop.support import Exchange, patient, sipp, sipp_phone

PBX, HELP = "127.0.0.10", "127.0.0.20"
HOUSE = """\
version: 1
node: house
listen: {{rtp: 38000-38999}}
trunks:
  pbx: {{profile: pbx, from: [127.0.0.10/32], country: US}}
  dead: {{from: [127.0.0.30/32], to: "sip:127.0.0.30:5999", country: US, caller_ids: ["+13125550100"]}}
  bw911: {{from: [127.0.0.20/32], to: "sip:{help}", country: US, caller_ids: ["+13125550100"]}}
numbers: [{{match: "100", trunk: pbx, scenario: salon}}]
routes: [{{to: "+1", tries: [[{{trunk: dead}}]]}}]
permit: ["+1"]
emergency: {{trunk: bw911, location: hq.xml, numbers: ["9911"]}}
directory: {{front_desk: {{sip: "sip:desk@127.0.0.10:5070", trunk: pbx}}}}
models: {{offline: {{kind: embedded}}}}
answer: {{when: at_once}}
limits: {{calls: 1, per_caller_minute: 1}}
timers: {{first_rtp: 60}}
"""
PLACE = """\
<?xml version="1.0" encoding="UTF-8"?>
<presence xmlns="urn:ietf:params:xml:ns:pidf" xmlns:gp="urn:ietf:params:xml:ns:pidf:geopriv10"
  xmlns:ca="urn:ietf:params:xml:ns:pidf:geopriv10:civicAddr" entity="pres:hq@example.com">
  <tuple id="hq"><status><gp:geopriv><gp:location-info><ca:civicAddress>
    <ca:country>US</ca:country><ca:A1>IL</ca:A1><ca:A3>Chicago</ca:A3><ca:RD>Main Street</ca:RD><ca:HNO>1</ca:HNO>
  </ca:civicAddress></gp:location-info><gp:usage-rules/></gp:geopriv></status></tuple>
</presence>
"""


async def test_911_and_the_pbxs_own_9911_reach_the_emergency_trunk_while_the_house_is_full_and_all_else_is_dead(
    exchange: Exchange, tmp_path: Path
) -> None:
    (tmp_path / "hq.xml").write_text(PLACE)
    async with sipp_phone(tmp_path, "answers", "-d", "1000", "-rtp_echo", host=HELP) as help_desk:
        with exchange.run(*patient(tmp_path), config=HOUSE.format(help=help_desk.address)) as program:
            async with trio.open_nursery() as lines:
                talk = ("-s", "100", "-key", "caller", "fills-the-house", "-d", "8000")
                lines.start_soon(lambda: sipp(tmp_path, program.sip, *talk, scenario="talks_and_hangs_up", host=PBX))
                await program.open_call("fills-the-house")
                refused = await sipp(
                    tmp_path, program.sip, "-s", "100", "-key", "caller", "crowd", scenario="is_told_503", host=PBX
                )
                for number in ("911", "9911"):
                    asks = ("-s", number, "-key", "caller", f"asks-{number}")
                    done = await sipp(tmp_path, program.sip, *asks, scenario="is_hung_up_on", host=PBX)
                    assert done.code == 0, done.errors
                    [record] = await program.closed(f"asks-{number}")
                    tried = [one["trunk"] for one in program.call(record["call"])["attempts"]]
                    assert (record["cause"], record["scenario"], tried) == ("emergency", None, ["pbx", "bw911"])
                lines.cancel_scope.cancel()
        assert refused.code == 0, refused.errors
        assert help_desk.calls() == 2
        invite = first_invite(help_desk.place / "messages")
    assert "cid:" in (invite.headers.get("Geolocation") or "")
    assert (invite.headers.get("Content-Type") or "").startswith("multipart/mixed")
    assert b"<ca:A3>Chicago</ca:A3>" in invite.body
    assert b"m=audio" in invite.body


def first_invite(messages: Path) -> Request:
    """The first INVITE of a SIPp message trace."""
    part = next(part for part in messages.read_bytes().split(b"-" * 47) if b"\nINVITE " in part)
    message = parse(part[part.index(b"INVITE ") :])
    assert isinstance(message, Request)
    return message
