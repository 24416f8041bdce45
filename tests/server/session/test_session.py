"""Whole calls with a scripted engine, in virtual time: life, options, bad input, the end."""

from __future__ import annotations

import asyncio
import logging

import pytest

from server.engine.interface import (
    Close,
    ImageFrame,
    InputUnit,
    Open,
    Respond,
    ResponseStatus,
    SamplingSpec,
    TextMessage,
)
from server.errors import ProtocolError
from server.media.pcm import MODEL_HZ
from server.media.voice_activity import VoiceActivityError
from server.session.events import (
    ResponseAudio,
    ResponseFinished,
    ResponseStarted,
    ResponseText,
    ResponseTrigger,
    SessionEnded,
    TurnCommitted,
    TurnEnded,
    TurnStarted,
    UnitDone,
)
from server.session.options import SessionOptions, Voice
from server.session.session import Session
from server.session.states import SessionState
from tests.fakes.fake_engine import FakeEngine, reply
from tests.fakes.fake_voice_activity import LoudnessVoiceActivity
from tests.fakes.scripted_call import (
    call_to,
    config_with,
    detected,
    manual,
    tone,
)
from tests.virtual_time import LoopClock, virtual_time

pytestmark = pytest.mark.unit

FOUR_WORDS = reply("One", 0.5, " two", 0.5, " three", 0.5, " four", 0.5)
"""Two seconds of speech, generated at once."""
FRAME = ImageFrame(1, 1, b"abc")


def code_of(problem: pytest.ExceptionInfo[ProtocolError]) -> str:
    """Wire code of a refusal."""
    return problem.value.code


# --- a whole call


@virtual_time
async def test_a_scripted_call_of_thirty_seconds() -> None:
    engine = FakeEngine([reply("Yes", 0.5, ", I see.", 0.5, every_s=0.1)], prefill_s=0.05)
    async with call_to(engine, detected("omni")) as call:
        for _ in range(3):
            await call.be_silent(4.0)
            call.session.append_image(FRAME)
            await call.say(2.0)
            await call.be_silent(4.0)
        assert asyncio.get_running_loop().time() == pytest.approx(30.0, abs=0.01)
        assert call.session.state is SessionState.LISTENING
        assert (
            call.names(UnitDone, ResponseText, ResponseAudio)
            == [
                "TurnStarted",
                "TurnEnded",
                "TurnCommitted",
                "ResponseStarted",
                "ResponseFinished",
            ]
            * 3
        )
        finished = call.all_of(ResponseFinished)
        assert {one.status for one in finished} == {ResponseStatus.COMPLETED}
        assert [one.timings.audio_s for one in finished] == [1.0] * 3
        assert not any(unit.late for unit in call.all_of(UnitDone))
        summary = call.session.summary()
        assert (summary.turns, summary.responses, summary.interruptions) == (3, 3, 0)
        assert summary.audio_in_s == pytest.approx(30.0)
        assert summary.audio_out_s == pytest.approx(3.0)
        assert summary.audio_dropped_s == 0.0
    assert call.one(SessionEnded).code == "closed"
    assert call.session.state is SessionState.CLOSED
    assert not engine.holds(call.session.id)


@virtual_time
async def test_the_end_of_speech_is_decided_after_the_silence_and_answered_at_once() -> None:
    engine = FakeEngine([reply("Yes", 0.5, every_s=0.1)])
    async with call_to(engine, detected(min_silence_s=0.5)) as call:
        await call.be_silent(1.0)
        await call.say(1.5)
        await call.be_silent(1.5)
        started, ended = call.one(TurnStarted), call.one(TurnEnded)
        assert started.audio_start_s == pytest.approx(1.0 - 0.3, abs=0.033)
        assert ended.audio_end_s == pytest.approx(2.5, abs=0.033)
        (decided_at_s,) = call.when(TurnEnded)
        assert decided_at_s == pytest.approx(ended.audio_end_s + 0.5, abs=0.05)
        assert call.when(ResponseStarted) == [decided_at_s]
        assert call.one(ResponseStarted).trigger is ResponseTrigger.TURN_ENDED
        finished = call.one(ResponseFinished)
        assert finished.eou_delay_s == pytest.approx(0.5, abs=0.04)
        assert finished.timings.ttft_s == pytest.approx(0.1)
        assert finished.timings.ttfa_s == pytest.approx(0.2)


