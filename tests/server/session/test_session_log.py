"""What is written about a session."""

from __future__ import annotations

import logging

import pytest

from server.engine.interface import (
    TextMessage,
)
from server.session.events import (
    ResponseFinished,
)
from tests.fakes.fake_engine import FakeEngine, reply
from tests.fakes.scripted_call import (
    call_to,
    manual,
)
from tests.virtual_time import virtual_time

pytestmark = pytest.mark.unit


@virtual_time
async def test_the_log_has_one_line_at_the_start_and_one_at_the_end_and_nothing_said(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "omnicall.session")
    engine = FakeEngine([reply("a secret answer", 0.5)])
    async with call_to(engine, manual(instructions="a secret prompt")) as call:
        call.session.add_message(TextMessage("user", "a secret question"))
        await call.ask()
        await call.until(ResponseFinished)
    opened, closed = (record.getMessage() for record in caplog.records)
    assert opened == f"{call.session.id}: open mode=omni language=en"
    assert closed.startswith(f"{call.session.id}: closed code=closed mode=omni")
    assert "units=1" in closed and "responses=1" in closed
    assert "secret" not in caplog.text
    assert {record.session_id for record in caplog.records} == {call.session.id}
