"""A house that places calls: two carriers, each a real phone behind a trunk of its own, and the routes to them.

Trunk `a` comes first, `b` second; what each does with an INVITE is its Manners. Numbers under +1 are permitted.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import attrs

from callactors.audio.codecs import make_codec
from callactors.calls.call import Call
from callactors.routing.rules import Order
from callactors.testing.calls import Adapt, Facts, House, Mind, open_house
from callactors.testing.manners import Manners
from callactors.testing.phone_call import PhoneCall
from callactors.testing.scripted_caller import Ears, Tone
from callactors.testing.user_agent import UserAgent, user_agent

NUMBER = "+13125550142"
SHOWN = "+13125550100"
HOSTS = {"a": "127.0.0.41", "b": "127.0.0.42"}
ROUTES = """\
routes: [{to: "+1", tries: [[{trunk: a}], [{trunk: b}]], rate: 0.01}]
permit: ["+1"]
"""


@attrs.frozen
class CallingOut:
    """The house and its carriers."""

    house: House
    a: UserAgent
    b: UserAgent

    async def place(self, number: str = NUMBER, **wishes: str) -> Call:
        """A call of the salon's. Raises NotPlaced."""
        return await self.house.switchboard.place(Order(number=number, scenario="salon", **wishes))

    async def record(self) -> Facts:
        """The first call's rows, once it is closed."""
        return await self.house.record()


def tones(phone: PhoneCall) -> list[Tone]:
    """What somebody at a phone has heard so far, as names of tones."""
    ears, decoder = Ears(phone.line.format), make_codec(phone.line.codec)
    for heard in phone.line.heard:
        if phone.line.is_audio(heard.packet):
            ears.hear(decoder.decode(heard.packet.payload))
    return ears.tones


def trunk_line(name: str, agent: UserAgent, more: str = "") -> str:
    """One trunk of callactors.yaml."""
    host = HOSTS[name]
    return f'  {name}: {{from: [{host}/32], to: "sip:{agent.address}", caller_ids: ["{SHOWN}"]{more}}}'


@asynccontextmanager
async def calling_out(
    data: Path,
    a: Manners | None = None,
    b: Manners | None = None,
    *,
    mind: Mind | None = None,
    rules: str = ROUTES,
    more: str = "",
    adapt: Adapt = lambda book: book,
) -> AsyncIterator[CallingOut]:
    """A house with trunks a and b; `more` is YAML of further sections, `rules` of routes and permit."""
    async with user_agent(HOSTS["a"], name="a", manners=a) as one, user_agent(HOSTS["b"], name="b", manners=b) as two:
        trunks = "\n".join((trunk_line("a", one), trunk_line("b", two)))
        async with open_house(data, mind or Mind(), more=rules + more, trunks=trunks, adapt=adapt) as house:
            yield CallingOut(house, one, two)
