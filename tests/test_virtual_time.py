"""The virtual-time loop the session tests stand on."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.virtual_time import LoopClock, NothingScheduledError, run_virtual, virtual_time

pytestmark = pytest.mark.unit


@virtual_time
async def test_a_thirty_second_call_ends_exactly_at_thirty_seconds() -> None:
    clock = LoopClock()
    for _ in range(1500):
        await asyncio.sleep(0.02)
    assert clock.monotonic() == pytest.approx(30.0)


def test_sleeping_an_hour_takes_no_real_time() -> None:
    began = time.monotonic()
    run_virtual(asyncio.sleep(3600))
    assert time.monotonic() - began < 5


@virtual_time
async def test_a_time_out_fires_at_its_virtual_time() -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(10):
            await asyncio.sleep(11)
    assert LoopClock().monotonic() == pytest.approx(10.0)


@virtual_time
async def test_timers_fire_in_order() -> None:
    loop = asyncio.get_running_loop()
    seen: list[str] = []
    loop.call_later(0.2, seen.append, "second")
    loop.call_later(0.1, seen.append, "first")
    await asyncio.sleep(0.3)
    assert seen == ["first", "second"]


def test_waiting_for_what_cannot_come_fails_instead_of_hanging() -> None:
    async def hang() -> None:
        await asyncio.Event().wait()

    with pytest.raises(NothingScheduledError):
        run_virtual(hang())


def test_a_task_left_behind_fails_the_test() -> None:
    async def leave_one() -> None:
        task = asyncio.create_task(asyncio.sleep(1), name="forgotten")
        await asyncio.sleep(0)
        assert not task.done()

    with pytest.raises(AssertionError, match="forgotten"):
        run_virtual(leave_one())


def test_the_result_is_returned() -> None:
    async def answer() -> int:
        return 42

    assert run_virtual(answer()) == 42
