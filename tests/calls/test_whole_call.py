"""A whole call, as both ends saw and heard it: SIP messages, tones in RTP, rows in the ledger and the stores."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import trio

from callactors.realtime import events as e
from callactors.sip import events as sip
from callactors.testing.calls import Mind, agent_begins, agent_falls_silent, agent_says, open_house
from callactors.testing.scripted_caller import scripted_caller


async def test_a_caller_books_interrupts_is_transferred_and_both_ends_know_it(
    autojump_clock: object, tmp_path: Path
) -> None:
    day = (dt.date.today() + dt.timedelta(days=1)).isoformat()
    wish = {"service": "haircut", "day": day, "time": "15:00", "name": "Dana", "phone": "5550142"}
    mind = Mind()
    async with open_house(tmp_path, mind) as house, scripted_caller(house.endpoint.address) as caller:
        caller.dial()
        peer = await mind.session()
        await caller.hears("greeting")
        assert caller.statuses() == [100, 180, 200]

        caller.say()
        await peer.expect_audio(4800)
        await peer.caller_says("Book me a haircut tomorrow at three. It's Dana, 555 0142.")
        handed = await peer.request_tool("hand_over", {"to": "booking"})
        assert "booking" in await peer.tool_output(handed)
        booked = await peer.request_tool("book_slot", wish)
        assert json.loads(await peer.tool_output(booked))["ok"] is True
        assert [(row["name"], row["start"]) for row in house.bookings()] == [("Dana", f"{day}T15:00:00")]
        assert [row["phone"] for row in house.customers()] == ["5550142"]
        await agent_says(peer, "You're booked. A haircut, tomorrow at three.", 1000)
        await caller.hears("greeting", "agent")

        response, item = await agent_begins(peer, "one two three four five six seven eight", 4000, sounds="agent again")
        await caller.hears("greeting", "agent", "agent again")
        await trio.sleep(1)
        await peer.caller_starts()
        await agent_falls_silent(peer, response, item, "one two")
        truncated = await peer.expect(e.ConversationItemTruncate)
        assert truncated.item_id == item
        await trio.sleep(0.5)
        heard = caller.ears.tones[-1]
        assert abs(heard.ms - truncated.audio_end_ms) <= 20
        assert 1000 <= truncated.audio_end_ms < 1500

        await peer.request_tool("transfer_to_human", {"target": "front_desk"})
        ended = await caller.sees(sip.HungUp)
        record = await house.record()

    assert ended.q850 == 16
    assert caller.names == ["greeting", "agent", "agent again", "transfer"]
    refer = caller.requests("REFER")
    assert [request.headers.get("Refer-To") for request in refer] == ["<sip:desk@127.0.0.1:5070>"]
    assert caller.statuses("REFER", "out") == [202]
    assert caller.statuses("NOTIFY") == [200, 200]
    assert len(caller.requests("BYE")) == 1
    assert (record["cause"], record["outcome"], record["ended_by"]) == ("transferred", "handed_off", "us")
    assert [(row["target"], row["outcome"], row["sip_code"]) for row in record["transfers"]] == [
        ("front_desk", "completed", 200)
    ]
    assert [(row["tool"], row["state"]) for row in record["tool_runs"]] == [
        ("hand_over", "finished"),
        ("book_slot", "finished"),
        ("transfer_to_human", "finished"),
    ]
    assert record["turns"][0]["heard"].startswith("Book me a haircut")
