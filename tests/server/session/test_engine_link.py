"""The session's line to the engine: refusals and losses."""

from __future__ import annotations

import pytest

from server.engine.interface import (
    ResponseStatus,
    TextMessage,
)
from server.errors import EngineUnavailableError
from server.media.pcm import MODEL_HZ
from server.session.events import (
    Problem,
    ResponseAudio,
    ResponseFinished,
    SessionEnded,
)
from server.session.states import SessionState
from tests.fakes.fake_engine import FakeEngine, Piece, Reply, reply
from tests.fakes.scripted_call import (
    call_to,
    manual,
)
from tests.virtual_time import virtual_time

pytestmark = pytest.mark.unit


@virtual_time
async def test_an_overloaded_engine_is_told_as_a_problem() -> None:
    engine = FakeEngine()
    async with call_to(engine, manual()) as call:
        await call.say(0.5)
        engine.reject_next("Prefill", "engine_overloaded", "slower, please")
        await call.say(0.5)
        assert await call.until(Problem) == Problem("engine_overloaded", "slower, please")
        await call.ask()
        finished = await call.until(ResponseFinished)
        assert finished.status is ResponseStatus.COMPLETED
        assert len(engine.remembered_audio(call.session.id)) == 2 * MODEL_HZ


@virtual_time
async def test_an_engine_without_room_fails_the_response_not_the_session() -> None:
    engine = FakeEngine()
    async with call_to(engine, manual()) as call:
        await call.say(1.0)
        call.session.commit()
        engine.busy = True
        call.session.respond()
        finished = await call.until(ResponseFinished)
        assert finished.status is ResponseStatus.FAILED
        assert finished.reason is not None and "engine_busy" in finished.reason
        await call.say(1.0)
        assert call.all_of(Problem)[0].code == "engine_busy"
        engine.busy = False
        call.session.reset()
        await call.ask()
        assert (await call.until(ResponseFinished, 2)).status is ResponseStatus.COMPLETED


@virtual_time
async def test_a_rejected_response_is_finished_as_failed() -> None:
    engine = FakeEngine()
    async with call_to(engine, manual()) as call:
        engine.reject_next("Respond", "context_full", "too long")
        await call.ask()
        finished = await call.until(ResponseFinished)
        assert (finished.status, finished.reason) == (
            ResponseStatus.FAILED,
            "context_full: too long",
        )
        assert call.session.state is SessionState.LISTENING


@virtual_time
async def test_a_failed_response_is_finished_after_its_last_audio() -> None:
    script = Reply((Piece("One", 0.5), Piece("", 0.5)), ResponseStatus.FAILED, "no idea")
    async with call_to(FakeEngine([script]), manual()) as call:
        await call.ask()
        finished = await call.until(ResponseFinished)
        assert (finished.status, finished.reason) == (ResponseStatus.FAILED, "no idea")
        assert len(call.all_of(ResponseAudio)) == 2


@virtual_time
async def test_a_lost_session_ends_with_a_clear_word_and_a_failed_response() -> None:
    engine = FakeEngine([reply("One", 0.5, every_s=5.0)])
    async with call_to(engine, manual()) as call:
        await call.ask()
        engine.lose(call.session.id, "out of memory")
        ended = await call.until(SessionEnded)
        assert ended.code == "engine_failed"
        assert "out of memory" in ended.message
        assert call.one(ResponseFinished).status is ResponseStatus.FAILED


@virtual_time
async def test_an_engine_that_is_gone_at_the_first_word_ends_the_session() -> None:
    engine = FakeEngine()
    async with call_to(engine, manual()) as call:
        engine.die()
        with pytest.raises(EngineUnavailableError):
            call.session.append_audio(b"\0\0", 16_000)
        assert (await call.until(SessionEnded)).code == "engine_failed"


@virtual_time
async def test_an_engine_that_goes_away_in_a_call_ends_it() -> None:
    engine = FakeEngine()
    async with call_to(engine, manual()) as call:
        await call.say(0.5)
        engine.die("killed")
        assert "killed" in (await call.until(SessionEnded)).message


@virtual_time
async def test_a_command_for_an_engine_that_just_left_ends_the_session() -> None:
    engine = FakeEngine()
    async with call_to(engine, manual()) as call:
        await call.say(0.5)
        await engine.stop()
        call.session.add_message(TextMessage("user", "still there?"))
        assert (await call.until(SessionEnded)).code == "engine_failed"
