"""Every cause has its codes: whoever adds one adds both."""

from __future__ import annotations

import pytest

from callactors.routing.cause import Cause, q850, sip_code


@pytest.mark.parametrize("cause", list(Cause))
def test_every_cause_has_a_refusing_status_and_a_q850_value(cause: Cause) -> None:
    assert 400 <= sip_code(cause) <= 699
    assert 1 <= q850(cause) <= 127
