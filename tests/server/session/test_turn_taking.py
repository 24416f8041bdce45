"""The user's side: turns committed by the client, detected turns, interruption."""

from __future__ import annotations

import asyncio

import pytest

from server.engine.interface import (
    Cancel,
    ImageFrame,
    InputUnit,
    Prefill,
    Respond,
    ResponseStatus,
    Rewind,
    TextChunk,
    TextMessage,
)
from server.errors import ProtocolError
from server.media.pcm import MODEL_HZ
from server.session.events import (
    ResponseAudio,
    ResponseFinished,
    ResponseStarted,
    ResponseText,
    TurnCommitted,
    TurnStarted,
    UnitDone,
)
from server.session.options import ResponseOverrides
from server.session.states import SessionState
from tests.fakes.fake_engine import FakeEngine, reply
from tests.fakes.scripted_call import (
    call_to,
    config_with,
    detected,
    manual,
    tone,
)
from tests.virtual_time import virtual_time

pytestmark = pytest.mark.unit

FOUR_WORDS = reply("One", 0.5, " two", 0.5, " three", 0.5, " four", 0.5)
"""Two seconds of speech, generated at once."""
FRAME = ImageFrame(1, 1, b"abc")


def code_of(problem: pytest.ExceptionInfo[ProtocolError]) -> str:
    """Wire code of a refusal."""
    return problem.value.code


# --- turns committed by the client


@virtual_time
async def test_a_manual_commit_flushes_the_short_unit_and_answers_only_when_asked() -> None:
    engine = FakeEngine()
    async with call_to(engine, manual()) as call:
        await call.say(1.4)
        turn_id = call.session.commit()
        committed = await call.until(TurnCommitted)
        assert committed == TurnCommitted(turn_id, pytest.approx(1.4))
        await asyncio.sleep(1.0)
        units = engine.submitted(call.session.id, Prefill)
        assert [len(unit.content.audio_pcm) for unit in units] == [32_000, 12_800]
        assert not engine.submitted(call.session.id, Respond)
        response_id = call.session.respond()
        finished = await call.until(ResponseFinished)
        assert finished.response_id == response_id
        assert finished.eou_delay_s is None


@virtual_time
async def test_committing_nothing_is_refused() -> None:
    async with call_to(FakeEngine(), manual()) as call:
        with pytest.raises(ProtocolError) as refused:
            call.session.commit()
        assert code_of(refused) == "input_audio_buffer_commit_empty"
        await call.say(0.5)
        call.session.commit()
        with pytest.raises(ProtocolError):
            call.session.commit()


@virtual_time
async def test_the_resamplers_last_milliseconds_belong_to_the_turn() -> None:
    engine = FakeEngine()
    async with call_to(engine, manual()) as call:
        for _ in range(25):
            call.session.append_audio(tone(0.02, rate_hz=24_000), 24_000)
        call.session.commit()
        assert (await call.until(TurnCommitted)).audio_s == pytest.approx(0.5)


@virtual_time
async def test_a_change_of_rate_loses_nothing() -> None:
    async with call_to(FakeEngine(), manual()) as call:
        call.session.append_audio(tone(0.5, rate_hz=24_000), 24_000)
        call.session.append_audio(tone(0.5, rate_hz=8_000), 8_000)
        call.session.commit()
        assert (await call.until(TurnCommitted)).audio_s == pytest.approx(1.0)


@virtual_time
async def test_a_second_response_is_refused_while_one_is_under_way() -> None:
    async with call_to(FakeEngine([FOUR_WORDS]), manual()) as call:
        await call.ask()
        with pytest.raises(ProtocolError) as refused:
            call.session.respond()
        assert code_of(refused) == "conversation_already_has_active_response"


@virtual_time
async def test_what_is_said_during_a_response_waits_for_its_end() -> None:
    engine = FakeEngine([reply("One", 0.5, every_s=1.0)])
    async with call_to(engine, manual()) as call:
        await call.ask()
        await call.say(1.5)
        call.session.commit()
        assert len(engine.submitted(call.session.id, Prefill)) == 1
        await call.until(ResponseFinished)
        await call.until(UnitDone, 3)
        assert len(engine.submitted(call.session.id, Prefill)) == 3
        kinds = [type(item).__name__ for item in engine.remembered(call.session.id)]
        assert kinds == ["InputUnit", "str", "InputUnit", "InputUnit"]


