"""How `call` looks while it goes on, and what it says at the end: one line an event, one sentence a cause."""

from __future__ import annotations

import attrs
import trio

from callactors.commands.demo_show import Show
from callactors.meters.log import safe
from callactors.stores.ledger_reader import Facts

WHY = {
    "busy": "the line is busy",
    "declined": "the call was declined",
    "not_answered": "nobody answered",
    "refused": "the network refused the call: is the number right?",
    "unreached": "no trunk got the call through; see each try above, and `callactors trunks probe`",
    "no_route": "nothing in `routes` leads there: add a route for this prefix, by a trunk that has `to`",
    "not_permitted": "this destination is not under `permit`",
    "caller_id": "no trunk of the route may show that number",
    "trunk_full": "every trunk of the route is at its `channels` or `cps`",
    "overload": "this process can take no further call",
    "model_down": "no model was there to speak; see `models`, or try `callactors doctor`",
    "rtp_silence": "nothing was heard from them, and calling again did not help",
    "cancelled": "the call was given up before anybody answered",
    "crash": "an error of ours ended the call; the record says where",
}


@attrs.define(eq=False)
class Progress:
    """Takes what happens in the one call of this process, and shows it."""

    show: Show
    ended: trio.Event = attrs.field(factory=trio.Event)

    def tell(self, event: str, call: str = "", **facts: object) -> None:
        """One event of serving's."""
        match event:
            case "placing":
                self.show.begin()
                self.show.line("call", f"calling {facts['called']} for {facts['scenario']}", call)
            case "dialling":
                plainer = ", with the plainest offer" if facts.get("plainer") else ""
                self.show.line("call", f"try {facts['leg']}: trunk {facts['trunk']}, {facts['hop']}{plainer}")
            case "rings":
                early = ", and can be heard" if facts.get("early_media") else ""
                self.show.line("call", f"it rings ({facts['status']}){early}")
            case "tried":
                self.show.line("call", f"try {facts['leg']}: {_why_not(facts)}")
            case "redialling":
                self.show.line("call", "they fell silent: calling again by another trunk")
            case "turn":
                self._turn(facts)
            case "not_placed":
                pass  # its sentence is the command's last word
            case _:
                self.show.line("call", _words(event, facts))
        if event == "ended":
            self.ended.set()

    def _turn(self, facts: dict[str, object]) -> None:
        for who, word in (("person", "heard"), ("agent", "said")):
            if facts.get(word):
                self.show.line(who, safe(facts[word], 600))


def result(show: Show, facts: Facts, data: str) -> None:
    """The last lines: how it ended, and where to look."""
    show.blank()
    cause = str(facts["cause"])
    show.fact("cause", f"{cause}: {WHY[cause]}" if cause in WHY else f"{cause} (by {facts['ended_by']})")
    if facts["duration"] is not None:
        show.fact("talked", f"{facts['duration']:.1f} s, by trunk {facts['trunk']}")
    if facts["usd"] is not None:
        show.fact("cost", f"{facts['usd']:.4f} USD")
    show.fact("outcome", facts["outcome"] or "none")
    show.fact("look again", f"python -m callactors calls show {facts['call']} --data {data}")


def _why_not(facts: dict[str, object]) -> str:
    status, q850 = facts.get("sip_code"), facts.get("q850")
    words = [f"SIP {status}" if status is not None else "no answer", f"Q.850 {q850}" if q850 is not None else ""]
    reason = facts.get("reason")
    return ", ".join(word for word in (*words, safe(reason, 80) if reason else "") if word)


def _words(event: str, facts: dict[str, object]) -> str:
    return " ".join([event, *(f"{name}={safe(fact, 200)}" for name, fact in facts.items() if fact is not None)])
