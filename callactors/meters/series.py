"""The series an operator alerts on: every name, its labels and its buckets, in one place. README.md explains them.

- A registry of our own, never prometheus_client's global one: two houses in one process do not add up.
- No label holds what a caller, a peer or a model has said: trunks, models, tools and scenarios come from the
  configuration, everything else from closed sets. `bounded` is the last guard of that.
"""

from __future__ import annotations

import attrs
from prometheus_client import CollectorRegistry, Counter, Histogram

OTHER = "other"
MOST = 64  # values of one label
_QUICK = (0.005, 0.01, 0.02, 0.04, 0.08, 0.15, 0.3, 0.6, 1.0, 2.0, 5.0)
_SETUP = (0.01, 0.02, 0.04, 0.08, 0.15, 0.3, 0.6, 1.0, 2.0, 5.0, 10.0, 30.0)
_ANSWER = (0.2, 0.4, 0.6, 0.8, 1.0, 1.2, 1.5, 2.0, 3.0, 5.0, 10.0)
_STAGE = (0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.8, 1.5, 3.0, 6.0)
_LENGTH = (5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)
_JITTER = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.04, 0.08, 0.16)
_MOS = (1.5, 2.0, 2.5, 3.0, 3.5, 3.8, 4.0, 4.2, 4.3)


@attrs.frozen
class Series:
    """Everything that is counted as it happens; what can be asked for at any time is in gauges.py."""

    registry: CollectorRegistry = attrs.field(factory=CollectorRegistry)
    started: Counter = attrs.field(init=False)
    ended: Counter = attrs.field(init=False)
    refused: Counter = attrs.field(init=False)
    setup: Histogram = attrs.field(init=False)
    length: Histogram = attrs.field(init=False)
    usd: Counter = attrs.field(init=False)
    attempts: Counter = attrs.field(init=False)
    transfers: Counter = attrs.field(init=False)
    outcomes: Counter = attrs.field(init=False)
    turns: Counter = attrs.field(init=False)
    response: Histogram = attrs.field(init=False)
    stages: Histogram = attrs.field(init=False)
    tools: Counter = attrs.field(init=False)
    tool_time: Histogram = attrs.field(init=False)
    packets: Counter = attrs.field(init=False)
    lost: Counter = attrs.field(init=False)
    late: Counter = attrs.field(init=False)
    jitter: Histogram = attrs.field(init=False)
    mos: Histogram = attrs.field(init=False)
    events: Counter = attrs.field(init=False)
    one_way: Counter = attrs.field(init=False)
    model_sessions: Counter = attrs.field(init=False)
    model_lost: Counter = attrs.field(init=False)
    model_reconnects: Counter = attrs.field(init=False)
    mailbox_dropped: Counter = attrs.field(init=False)
    lag: Histogram = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._calls()
        self._conversations()
        self._media()
        self._models()

    def _counter(self, field: str, name: str, about: str, *labels: str) -> None:
        object.__setattr__(self, field, Counter(f"callactors_{name}", about, labels, registry=self.registry))

    def _histogram(self, field: str, name: str, about: str, buckets: tuple[float, ...], *labels: str) -> None:
        made = Histogram(f"callactors_{name}", about, labels, buckets=buckets, registry=self.registry)
        object.__setattr__(self, field, made)

    def _calls(self) -> None:
        self._counter("started", "calls_started", "Calls begun: admitted, or placed.", "direction", "trunk")
        self._counter("ended", "calls_ended", "Calls ended.", "cause", "direction", "trunk")
        self._counter("refused", "calls_refused", "INVITEs of a trunk turned away.", "cause", "full", "trunk")
        self._histogram("setup", "call_setup_seconds", "From the INVITE to the answer.", _SETUP, "direction")
        self._histogram("length", "call_seconds", "From the answer to the end.", _LENGTH, "direction")
        self._counter("usd", "call_usd", "What calls have cost.")
        self._counter("attempts", "attempts", "Tries of a leg, by their last SIP status.", "trunk", "status")
        self._counter("transfers", "transfers", "Transfers that have an outcome.", "kind", "outcome")
        self._counter("outcomes", "outcomes", "What calls were good for.", "outcome")

    def _conversations(self) -> None:
        self._counter("turns", "turns", "Turns ended; cut: the caller spoke over the answer.", "cut")
        self._histogram(
            "response", "response_seconds", "End of the caller's speech to the first sound of the answer.", _ANSWER
        )
        self._histogram("stages", "turn_stage_seconds", "Stages of a turn.", _STAGE, "stage")
        self._counter("tools", "tool_runs", "Tool runs ended.", "tool", "state")
        self._histogram("tool_time", "tool_seconds", "How long tools ran.", _QUICK, "tool")

    def _media(self) -> None:
        by = ("direction", "trunk")
        self._counter("packets", "rtp_packets", "RTP packets of legs that have ended.", *by)
        self._counter("lost", "rtp_lost", "RTP packets that never came.", *by)
        self._counter("late", "rtp_late", "RTP packets that came too late to be heard.", *by)
        self._histogram("jitter", "rtp_jitter_seconds", "Jitter of legs that have ended.", _JITTER, "direction")
        self._histogram("mos", "mos", "E-model opinion score of legs that have ended.", _MOS, *by)
        self._counter("one_way", "one_way_audio", "Calls in which one side was not heard.", "direction")
        self._counter("events", "events", "Noteworthy events of calls.", "kind")
        self._histogram("lag", "loop_lag_seconds", "How late the loop is.", _QUICK)

    def _models(self) -> None:
        self._counter("model_sessions", "model_sessions", "Model sessions begun.", "model")
        self._counter("model_lost", "model_lost", "Model sessions that broke off under a call.", "model")
        self._counter("model_reconnects", "model_reconnects", "Sessions that took over a conversation.", "model")
        self._counter("mailbox_dropped", "mailbox_dropped", "Messages a full mailbox has dropped.", "mailbox")


class Bounded:
    """The values one label may have: the first MOST of them; whatever comes then is `other`."""

    def __init__(self, most: int = MOST) -> None:
        self._known: set[str] = set()
        self._most = most

    def __call__(self, value: str | None) -> str:
        word = value or "none"
        if word in self._known:
            return word
        if len(self._known) >= self._most:
            return OTHER
        self._known.add(word)
        return word
