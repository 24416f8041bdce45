"""The injected wall clock."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from server.clock import Clock, SystemClock, epoch_s
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


def test_the_calendar_is_told_in_seconds_since_1970() -> None:
    told = datetime.fromtimestamp(epoch_s(), UTC)
    assert abs((datetime.now(UTC) - told).total_seconds()) < 60
