"""The demo's caller, its verdict, and its command line. The whole call runs where the brain's weights are: README."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import attrs
import pytest
from typer.testing import CliRunner

from callactors.__main__ import app
from callactors.commands.demo_call import CALLER_LINE, DESK_LINE, Exchange, Happened, settings, unfinished
from callactors.commands.demo_customer import WISHES, Customer
from callactors.commands.demo_report import booked, paired, report
from callactors.config.schema import EmbeddedModel, RealtimeModel
from callactors.stores.calendar import Calendar
from callactors.stores.crm import Crm
from callactors.testing.caller import Answer
from callactors.testing.ears import Response
from callactors.testing.manners import Notify

GREETING = "Shear Joy, this is an automated assistant. How can I help?"


# -- the customer -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("heard", "answer"),
    [
        ("What name is it for?", "It's Dana."),
        ("What is your phone number?", "555-0142."),
        ("What time would you like?", "At three."),
        ("What day would you like?", "Tomorrow."),
        ("What would you like to have done?", "A haircut, please."),
        ("A haircut, tomorrow, for Dana, phone number 5 5 5, 0 1 4 2. Is that right?", "Yes, please."),
        (
            "Let me read that back. A haircut, tomorrow, Monday the 23rd at 3 PM, for Dana, number 5 5 5.",
            "Yes, please.",
        ),
        ("I'm sorry. 3 PM tomorrow can't be had. I could do 2.30 PM or 4 PM. What time would you like?", "At 2:30 PM."),
        ("You're booked. Is there anything else?", WISHES[1]),
    ],
)
def test_the_customer_answers_what_was_asked(heard: str, answer: str) -> None:
    customer = Customer()
    assert customer.reply(GREETING) == WISHES[0]
    assert customer.reply(heard) == answer


@pytest.mark.parametrize("heard", ["", "Sorry, I didn't catch that.", "Mumble mumble."])
def test_the_customer_says_it_again_when_not_understood(heard: str) -> None:
    customer = Customer()
    assert customer.reply(GREETING) == customer.reply(heard)


def test_the_customer_asks_for_a_person_last() -> None:
    customer = Customer()
    said = [customer.reply(heard) for heard in (GREETING, "Is there anything else?", "45 dollars. Anything else?")]
    assert tuple(said) == WISHES
    assert customer.asked_for_person


def test_who_has_not_asked_anything_may_go_on() -> None:
    assert unfinished("Let me read that back.")
    assert not unfinished("What name is it for? ")


# -- the verdict ------------------------------------------------------------------------------------------------------


def happened(**facts: object) -> Happened:
    """A call in which everything went well, but for `facts`."""
    well = Happened(
        scenario="salon",
        started=datetime.now(),
        call="",
        accepted=202,
        notifies=[Notify(100, False, 200), Notify(200, True, 200)],
        caller_heard_desk=DESK_LINE,
        desk_heard_caller=CALLER_LINE,
    )
    for name, fact in facts.items():
        setattr(well, name, fact)
    return well


def write(data: Path) -> None:
    url = f"sqlite:///{data}/stores.db"
    calendar, crm = Calendar(url, "salon"), Crm(url)
    calendar.configure({"haircut": 45}, ["Maria"], {"mon-sun": "00:00-23:59"})
    calendar.book("haircut", datetime(2100, 1, 4, 15, 0), "Dana", "5550142")
    crm.remember("Dana", "5550142")
    calendar.close()
    crm.close()


def test_a_booking_and_a_record_are_read_from_the_stores(tmp_path: Path) -> None:
    call = happened(booked_before=booked("salon", tmp_path))
    write(tmp_path)
    facts = report(call, tmp_path).facts
    assert [(one["service"], one["name"], one["start"]) for one in facts["bookings"]] == [
        ("haircut", "Dana", "2100-01-04T15:00:00")
    ]
    assert [one["phone"] for one in facts["crm_records"]] == ["5550142"]
    assert facts["refer"] == {"accepted": 202, "final": 200}


def test_what_an_earlier_call_booked_does_not_count(tmp_path: Path) -> None:
    write(tmp_path)
    call = happened(booked_before=booked("salon", tmp_path), started=datetime(2100, 1, 1))
    assert {"There is no booking of this call in the calendar.", "There is no customer record of this call."} <= set(
        report(call, tmp_path).missing
    )


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        ({"accepted": None}, "The agent did not ask the carrier to transfer the caller."),
        ({"notifies": [Notify(486, True, 200)]}, "The carrier's last NOTIFY did not say 200, or was not answered."),
        ({"notifies": [Notify(200, True, None)]}, "The carrier's last NOTIFY did not say 200, or was not answered."),
        ({"caller_heard_desk": ""}, "The caller did not hear the person at the desk."),
        ({"desk_heard_caller": "la la la"}, "The person at the desk did not hear the caller."),
        ({"timed_out": True}, "The call took too long and was cut off."),
        ({"call": "nobody"}, "The call's record is not closed."),
    ],
)
def test_whatever_is_missing_has_its_sentence(tmp_path: Path, facts: dict[str, object], sentence: str) -> None:
    write(tmp_path)
    assert sentence in report(happened(**facts), tmp_path).missing


def asked(at: float, response_ms: int) -> Exchange:
    return Exchange("words", at, Answer("answer", at + response_ms / 1000, at, response_ms))


def test_each_packet_measure_is_laid_beside_the_same_answer_on_tape() -> None:
    call = happened(dialled_at=100.0, exchanges=[asked(102.0, 700), asked(110.0, 900), asked(150.0, 500)])
    tape = [Response(16_080, 16_080 + 710 * 8), Response(79_900, 79_900 + 895 * 8)]
    assert paired(call, tape) == [(700, 710), (900, 895)]


def test_without_a_tape_there_is_nothing_to_compare() -> None:
    assert paired(happened(exchanges=[asked(1.0, 700)]), []) == []


# -- the configuration and the command --------------------------------------------------------------------------------


def test_the_demo_takes_free_ports_and_its_own_desk(tmp_path: Path) -> None:
    config = settings("salon", tmp_path, None, None, None, "sip:desk@127.0.0.30:40000")
    assert str(config.listen.udp) == "127.0.0.1:0"
    assert config.target("front_desk").uri == "sip:desk@127.0.0.30:40000"
    assert [type(model) for model in config.models.values()] == [EmbeddedModel]
    assert config.ledger.path == f"{tmp_path}/ledger.db"


def test_another_model_takes_the_place_of_our_own(tmp_path: Path) -> None:
    config = settings("salon", tmp_path, None, "wss://127.0.0.1:1/v1/realtime", Path("ca.pem"), "sip:desk@127.0.0.30")
    [model] = config.models.values()
    assert isinstance(model, RealtimeModel)
    assert (model.url, model.ca) == ("wss://127.0.0.1:1/v1/realtime", "ca.pem")


def test_a_scenario_that_is_not_there_is_said_at_once(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["demo", "--data", str(tmp_path), "--scenario", "saloon"])
    assert result.exit_code == 1
    assert "salon" in result.stderr


def test_a_model_that_is_no_websocket_url_is_a_wrong_use(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["demo", "--data", str(tmp_path), "--model", "http://127.0.0.1:1"])
    assert (result.exit_code, "ws:// or wss://" in result.stderr) == (2, True)


def test_an_exchange_keeps_the_agents_own_words(tmp_path: Path) -> None:
    exchange = attrs.evolve(asked(1.0, 700), heard=["I'd like a haircut."], said=["What name is it for?"])
    [turn] = report(happened(exchanges=[exchange]), tmp_path).facts["turns"]
    assert turn == {"heard": "I'd like a haircut.", "said": "What name is it for?", "response_ms": 700}


def test_a_recording_that_is_no_wav_is_no_measure(tmp_path: Path) -> None:
    (tmp_path / "recordings").mkdir()
    (tmp_path / "recordings" / "x.wav").write_bytes(b"no wave")
    assert report(happened(), tmp_path).facts["recorded_ms"] == {"p50": None, "p95": None}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_demo_told_to_stop_while_it_loads_says_so_and_leaves_no_child(number: signal.Signals, tmp_path: Path) -> None:
    command = [sys.executable, "-u", "-m", "callactors", "demo", "--data", str(tmp_path)]
    root, pipe = Path(__file__).parents[2], subprocess.PIPE
    with subprocess.Popen(command, text=True, cwd=root, start_new_session=True, stdout=pipe, stderr=pipe) as process:
        assert process.stdout is not None
        assert "Loading" in process.stdout.readline()
        os.killpg(process.pid, number)  # as a terminal does: to the whole group
        _, said = process.communicate(timeout=30)  # until the last child has let go of stderr
    assert said == "stopped\n"
    assert process.returncode == 1
