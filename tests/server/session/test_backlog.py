"""Real-time pace."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.errors import ProtocolError
from server.session.backlog import Backlog
from tests.virtual_time import LoopClock, run_virtual, virtual_time

pytestmark = pytest.mark.unit


@virtual_time
async def test_a_burst_is_taken_up_to_the_bound_and_refused_beyond() -> None:
    backlog = Backlog(LoopClock(), 3.0)
    backlog.admit(2.0)
    backlog.admit(1.0)
    with pytest.raises(ProtocolError, match=r"3\.1 s ahead"):
        backlog.admit(0.1)


@virtual_time
async def test_a_refusal_counts_nothing() -> None:
    backlog = Backlog(LoopClock(), 3.0)
    backlog.admit(2.0)
    with pytest.raises(ProtocolError):
        backlog.admit(2.0)
    backlog.admit(1.0)


@virtual_time
async def test_time_makes_room() -> None:
    backlog = Backlog(LoopClock(), 3.0)
    backlog.admit(3.0)
    await asyncio.sleep(1.0)
    backlog.admit(1.0)
    with pytest.raises(ProtocolError):
        backlog.admit(0.1)


@virtual_time
async def test_a_pause_earns_no_credit() -> None:
    backlog = Backlog(LoopClock(), 3.0)
    backlog.admit(0.5)
    await asyncio.sleep(3600)
    backlog.admit(3.0)
    with pytest.raises(ProtocolError):
        backlog.admit(0.1)


@settings(deadline=None, max_examples=25)
@given(frames_s=st.lists(st.floats(0.01, 0.5), max_size=50))
def test_real_time_pace_is_never_refused(frames_s: list[float]) -> None:
    async def send() -> None:
        backlog = Backlog(LoopClock(), 1.0)
        for frame_s in frames_s:
            backlog.admit(frame_s)
            await asyncio.sleep(frame_s)

    run_virtual(send())
