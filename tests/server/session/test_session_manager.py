"""The table of sessions."""

from __future__ import annotations

import asyncio

import pytest

from server.engine.client import EngineStatus
from server.errors import (
    EngineUnavailableError,
    ServerDrainingError,
    ServerFullError,
    SessionClosedError,
    UnknownSessionError,
)
from server.session.events import HistoryReset, ResponseFinished, SessionEnded
from server.session.session_manager import SessionManager
from server.session.states import SessionState
from tests.fakes.fake_engine import FakeEngine, reply
from tests.fakes.fake_voice_activity import LoudnessVoiceActivity
from tests.fakes.scripted_call import ScriptedCall, config_with, manual
from tests.virtual_time import LoopClock, virtual_time

pytestmark = pytest.mark.unit


def new_manager(engine: FakeEngine, **sections: dict[str, object]) -> SessionManager:
    """A manager with some settings changed."""
    return SessionManager(config_with(**sections), engine, LoopClock(), LoudnessVoiceActivity)


@virtual_time
async def test_sessions_are_admitted_up_to_the_limit_and_again_when_one_ends() -> None:
    async with new_manager(FakeEngine(), session={"max_sessions": 2}) as manager:
        first, second = manager.admit(manual()), manager.admit(manual())
        assert [session.id for session in manager.list()] == [first.id, second.id]
        assert first.id.startswith("sess_") and first.id != second.id
        with pytest.raises(ServerFullError, match="all 2 calls are taken"):
            manager.admit(manual())
        first.close("closed", "bye")
        await asyncio.sleep(0.01)
        assert [session.id for session in manager.list()] == [second.id]
        manager.admit(manual())


@virtual_time
async def test_the_engine_rows_are_a_limit_too() -> None:
    async with new_manager(FakeEngine(n_rows=1)) as manager:
        assert manager.limit == 1
        manager.admit(manual())
        with pytest.raises(ServerFullError):
            manager.admit(manual())


@pytest.mark.parametrize("status", [EngineStatus.RESTARTING, EngineStatus.FAILED])
@virtual_time
async def test_nobody_is_admitted_without_an_engine(status: EngineStatus) -> None:
    engine = FakeEngine(ready=False)
    async with new_manager(engine, session={"max_sessions": 3}) as manager:
        assert manager.limit == 3
        with pytest.raises(EngineUnavailableError, match="starting"):
            manager.admit(manual())
        await engine.start()
        manager.admit(manual())
        engine.set_status(status)
        with pytest.raises(EngineUnavailableError, match=status.value):
            manager.admit(manual())


@virtual_time
async def test_sessions_are_found_deleted_and_reset_by_id() -> None:
    async with asyncio.TaskGroup() as listeners, new_manager(FakeEngine()) as manager:
        call = ScriptedCall(manager.admit(manual()), FakeEngine())
        listeners.create_task(call.listen())
        session_id = call.session.id
        assert manager.get(session_id) is call.session
        manager.reset(session_id)
        await call.until(HistoryReset)
        manager.delete(session_id)
        with pytest.raises(SessionClosedError):
            manager.reset(session_id)
        assert (await call.until(SessionEnded)).code == "deleted"
        await asyncio.sleep(0.01)
        for use in (manager.get, manager.reset, manager.delete):
            with pytest.raises(UnknownSessionError, match=session_id):
                use(session_id)


@virtual_time
async def test_a_summary_has_numbers_and_nothing_that_was_said() -> None:
    engine = FakeEngine()
    async with new_manager(engine) as manager:
        call = ScriptedCall(manager.admit(manual(mode="audio", language="zh")), engine)
        await call.say(2.0)
        (session,) = manager.list()
        summary = session.summary()
        assert (summary.id, summary.state) == (session.id, SessionState.LISTENING)
        assert (summary.mode, summary.language, summary.units) == ("audio", "zh", 2)
        assert summary.age_s == pytest.approx(2.0, abs=0.01)


@virtual_time
async def test_draining_lets_a_running_response_finish_and_admits_nobody() -> None:
    engine = FakeEngine([reply("One", 0.5, every_s=1.0)])
    async with asyncio.TaskGroup() as listeners:
        async with new_manager(engine, server={"shutdown_grace_s": 10}) as manager:
            busy, idle = (ScriptedCall(manager.admit(manual()), engine) for _ in range(2))
            for call in (busy, idle):
                listeners.create_task(call.listen())
            await busy.ask()
            draining = asyncio.create_task(manager.drain())
            await asyncio.sleep(0.01)
            assert manager.is_draining
            assert idle.one(SessionEnded).code == "draining"
            assert busy.session.state is SessionState.RESPONDING
            with pytest.raises(ServerDrainingError):
                manager.admit(manual())
            await draining
            assert busy.one(ResponseFinished).reason is None
            assert LoopClock().monotonic() == pytest.approx(3.0, abs=0.1)
        assert manager.list() == ()


@virtual_time
async def test_draining_ends_a_response_that_takes_too_long() -> None:
    engine = FakeEngine([reply("One", 0.5, every_s=100.0)])
    async with asyncio.TaskGroup() as listeners:
        async with new_manager(engine, server={"shutdown_grace_s": 3}) as manager:
            call = ScriptedCall(manager.admit(manual()), engine)
            listeners.create_task(call.listen())
            await call.ask()
        assert LoopClock().monotonic() == pytest.approx(4.0, abs=0.1)
    assert call.one(ResponseFinished).reason == "session_closed"
    assert call.one(SessionEnded).code == "draining"
    assert not engine.holds(call.session.id)


@virtual_time
async def test_nobody_is_admitted_before_the_server_runs() -> None:
    with pytest.raises(ServerDrainingError):
        new_manager(FakeEngine()).admit(manual())


@virtual_time
async def test_a_failure_of_the_server_leaves_no_session_behind() -> None:
    engine = FakeEngine()
    with pytest.raises(ExceptionGroup):
        async with new_manager(engine) as manager:
            session = manager.admit(manual())
            await asyncio.sleep(0)
            raise RuntimeError("port in use")
    assert session.state is SessionState.CLOSED