@virtual_time
async def test_audio_beyond_the_bound_during_a_response_drops_the_oldest_and_counts() -> None:
    engine = FakeEngine([reply("Slow", 0.5, every_s=8.0)])
    config = config_with(session={"max_backlog_s": 4})
    async with call_to(engine, manual(), config) as call:
        await call.ask()
        await call.say(10.0)
        assert call.session.summary().audio_dropped_s == pytest.approx(6.0)
        await call.until(ResponseFinished)
        indices = [unit.unit_index for unit in call.all_of(UnitDone)]
        assert indices == [0]
        await call.until(UnitDone, 5)
        assert [unit.unit_index for unit in call.all_of(UnitDone)] == [0, 7, 8, 9, 10]


@virtual_time
async def test_typed_text_and_a_frame_alone_are_answered() -> None:
    engine = FakeEngine()
    async with call_to(engine, manual()) as call:
        call.session.append_image(FRAME)
        call.session.add_message(TextMessage("user", "What is this?"))
        call.session.respond(ResponseOverrides(output_audio=False, max_output_tokens=7))
        await call.until(ResponseFinished)
        assert not call.all_of(ResponseAudio)
        unit, message, _, _ = engine.remembered(call.session.id)
        assert message == TextMessage("user", "What is this?")
        assert unit == InputUnit(0, b"", FRAME)
        (respond,) = engine.submitted(call.session.id, Respond)
        assert respond.spec.audio is False
        assert respond.spec.max_output_tokens == 7


@virtual_time
async def test_instructions_of_one_response_come_before_it() -> None:
    engine = FakeEngine()
    async with call_to(engine, manual()) as call:
        await call.say(0.5)
        call.session.commit()
        call.session.respond(ResponseOverrides(instructions="Be short."))
        await call.until(ResponseFinished)
        assert engine.remembered(call.session.id)[1] == TextMessage("system", "Be short.")


# --- interruption


@virtual_time
async def test_interruption_discards_audio_not_yet_played() -> None:
    engine = FakeEngine([reply("A long story", *[1.0] * 10), reply("Yes?", 0.5)])
    async with call_to(engine, detected(), config_with(playout={"lead_s": 2.0})) as call:
        await call.say(1.0)
        await call.be_silent(2.0)
        assert call.session.state is SessionState.RESPONDING
        await call.say(1.0)
        finished = call.one(ResponseFinished)
        assert finished.status is ResponseStatus.CANCELLED
        assert finished.reason == "turn_detected"
        n_pieces = len(call.all_of(ResponseAudio))
        assert n_pieces < 10
        (interrupted_at_s,) = call.when(ResponseFinished)
        assert interrupted_at_s == pytest.approx(call.when(TurnStarted)[1], abs=0.01)
        await call.be_silent(2.0)
        by_response = [piece.response_id for piece in call.all_of(ResponseAudio)]
        assert by_response.count(finished.response_id) == n_pieces
        assert call.all_of(ResponseFinished)[1].status is ResponseStatus.COMPLETED


@virtual_time
async def test_after_an_interruption_the_model_remembers_what_was_heard() -> None:
    engine = FakeEngine([FOUR_WORDS])
    async with call_to(engine, detected()) as call:
        await call.say(1.0)
        await call.be_silent(0.6)
        heard_from_s = call.when(ResponseAudio)[0]
        await call.be_silent(1.0)
        await call.say(0.2)
        heard_s = call.when(TurnStarted)[1] - heard_from_s
        assert 1.0 < heard_s < 1.5
        await call.be_silent(0.1)
        assert engine.remembered_text(call.session.id) == "One two"


@virtual_time
async def test_an_interruption_while_text_is_still_generated_rewinds_once() -> None:
    engine = FakeEngine([reply("One", 0.5, " two", 0.5, " three", 0.5, every_s=0.4)])
    async with call_to(engine, detected()) as call:
        await call.say(1.0)
        await call.be_silent(1.9)
        await call.say(0.3)
        assert call.session.state is SessionState.LISTENING
        finished = call.one(ResponseFinished)
        assert finished.status is ResponseStatus.CANCELLED
        assert engine.remembered_text(call.session.id) == "One"
        assert len(engine.submitted(call.session.id, Rewind)) == 1
        assert not engine.submitted(call.session.id, Cancel)


@virtual_time
async def test_a_turn_that_goes_on_before_anything_was_heard_leaves_no_trace() -> None:
    engine = FakeEngine([reply("Hm", 0.5, every_s=0.6), reply("Now", 0.5)])
    async with call_to(engine, detected()) as call:
        await call.say(1.0)
        await call.be_silent(1.2)
        assert call.all_of(ResponseText) and not call.all_of(ResponseAudio)
        await call.say(1.0)
        cancelled = call.one(ResponseFinished)
        assert (cancelled.status, cancelled.heard_s) == (ResponseStatus.CANCELLED, 0.0)
        await call.be_silent(1.0)
        await call.until(ResponseFinished, 2)
        assert engine.remembered_text(call.session.id) == "Now"


