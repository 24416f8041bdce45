"""A client's audio: checked, paced, resampled."""

from __future__ import annotations

import asyncio

import pytest

from server.errors import ProtocolError
from server.session.events import (
    TurnCommitted,
)
from tests.fakes.fake_engine import FakeEngine
from tests.fakes.scripted_call import (
    call_to,
    config_with,
    manual,
    tone,
)
from tests.virtual_time import virtual_time

pytestmark = pytest.mark.unit


def code_of(problem: pytest.ExceptionInfo[ProtocolError]) -> str:
    """Wire code of a refusal."""
    return problem.value.code


@virtual_time
async def test_audio_far_ahead_of_real_time_is_refused_as_a_whole() -> None:
    engine = FakeEngine()
    async with call_to(engine, manual(), config_with(session={"max_backlog_s": 3})) as call:
        call.session.append_audio(tone(2.0), 16_000)
        with pytest.raises(ProtocolError, match="real-time pace") as refused:
            call.session.append_audio(tone(1.5), 16_000)
        assert code_of(refused) == "audio_too_fast"
        await asyncio.sleep(0.6)
        call.session.append_audio(tone(1.5), 16_000)
        call.session.commit()
        assert (await call.until(TurnCommitted)).audio_s == pytest.approx(3.5)


@virtual_time
async def test_a_bad_append_takes_nothing_and_opens_nothing() -> None:
    engine = FakeEngine()
    async with call_to(engine, manual()) as call:
        for pcm, rate_hz, code in (
            (b"\0\0\0", 16_000, "invalid_audio"),
            (b"\0\0", 44_100, "invalid_audio_rate"),
        ):
            with pytest.raises(ProtocolError) as refused:
                call.session.append_audio(pcm, rate_hz)
            assert code_of(refused) == code
        assert engine.commands == []
        assert call.session.summary().audio_in_s == 0.0
