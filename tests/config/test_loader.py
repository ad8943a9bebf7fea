"""callactors.yaml as a whole: what loads, and how what does not is told."""

from __future__ import annotations

import time
import typing
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st

from callactors import config
from callactors.config import Config, ConfigErrors, NotAvailable, Secret
from callactors.config.schema import EmbeddedModel, RealtimeModel, Settings
from callactors.errors import ConfigError
from callactors.sip.address import Address

SMALL = """\
version: 1
trunks:
  acme: {from: [10.0.0.0/30]}
numbers: [{match: "+13125550100", trunk: acme, scenario: salon}]
"""
FULL = (Path(__file__).parent / "full.yaml").read_text("utf-8")


def load(more: str = "", **environ: str) -> Config:
    return config.load(SMALL + more, "f.yaml", environ)


def problems(text: str, **environ: str) -> list[str]:
    with pytest.raises(ConfigErrors) as caught:
        config.load(text, "f.yaml", environ)
    return str(caught.value).splitlines()


def with_trunk(more: str) -> str:
    return SMALL.replace("10.0.0.0/30]", f"10.0.0.0/30], {more}")


def test_the_smallest_file_has_every_default() -> None:
    loaded = load()
    assert [loaded.node, loaded.timers.rtp_silence, loaded.limits.calls] == ["a1", 30, None]
    assert loaded.listen.udp == Address("127.0.0.1", 5060)
    assert loaded.models == {"offline": EmbeddedModel(concurrent=20)}
    assert loaded.recording.mode == "off"


def test_the_embedded_default_is_for_this_machine_only() -> None:
    default = config.default()
    assert default.trunk_of("127.8.9.10") == "loopback"
    assert default.trunk_of("10.0.0.1") is None
    assert {default.listen.udp.host, default.listen.web and default.listen.web.host} == {"127.0.0.1"}
    assert (default.limits.calls, default.recording.mode, default.answer.when) == (60, "always", "at_once")
    assert default.target("front_desk").uri == "sip:desk@127.0.0.1:5070"


def test_the_default_serves_any_number_with_the_salon() -> None:
    entry = config.default().plan().find("anything at all", "loopback")
    assert entry is not None
    assert entry.scenario == "salon"


def test_the_complete_file_loads() -> None:
    loaded = config.load(FULL, "full.yaml", {"TW_PW": "s3cret"})
    auth = loaded.trunks["twilio"].auth
    assert auth is not None
    assert auth.password == Secret("s3cret")
    assert loaded.trunk_of("54.172.60.2") == "twilio"
    assert loaded.target("oncall").uri == "tel:+13125550142"
    assert [loaded.timers.call_max, loaded.listen.advertised] == [3600, "203.0.113.7"]


def test_the_complete_file_shows_every_key_of_the_schema() -> None:
    missing = [word for word in _every_key(Settings) if f"{word}:" not in FULL]
    assert missing == []


def test_a_secret_is_in_no_repr() -> None:
    loaded = config.load(FULL, "full.yaml", {"TW_PW": "s3cret", "OPENAI_API_KEY": "s3cret", "REC_KEY": "s3cret" * 3})
    shown = f"{loaded!r} {loaded.trunks!r} {loaded.models!r} {loaded.recording!r} {loaded.trunks['twilio'].auth}"
    assert "s3cret" not in shown
    assert "Secret(***)" in shown


def test_an_unknown_key_is_told_with_the_one_that_was_meant() -> None:
    assert problems(with_trunk("media_form: [10.0.0.0/8]")) == [
        "f.yaml:3: trunks.acme.media_form: there is no such key; did you mean media_from?"
    ]


def test_a_wrong_word_is_told_with_the_one_that_was_meant() -> None:
    assert problems(with_trunk("srtp: prefr")) == [
        'f.yaml:3: trunks.acme.srtp: "prefr" is not one of off, prefer, require; did you mean prefer?'
    ]


def test_a_value_that_is_not_built_is_refused_in_the_contracts_words() -> None:
    assert problems(SMALL + "stores: {url: postgresql://h/d}") == [
        "f.yaml:5: stores.url: is not available in this version; use sqlite:///PATH"
    ]


@pytest.mark.parametrize(
    "more",
    [
        "stores: {url: postgresql://u:hidden@h/d}",
    ],
)
def test_what_is_not_built_is_refused_and_can_be_told_from_what_is_wrong(more: str) -> None:
    with pytest.raises(ConfigErrors) as caught:
        load(more)
    (problem,) = caught.value.problems
    assert isinstance(problem, NotAvailable)
    assert "hidden" not in str(problem)


def test_every_problem_is_told_in_one_pass_in_the_order_of_lines() -> None:
    text = "version: 2\ntrunks: {a: {from: [x]}}\nnumbers: [{trunks: a, x: y}]\nnonsense: 1\n"
    lines = [line.split(": ")[0] for line in problems(text)]
    assert lines == ["f.yaml:1", "f.yaml:2", "f.yaml:3", "f.yaml:3", "f.yaml:4"]


