"""Responses: cancelled and truncated."""

from __future__ import annotations

import asyncio

import pytest

from server.engine.interface import (
    Cancel,
    Command,
    InputUnit,
    Prefill,
    Respond,
    ResponseDone,
    ResponseSpec,
    ResponseStatus,
    Rewind,
)
from server.errors import ProtocolError
from server.media.pcm import MODEL_HZ
from server.session.events import (
    ResponseAudio,
    ResponseFinished,
    ResponseTrigger,
    Truncated,
    UnitDone,
)
from server.session.history import History
from server.session.output_queue import OutputQueue
from server.session.playout import Playout
from server.session.responder import Responder
from server.session.states import SessionState
from tests.fakes.fake_engine import FakeEngine, reply
from tests.fakes.scripted_call import (
    call_to,
    manual,
)
from tests.virtual_time import LoopClock, virtual_time

pytestmark = pytest.mark.unit

FOUR_WORDS = reply("One", 0.5, " two", 0.5, " three", 0.5, " four", 0.5)
"""Two seconds of speech, generated at once."""


def code_of(problem: pytest.ExceptionInfo[ProtocolError]) -> str:
    """Wire code of a refusal."""
    return problem.value.code


@virtual_time
async def test_cancelling_stops_the_engine_and_finishes_once() -> None:
    engine = FakeEngine([reply("One", 0.5, " two", 0.5, every_s=0.5)])
    async with call_to(engine, manual()) as call:
        response_id = await call.ask()
        await asyncio.sleep(0.7)
        call.session.cancel(response_id)
        call.session.cancel(response_id)
        await asyncio.sleep(2.0)
        finished = call.one(ResponseFinished)
        assert (finished.status, finished.reason) == (ResponseStatus.CANCELLED, "client_cancelled")
        assert not call.all_of(ResponseAudio)
        assert engine.remembered_text(call.session.id) == ""
        assert call.session.state is SessionState.LISTENING


@virtual_time
async def test_cancelling_a_response_of_text_keeps_what_was_sent() -> None:
    engine = FakeEngine([reply("One", " two", " three", every_s=0.5)])
    async with call_to(engine, manual(output_audio=False)) as call:
        await call.ask()
        await asyncio.sleep(1.2)
        call.session.cancel()
        await call.until(ResponseFinished)
        assert engine.remembered_text(call.session.id) == "One two"


@virtual_time
async def test_cancelling_nothing_or_something_else_is_refused() -> None:
    async with call_to(FakeEngine([FOUR_WORDS]), manual()) as call:
        with pytest.raises(ProtocolError) as refused:
            call.session.cancel()
        assert code_of(refused) == "response_cancel_not_active"
        await call.ask()
        with pytest.raises(ProtocolError) as refused:
            call.session.cancel("resp_other")
        assert code_of(refused) == "response_cancel_not_active"


@pytest.mark.parametrize(
    ("heard_s", "remembered"),
    [(0.0, ""), (0.4, ""), (0.5, "One"), (1.2, "One two"), (2.0, "One two three four")],
)
@virtual_time
async def test_a_truncated_response_is_remembered_up_to_the_word_heard(
    heard_s: float, remembered: str
) -> None:
    engine = FakeEngine([FOUR_WORDS])
    async with call_to(engine, manual()) as call:
        response_id = await call.ask()
        await call.until(ResponseFinished)
        call.session.truncate(response_id, heard_s)
        assert await call.until(Truncated) == Truncated(response_id, heard_s)
        await asyncio.sleep(0.1)
        assert engine.remembered_text(call.session.id) == remembered


@virtual_time
async def test_what_was_said_after_a_truncated_response_stays() -> None:
    engine = FakeEngine([FOUR_WORDS, reply("Five")])
    async with call_to(engine, manual()) as call:
        response_id = await call.ask()
        await call.until(ResponseFinished)
        await call.say(2.2)
        call.session.truncate(response_id, 0.6)
        await call.say(0.3)
        call.session.commit()
        call.session.respond()
        await call.until(ResponseFinished, 2)
        names = [type(item).__name__ for item in engine.remembered(call.session.id)]
        assert names == ["InputUnit", "str", "InputUnit", "InputUnit", "InputUnit", "str"]
        assert engine.remembered_text(call.session.id) == "OneFive"
        assert len(engine.remembered_audio(call.session.id)) == 2 * MODEL_HZ * 3.5
        assert [unit.unit_index for unit in call.all_of(UnitDone)] == [0, 1, 2, 3]


@virtual_time
async def test_truncating_a_response_under_way_cancels_it() -> None:
    engine = FakeEngine([reply("One", 0.5, " two", 0.5, " three", 9.0, every_s=0.2)])
    async with call_to(engine, manual()) as call:
        response_id = await call.ask()
        await asyncio.sleep(1.1)
        call.session.truncate(response_id, 0.5)
        finished = await call.until(ResponseFinished)
        assert finished.status is ResponseStatus.CANCELLED
        assert finished.heard_s == 0.5
        await asyncio.sleep(0.1)
        assert engine.remembered_text(call.session.id) == "One"


@virtual_time
async def test_truncating_after_an_interruption_only_shortens_further() -> None:
    engine = FakeEngine([FOUR_WORDS])
    async with call_to(engine, manual()) as call:
        response_id = await call.ask()
        await call.until(ResponseAudio)
        await asyncio.sleep(1.1)
        assert call.session.state is SessionState.LISTENING
        call.session.truncate(response_id, 1.0)
        call.session.truncate(response_id, 1.5)
        await asyncio.sleep(0.1)
        assert engine.remembered_text(call.session.id) == "One two"
        call.session.truncate(response_id, 0.5)
        await asyncio.sleep(0.1)
        assert engine.remembered_text(call.session.id) == "One"


@virtual_time
async def test_truncating_beyond_the_end_another_response_or_too_late_is_refused() -> None:
    async with call_to(FakeEngine([FOUR_WORDS]), manual()) as call:
        response_id = await call.ask()
        await call.until(ResponseFinished)
        with pytest.raises(ProtocolError) as refused:
            call.session.truncate(response_id, 2.1)
        assert code_of(refused) == "invalid_value"
        with pytest.raises(ProtocolError) as refused:
            call.session.truncate("resp_other", 0.1)
        assert code_of(refused) == "item_truncate_invalid_item_id"
        await call.say(12.0)
        with pytest.raises(ProtocolError) as refused:
            call.session.truncate(response_id, 0.1)
        assert code_of(refused) == "item_truncate_too_late"


@virtual_time
async def test_what_waits_is_read_only_after_an_unheard_response_was_taken_back() -> None:
    """The engine had finished when the cancellation reached it, and the user talks on."""
    commands: list[Command] = []
    history = History("a", lambda command: not commands.append(command), max_held_s=10.0)
    outputs = OutputQueue(LoopClock(), 64, lambda: None)
    responder = Responder("a", history, Playout(LoopClock(), 5.0), outputs, lambda: None)

    def sent() -> list[type[Command]]:
        return [type(command) for command in commands]

    history.on_opened(1)
    responder.begin("resp", ResponseTrigger.TURN_ENDED, ResponseSpec(), None)
    responder.interrupt()
    history.prefill(InputUnit(0), is_committed=False)
    responder.on_event(ResponseDone("a", "resp", ResponseStatus.COMPLETED, mark=7))
    assert sent() == [Respond, Cancel, Rewind]
    history.on_rewound()
    assert sent() == [Respond, Cancel, Rewind, Prefill]