@virtual_time
async def test_in_audio_mode_the_model_gets_the_turn_and_not_the_silence_before() -> None:
    engine = FakeEngine()
    async with call_to(engine, detected("audio")) as call:
        await call.be_silent(5.0)
        await call.say(1.5)
        await call.be_silent(1.0)
        heard_s = len(engine.remembered_audio(call.session.id)) / 2 / MODEL_HZ
        assert heard_s == pytest.approx(call.one(TurnCommitted).audio_s)
        assert 1.5 + 0.3 + 0.5 <= heard_s < 2.5


@virtual_time
async def test_in_omni_mode_the_model_gets_every_second() -> None:
    engine = FakeEngine()
    async with call_to(engine, detected("omni")) as call:
        await call.be_silent(5.0)
        assert len(engine.remembered(call.session.id)) == 5


@virtual_time
async def test_every_sample_of_a_turn_reaches_the_model() -> None:
    engine = FakeEngine()
    async with call_to(engine, manual()) as call:
        sound = bytes(range(256)) * 200
        for start in range(0, len(sound), 640):
            call.session.append_audio(sound[start : start + 640], 16_000)
            await asyncio.sleep(0.02)
        call.session.commit()
        await call.settle()
        assert engine.remembered_audio(call.session.id) == sound


@virtual_time
async def test_the_newest_frame_of_each_second_reaches_the_model() -> None:
    engine = FakeEngine()
    async with call_to(engine, manual()) as call:
        for name in range(6):
            call.session.append_image(ImageFrame(1, 1, bytes([name] * 3)))
            await call.say(0.5)
        units = engine.remembered(call.session.id)
        assert [unit.image.rgb[0] for unit in units if isinstance(unit, InputUnit)] == [1, 3, 5]


@virtual_time
async def test_first_audio_leaves_the_moment_it_arrives() -> None:
    engine = FakeEngine([reply("One", 0.5, every_s=0.1)])
    async with call_to(engine, manual()) as call:
        await call.ask()
        asked_at_s = LoopClock().monotonic()
        await call.until(ResponseAudio)
        assert call.when(ResponseAudio) == [pytest.approx(asked_at_s + 0.2)]


@virtual_time
async def test_speech_is_paced_and_finished_after_its_last_piece() -> None:
    engine = FakeEngine([reply("A long story", *[1.0] * 12)])
    async with call_to(engine, manual(), config_with(playout={"lead_s": 3.0})) as call:
        await call.ask()
        await call.until(ResponseFinished)
        first_s = call.when(ResponseAudio)[0]
        assert [at_s - first_s for at_s in call.when(ResponseAudio)] == pytest.approx(
            [0.0, 0.0, 0.0, *[float(n) for n in range(1, 10)]], abs=1e-3
        )
        assert isinstance(call.outputs[-1], ResponseFinished)
        assert [round(piece.start_s, 3) for piece in call.all_of(ResponseAudio)] == list(range(12))
        assert call.one(ResponseFinished).heard_s == pytest.approx(9.0, abs=1e-3)


@virtual_time
async def test_options_before_the_first_input_open_the_session_with_them() -> None:
    engine = FakeEngine()
    async with call_to(engine, manual()) as call:
        voice = Voice("anna", b"\x01\x00" * 10)
        options = manual(mode="audio", language="zh", instructions="Be kind.", voice=voice, hd=True)
        call.session.update(options)
        assert engine.commands == []
        await call.say(0.1)
        (opening,) = engine.submitted(call.session.id, Open)
        assert opening.spec == options.session_spec()
        assert opening.spec.voice_pcm == voice.pcm


@virtual_time
async def test_what_the_model_was_told_cannot_change_afterwards() -> None:
    async with call_to(FakeEngine(), manual()) as call:
        await call.say(0.1)
        with pytest.raises(ProtocolError, match="mode and voice cannot change") as refused:
            call.session.update(manual(mode="audio", voice=Voice("x", b"\0\0")))
        assert code_of(refused) == "session_already_started"
        assert call.session.options == manual()


@virtual_time
async def test_later_instructions_become_a_system_message() -> None:
    engine = FakeEngine()
    async with call_to(engine, manual(instructions="Old.")) as call:
        await call.say(1.0)
        call.session.update(manual(instructions="New."))
        call.session.update(manual(instructions="New."))
        await asyncio.sleep(0.1)
        assert engine.remembered(call.session.id)[1:] == [TextMessage("system", "New.")]


@virtual_time
async def test_turn_detection_can_be_switched_in_a_call() -> None:
    engine = FakeEngine()
    async with call_to(engine, manual(mode="audio")) as call:
        await call.say(0.6)
        await call.be_silent(0.6)
        assert not call.all_of(TurnStarted)
        call.session.update(detected("audio"))
        await call.say(0.6)
        await call.be_silent(0.6)
        assert call.one(TurnEnded)
        call.session.update(manual(mode="audio"))
        await call.say(0.6)
        assert call.session.commit()


