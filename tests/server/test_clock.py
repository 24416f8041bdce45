"""The injected wall clock."""

from __future__ import annotations

import pytest

from server.clock import Clock, SystemClock
from tests.virtual_time import LoopClock, virtual_time

pytestmark = pytest.mark.unit


def test_the_system_clock_never_goes_back() -> None:
    clock: Clock = SystemClock()
    readings = [clock.monotonic() for _ in range(100)]
    assert readings == sorted(readings)


@virtual_time
async def test_the_loop_clock_is_a_clock_that_starts_at_zero() -> None:
    clock: Clock = LoopClock()
    assert clock.monotonic() == 0.0