@virtual_time
async def test_the_first_words_of_an_interruption_reach_the_model() -> None:
    engine = FakeEngine([FOUR_WORDS])
    async with call_to(engine, detected()) as call:
        await call.say(1.0)
        await call.be_silent(1.5)
        before = len(engine.remembered_audio(call.session.id))
        await call.say(1.0)
        await call.be_silent(1.0)
        heard_s = (len(engine.remembered_audio(call.session.id)) - before) / 2 / MODEL_HZ
        started = call.all_of(TurnStarted)[1]
        assert started.audio_start_s == pytest.approx(2.5 - 0.3, abs=0.04)
        assert heard_s == pytest.approx(call.all_of(TurnCommitted)[1].audio_s)
        assert heard_s > 1.0 + 0.3 + 0.5 - 0.04


@virtual_time
async def test_speech_into_the_last_words_cuts_a_finished_response_short() -> None:
    engine = FakeEngine([FOUR_WORDS])
    async with call_to(engine, detected()) as call:
        await call.say(1.0)
        await call.be_silent(1.0)
        assert call.one(ResponseFinished).status is ResponseStatus.COMPLETED
        assert engine.remembered_text(call.session.id) == "One two three four"
        await call.be_silent(0.5)
        await call.say(0.3)
        assert engine.remembered_text(call.session.id) == "One two"
        assert len(call.all_of(ResponseFinished)) == 1


@virtual_time
async def test_a_response_heard_to_its_end_is_kept_whole() -> None:
    engine = FakeEngine([FOUR_WORDS])
    async with call_to(engine, detected()) as call:
        await call.say(1.0)
        await call.be_silent(3.5)
        await call.say(0.5)
        assert engine.remembered_text(call.session.id) == "One two three four"
        assert not engine.submitted(call.session.id, Rewind)


@virtual_time
async def test_speech_that_may_not_interrupt_becomes_the_next_turn() -> None:
    engine = FakeEngine([reply("One", 2.0, every_s=0.5), reply("Two", 0.5)])
    config = config_with(playout={"lead_s": 1.0})
    async with call_to(engine, detected(interrupt_response=False), config) as call:
        await call.say(1.0)
        await call.be_silent(1.2)
        await call.say(0.5)
        await call.be_silent(0.6)
        assert len(call.all_of(TurnCommitted)) == 2
        first = await call.until(ResponseFinished)
        assert first.status is ResponseStatus.COMPLETED
        second = await call.until(ResponseFinished, 2)
        assert second.eou_delay_s == pytest.approx(0.5, abs=0.05)
        assert engine.remembered_text(call.session.id) == "OneTwo"
        assert call.session.summary().interruptions == 0


@virtual_time
async def test_a_turn_that_goes_on_before_it_was_answered_is_answered_once() -> None:
    engine = FakeEngine([reply("One", *[0.5] * 20, every_s=0.5), reply("Two", 0.5)])
    async with call_to(engine, detected()) as call:
        await call.say(0.5)
        call.session.respond()
        await call.be_silent(0.8)
        assert call.one(TurnCommitted)
        await call.say(0.5)
        assert call.one(ResponseFinished).reason == "turn_detected"
        assert len(call.all_of(ResponseStarted)) == 1
        await call.be_silent(1.0)
        assert len(call.all_of(ResponseStarted)) == 2


@virtual_time
async def test_no_answer_by_itself_when_the_client_wants_to_ask() -> None:
    engine = FakeEngine()
    async with call_to(engine, detected(create_response=False)) as call:
        await call.say(1.0)
        await call.be_silent(1.0)
        assert call.one(TurnCommitted)
        assert not call.all_of(ResponseStarted)


@virtual_time
async def test_a_stale_event_of_a_cancelled_response_is_dropped() -> None:
    engine = FakeEngine([reply("One", 0.5, every_s=0.5)])
    async with call_to(engine, manual()) as call:
        response_id = await call.ask()
        await asyncio.sleep(0.7)
        call.session.cancel()
        engine.emit(TextChunk(call.session.id, response_id, "too late", 99))
        await call.until(ResponseFinished)
        engine.emit(TextChunk(call.session.id, response_id, "stale", 99))
        engine.emit(TextChunk(call.session.id, "resp_unknown", "stale", 99))
        await asyncio.sleep(1.0)
        assert [text.text for text in call.all_of(ResponseText)] == ["One"]
