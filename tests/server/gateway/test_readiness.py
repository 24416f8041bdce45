"""Why calls are not taken."""

from __future__ import annotations

import asyncio

import pytest

from server.clock import SystemClock
from server.config import Config
from server.engine.client import EngineStatus
from server.gateway.readiness import Readiness
from server.session.session_manager import SessionManager
from tests.fakes.fake_engine import FakeEngine

pytestmark = pytest.mark.unit


def readiness(engine: FakeEngine) -> Readiness:
    return Readiness(engine, SessionManager(Config(), engine, SystemClock()))


def test_a_ready_engine_needs_no_reason() -> None:
    ready = readiness(FakeEngine())
    assert ready.reason() == ""
    assert ready.engine_status == "ready"


@pytest.mark.parametrize("status", [s for s in EngineStatus if s is not EngineStatus.READY])
def test_every_other_state_has_a_reason_in_words(status: EngineStatus) -> None:
    engine = FakeEngine()
    engine.set_status(status)
    assert len(readiness(engine).reason().split()) > 2


def test_a_server_that_shuts_down_takes_no_calls() -> None:
    engine = FakeEngine()

    async def scenario() -> str:
        manager = SessionManager(Config(), engine, SystemClock())
        await manager.drain()
        return Readiness(engine, manager).reason()

    assert "shutting down" in asyncio.run(scenario())