@virtual_time
async def test_sampling_and_length_of_the_session_reach_the_engine() -> None:
    engine = FakeEngine()
    options = manual(sampling=SamplingSpec(temperature=0.0), max_output_tokens=9)
    async with call_to(engine, options) as call:
        await call.ask()
        await call.until(ResponseFinished)
        (respond,) = engine.submitted(call.session.id, Respond)
        assert respond.spec.sampling.temperature == 0.0
        assert respond.spec.max_output_tokens == 9


@virtual_time
async def test_frames_are_refused_where_the_session_takes_audio_alone() -> None:
    async with call_to(FakeEngine(), manual(mode="audio")) as call:
        with pytest.raises(ProtocolError) as refused:
            call.session.append_image(FRAME)
        assert code_of(refused) == "image_not_accepted"


@virtual_time
async def test_closing_cancels_the_response_gives_the_row_back_and_counts_once() -> None:
    engine = FakeEngine([reply("One", 0.5, every_s=5.0)])
    async with call_to(engine, manual()) as call:
        await call.ask()
        call.session.close("deleted", "gone")
        call.session.close("closed", "again")
        assert (await call.until(SessionEnded)) == SessionEnded("deleted", "gone")
        finished = call.one(ResponseFinished)
        assert (finished.status, finished.reason) == (ResponseStatus.CANCELLED, "session_closed")
        assert isinstance(engine.commands[-1], Close)


@virtual_time
async def test_a_failing_voice_detector_ends_the_session_instead_of_hearing_silence() -> None:
    class Broken(LoudnessVoiceActivity):
        def probability(self, window: object) -> float:
            raise VoiceActivityError("the voice activity detector answered nan")

    clock = LoopClock()
    session = Session("sess_1", detected(), config_with(), FakeEngine(), clock, Broken)
    async with asyncio.TaskGroup() as group:
        group.create_task(session.run())
        session.append_audio(tone(0.1), 16_000)
        ended = [output async for output in session.outputs()][-1]
    assert ended == SessionEnded("server_error", "the voice activity detector answered nan")


@virtual_time
async def test_a_fault_of_the_server_ends_the_session_and_only_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Surprise(LoudnessVoiceActivity):
        def probability(self, window: object) -> float:
            raise ZeroDivisionError

    session = Session("sess_1", detected(), config_with(), FakeEngine(), LoopClock(), Surprise)
    async with asyncio.TaskGroup() as group:
        group.create_task(session.run())
        session.append_audio(tone(1.0), 16_000)
        ended = [output async for output in session.outputs()][-1]
    assert isinstance(ended, SessionEnded) and ended.code == "server_error"
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize("n_steps", range(4))
@virtual_time
async def test_what_still_waits_in_line_at_the_end_is_forgotten(
    n_steps: int, caplog: pytest.LogCaptureFixture
) -> None:
    engine = FakeEngine()
    async with call_to(engine, detected()) as call:
        call.session.append_audio(tone(0.2), 16_000)
        call.session.respond()
        for _ in range(n_steps):
            await asyncio.sleep(0)
        call.session.close("closed", "bye")
        assert (await call.until(SessionEnded)).code == "closed"
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


@virtual_time
async def test_cancelling_the_run_ends_the_session() -> None:
    engine = FakeEngine()
    session = Session("sess_1", manual(), config_with(), engine, LoopClock())
    running = asyncio.create_task(session.run())
    await asyncio.sleep(0)
    session.append_audio(tone(0.5), 16_000)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert session.state is SessionState.CLOSED
    assert isinstance(engine.commands[-1], Close)


@virtual_time
async def test_a_draining_session_finishes_its_response_and_begins_no_other() -> None:
    engine = FakeEngine([reply("One", 0.5, every_s=1.0)])
    async with call_to(engine, detected(interrupt_response=False)) as call:
        await call.say(1.0)
        await call.be_silent(0.6)
        call.session.drain()
        with pytest.raises(ProtocolError) as refused:
            call.session.respond()
        assert code_of(refused) == "server_draining"
        await call.until(SessionEnded)
        assert call.one(ResponseFinished).status is ResponseStatus.COMPLETED
        assert call.one(SessionEnded).code == "draining"


def test_default_options_are_the_servers() -> None:
    config = config_with(session={"mode": "audio"}, turn={"min_silence_s": 0.9})
    options = SessionOptions.from_config(config)
    assert options.mode == "audio"
    assert options.turn_detection is not None
    assert options.turn_detection.min_silence_s == 0.9
