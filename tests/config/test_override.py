"""The command line wins over the file."""

from __future__ import annotations

import pytest

from callactors import config
from callactors.config.schema import EmbeddedModel
from callactors.errors import ConfigError
from callactors.sip.address import Address


def test_nothing_given_changes_nothing() -> None:
    assert config.override(config.default()) == config.default()


def test_addresses_are_replaced_and_web_may_be_off() -> None:
    listen = config.override(config.default(), sip="127.0.0.1:0", web="off").listen
    assert (listen.udp, listen.web) == (Address("127.0.0.1", 0), None)


def test_data_replaces_the_data_folder_everywhere() -> None:
    moved = config.override(config.default(), data="/var/x/")
    assert (moved.ledger.path, moved.stores.url, moved.data_dir) == (
        "/var/x/ledger.db",
        "sqlite:////var/x/stores.db",
        "/var/x",
    )


def test_one_scenario_answers_every_number() -> None:
    assert {entry.scenario for entry in config.override(config.default(), scenario="clinic").numbers} == {"clinic"}


def test_the_weights_folder_reaches_every_embedded_model() -> None:
    model = config.override(config.default(), model_dir="w").models["offline"]
    assert model == EmbeddedModel(concurrent=20, model_dir="w")


@pytest.mark.parametrize(
    ("option", "value"), [("sip", "5060"), ("sip", "0.0.0.0:5060"), ("web", "localhost:1"), ("scenario", "../x")]
)
def test_a_wrong_option_is_told_by_its_name(option: str, value: str) -> None:
    with pytest.raises(ConfigError, match=f"^--{option}:1: "):
        config.override(config.default(), **{option: value})
