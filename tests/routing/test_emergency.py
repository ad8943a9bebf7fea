"""Calls for help, and calls that are none."""

from __future__ import annotations

import pytest

from callactors.routing.emergency import emergency_number


@pytest.mark.parametrize(
    ("dialled", "country", "number"),
    [
        ("911", "US", "911"),
        ("9-1-1", "US", "911"),
        ("+911", "US", "911"),
        ("+1911", "US", "911"),
        ("1911", "US", "911"),
        ("933", "US", "933"),
        ("112", "DE", "112"),
        ("110", "DE", "110"),
        ("999", "GB", "999"),
        ("000", "AU", "000"),
        ("119", "JP", "119"),
        ("112", None, "112"),
        ("911", None, "911"),
        ("112", "US", "112"),
        ("urn:service:sos", "US", "911"),
        ("urn:service:sos.police", "GB", "999"),
        ("URN:SERVICE:SOS", None, "112"),
    ],
)
def test_a_call_for_help_is_understood(dialled: str, country: str | None, number: str) -> None:
    assert emergency_number(dialled, country) == number


def test_what_a_pbx_dials_for_help_is_what_its_owner_says() -> None:
    assert emergency_number("9911", "US") is None
    assert emergency_number("9911", "US", ("9911",)) == "911"
    assert emergency_number("9,911", "US", ("9911",)) is None
    assert emergency_number("#77", "US", ("#77",)) == "#77"
    assert emergency_number("0112", "DE", ("0112",)) == "112"


@pytest.mark.parametrize(
    ("dialled", "country"),
    [
        ("+13125550911", "US"),
        ("9110", "US"),
        ("100", "US"),
        ("999", "US"),
        ("933", "DE"),
        ("alice", "US"),
        ("", "US"),
        ("urn:service:sosx", "US"),
        ("urn:service:counseling", "US"),
        ("91", "US"),
    ],
)
def test_what_is_no_call_for_help_is_none(dialled: str, country: str) -> None:
    assert emergency_number(dialled, country) is None
