"""Sessions nobody uses."""

from __future__ import annotations

import asyncio

import pytest

from server.errors import SessionClosedError
from server.session.events import (
    SessionEnded,
)
from server.session.states import SessionState
from tests.fakes.fake_engine import FakeEngine
from tests.fakes.scripted_call import (
    call_to,
    config_with,
    manual,
)
from tests.virtual_time import virtual_time

pytestmark = pytest.mark.unit


@virtual_time
async def test_an_idle_session_is_closed() -> None:
    engine = FakeEngine()
    async with call_to(engine, manual(), config_with(session={"idle_timeout_s": 20})) as call:
        await call.say(1.0)
        await asyncio.sleep(19.5)
        assert call.session.state is SessionState.LISTENING
        await asyncio.sleep(1.0)
        ended = call.one(SessionEnded)
        assert ended.code == "idle_timeout"
        assert call.when(SessionEnded) == [pytest.approx(21.0, abs=0.1)]
        assert not engine.holds(call.session.id)
        with pytest.raises(SessionClosedError, match="nothing happened"):
            call.session.append_audio(b"\0\0", 16_000)
