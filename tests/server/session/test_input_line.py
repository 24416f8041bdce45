"""Inputs in their order, in small steps."""

from __future__ import annotations

import asyncio

import pytest

from server.session.events import (
    AudioCleared,
    Problem,
    UnitDone,
)
from tests.fakes.fake_engine import FakeEngine
from tests.fakes.scripted_call import (
    call_to,
    detected,
    tone,
)
from tests.virtual_time import virtual_time

pytestmark = pytest.mark.unit


@virtual_time
async def test_a_long_append_does_not_stall_the_loop_and_keeps_its_place() -> None:
    engine = FakeEngine()
    async with call_to(engine, detected("audio")) as call:
        loop_turns = 0

        async def count_turns_of_the_loop() -> None:
            nonlocal loop_turns
            while not call.all_of(AudioCleared):
                loop_turns += 1
                await asyncio.sleep(0)

        call.session.append_audio(tone(2.0) + tone(3.0, 0), 16_000)
        call.session.clear()
        await count_turns_of_the_loop()
        assert loop_turns >= 5.0 / 0.128
        assert call.names(UnitDone)[:3] == ["TurnStarted", "TurnEnded", "TurnCommitted"]


@virtual_time
async def test_a_command_that_waited_in_line_reports_its_problem() -> None:
    async with call_to(FakeEngine(), detected("audio")) as call:
        call.session.append_audio(tone(1.0, 0), 16_000)
        call.session.commit()
        call.session.cancel()
        await call.until(Problem, 2)
        assert [problem.code for problem in call.all_of(Problem)] == [
            "input_audio_buffer_commit_empty",
            "response_cancel_not_active",
        ]
