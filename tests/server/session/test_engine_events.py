"""Engine events that concern more than one part of a session."""

from __future__ import annotations

import pytest

from server.engine.interface import CommandRejected, Evicted, ResponseStatus, UnitPrefilled
from server.session.events import Problem, ResponseFinished, UnitDone
from tests.fakes.fake_engine import FakeEngine
from tests.fakes.scripted_call import call_to, manual
from tests.virtual_time import virtual_time

pytestmark = pytest.mark.unit


@virtual_time
async def test_a_unit_is_told_with_its_numbers_and_late_ones_are_counted() -> None:
    engine = FakeEngine(prefill_s=1.5)
    async with call_to(engine, manual()) as call:
        await call.say(1.0)
        await call.until(UnitDone)
        unit = call.one(UnitDone)
        assert (unit.unit_index, unit.compute_s, unit.late) == (0, 1.5, True)
        summary = call.session.summary()
        assert (summary.units, summary.units_late) == (1, 1)


@virtual_time
async def test_an_eviction_changes_nothing_for_the_session() -> None:
    engine = FakeEngine()
    async with call_to(engine, manual()) as call:
        await call.say(1.0)
        engine.emit(Evicted(call.session.id, 100, 4000))
        await call.ask()
        assert (await call.until(ResponseFinished)).status is ResponseStatus.COMPLETED
        assert not call.all_of(Problem)


@virtual_time
async def test_any_other_rejection_is_told_as_a_problem() -> None:
    engine = FakeEngine()
    async with call_to(engine, manual()) as call:
        await call.say(1.0)
        engine.emit(CommandRejected(call.session.id, "Rewind", "mark_expired", "too old"))
        assert await call.until(Problem) == Problem("mark_expired", "too old")


@virtual_time
async def test_an_answer_nobody_waits_for_is_no_unit() -> None:
    engine = FakeEngine()
    async with call_to(engine, manual()) as call:
        await call.say(0.5)
        engine.emit(UnitPrefilled(call.session.id, 7, 99, 1, 1, 0.0, 0.0, False))
        await call.settle()
        assert not call.all_of(UnitDone)
        assert call.session.summary().units == 0