def test_a_missing_variable_is_named() -> None:
    text = with_trunk('auth: {user: u, password: "${TW_PW}"}')
    assert problems(text) == [
        "f.yaml:3: trunks.acme.auth.password: the environment variable TW_PW is not set; export TW_PW=..."
    ]


def test_a_variables_value_is_not_quoted_when_it_does_not_fit() -> None:
    (problem,) = problems(SMALL + "limits: {calls: '${N}'}", N="hunter2")
    assert problem == 'f.yaml:5: limits.calls: "${N}" is not a whole number'


def test_a_variable_cannot_bring_a_line_break_into_a_value() -> None:
    (problem,) = problems(SMALL + "node: '${N}'", N="a\r\nb")
    assert "holds control characters" in problem


def test_a_variable_may_have_a_value_for_when_it_is_not_set() -> None:
    assert load("node: '${N:-b2}'").node == "b2"
    assert load("node: '${N:-b2}'", N="c3").node == "c3"


@pytest.mark.parametrize(("text", "meant"), [("1h", 3600), ("2.5", 2.5), ("500ms", 0.5), ("90s", 90), ("5m", 300)])
def test_durations_are_seconds_with_an_optional_unit(text: str, meant: float) -> None:
    assert load(f"timers: {{drain: {text}}}").timers.drain == meant


@pytest.mark.parametrize("text", ["-1", "nan", "inf", "1e9", "1 week", "9" * 400, ""])
def test_what_is_no_duration_is_refused(text: str) -> None:
    (problem,) = problems(f"{SMALL}timers: {{drain: '{text}'}}")
    assert "timers.drain" in problem


@pytest.mark.parametrize(("word", "meant"), [("no", False), ("NO", False), ("false", False), ("yes", True)])
def test_a_yes_or_no_is_read_where_one_is_meant(word: str, meant: bool) -> None:
    assert config.load(with_trunk(f"refer: {word}"), "f.yaml", {}).trunks["acme"].refer is meant


def test_off_means_none_for_an_optional_value() -> None:
    loaded = load("limits: {usd_per_day: off}\nlisten: {web: off}")
    assert (loaded.limits.usd_per_day, loaded.listen.web) == (None, None)


def test_models_are_told_apart_by_kind() -> None:
    loaded = load("models: {m: {kind: realtime, url: 'ws://127.0.0.1:1/x', ca: c.pem}, o: {kind: embedded}}")
    assert [type(model) for model in loaded.models.values()] == [RealtimeModel, EmbeddedModel]


def test_an_unknown_kind_of_model_is_told_with_the_one_that_was_meant() -> None:
    (problem,) = problems(SMALL + "models: {m: {kind: reltime}}")
    assert problem.endswith('"reltime" is not known; did you mean realtime?')


def test_a_name_that_could_leave_its_folder_is_no_name() -> None:
    (problem,) = problems(SMALL.replace("salon", "../../etc/passwd"))
    assert "numbers[0].scenario" in problem


def test_a_file_of_a_thousand_mistakes_reports_a_hundred() -> None:
    assert len(problems(SMALL + "".join(f"x{n}: 1\n" for n in range(1000)))) == 100


@pytest.mark.parametrize(
    "text",
    ["x: 1\n" * 9000, "{" * 200_000, "? " * 100_000, "a: '" + "${" * 100_000 + "'", "a: " + "b " * 120_000],
    ids=["keys", "braces", "nested keys", "variables", "words"],
)
def test_a_hostile_file_costs_little_time_and_a_bounded_answer(text: str) -> None:
    began = time.process_time()
    assert len("\n".join(problems(text))) < 50_000
    assert time.process_time() - began < 5.0


_words = st.sampled_from(
    [
        "trunks",
        "numbers",
        "models",
        "version",
        "1",
        "from",
        "127.0.0.0/8",
        "*",
        "match",
        "kind",
        "realtime",
        "off",
        "${X}",
    ]
)
_trees = st.recursive(
    _words | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_words | st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)


@given(st.text(max_size=300) | st.text("{}[]:,-&*!|>'\"#%@ \n\tab?<~0$\\", max_size=80) | _trees.map(str))
@effort(max_examples=150, deadline=1000)
def test_any_text_loads_or_raises_a_config_error(text: str) -> None:
    _loads_or_raises(text)


@given(st.integers(0, len(FULL)), st.integers(0, 40), st.text(max_size=8))
@effort(max_examples=40, deadline=2000)
def test_the_complete_file_with_a_hole_in_it_loads_or_raises_a_config_error(at: int, gone: int, put: str) -> None:
    _loads_or_raises(FULL[:at] + put + FULL[at + gone :])


def _loads_or_raises(text: str) -> None:
    try:
        said = repr(config.load(text, "f.yaml", {}))
    except ConfigError as error:
        said = str(error)
    assert said.startswith(("f.yaml:", "Config('f.yaml'"))


def _every_key(kind: type) -> set[str]:
    found: set[str] = set()
    waiting: list[object] = [kind]
    while waiting:
        each = waiting.pop()
        waiting.extend(typing.get_args(each))
        if isinstance(each, type) and issubclass(each, msgspec.Struct):
            fields = msgspec.structs.fields(each)
            found |= {field.encode_name for field in fields}
            waiting.extend(field.type for field in fields)
    return found
