"""What is told to a client that reads, reads slowly, or never."""

from __future__ import annotations

import asyncio

import pytest

from server.errors import SessionClosedError
from server.session.events import (
    ResponseFinished,
    SessionEnded,
)
from server.session.states import SessionState
from tests.fakes.fake_engine import FakeEngine, reply
from tests.fakes.scripted_call import (
    call_to,
    config_with,
    manual,
)
from tests.virtual_time import LoopClock, virtual_time

pytestmark = pytest.mark.unit

FOUR_WORDS = reply("One", 0.5, " two", 0.5, " three", 0.5, " four", 0.5)
"""Two seconds of speech, generated at once."""


@virtual_time
async def test_a_client_that_never_reads_loses_its_session() -> None:
    engine = FakeEngine([FOUR_WORDS])
    config = config_with(server={"send_timeout_s": 5})
    async with call_to(engine, manual(), config, reads=False) as call:
        await call.ask()
        with pytest.raises(SessionClosedError):
            await call.say(30.0)
        assert call.session.state is SessionState.CLOSED
        await call.listen()
        assert call.outputs[-1] == call.one(SessionEnded)
        assert call.one(SessionEnded).code == "overload"
        assert LoopClock().monotonic() < 8


@virtual_time
async def test_more_events_than_the_queue_holds_end_the_session() -> None:
    config = config_with(server={"send_queue_events": 16, "send_timeout_s": 1000})
    script = reply(*[f"word {n}" for n in range(40)])
    async with call_to(FakeEngine([script]), manual(), config, reads=False) as call:
        await call.ask()
        await asyncio.sleep(1.0)
        assert call.session.state is SessionState.CLOSED
        await call.listen()
        assert len(call.outputs) == 17
        assert call.one(SessionEnded).code == "overload"


@virtual_time
async def test_speech_waits_for_a_slow_reader_while_events_go_on() -> None:
    config = config_with(playout={"lead_s": 1000}, server={"send_timeout_s": 1000})
    script = reply("Long", *[0.1] * 200)
    async with call_to(FakeEngine([script]), manual(), config, reads=False) as call:
        await call.ask()
        await asyncio.sleep(5.0)
        assert call.session.state is SessionState.RESPONDING
        assert call.session.summary().audio_out_s < 6.5
        listening = asyncio.create_task(call.listen())
        await call.until(ResponseFinished)
        assert call.session.summary().audio_out_s == pytest.approx(20.0)
        call.session.close("closed", "done")
        await listening
