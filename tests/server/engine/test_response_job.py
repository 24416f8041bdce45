"""One response: what is made when, what leaves when, and what stays of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from model.omni import OmniModel
from model.text_generation import TextGeneration
from server.config import ContextConfig, EngineConfig
from server.engine.interface import (
    AudioChunk,
    Cancel,
    Evicted,
    ImageFrame,
    InputUnit,
    Prefill,
    Respond,
    ResponseDone,
    ResponseSpec,
    ResponseStatus,
    Rewind,
    SessionSpec,
    TextChunk,
    UnitPrefilled,
)
from server.engine.scheduler import Batch, Stage
from server.engine.stages import NotFiniteError
from tests.fakes.stepped_engine import GREEDY, SteppedEngine, babbling, sound
from tests.server.engine.conftest import tiny_config

pytestmark = pytest.mark.unit

SPEAK = ResponseSpec(sampling=GREEDY)
WRITE = ResponseSpec(audio=False, sampling=GREEDY)
BYTES_PER_FRAME = 2 * 512
FIRST_CHUNK_SAMPLES = 25 * 512 - 2048
LONG = "the thing is this you can see it and the voice is in the assistant so we do it and you see"


def test_before_the_first_audio_no_more_text_is_made_than_the_speech_needs(
    engine: SteppedEngine,
) -> None:
    engine.let_say(None)
    engine.ask(SPEAK)
    engine.until(AudioChunk)
    stages = [stage for stage, _ in engine.timed.ran]
    speech_began = stages.index(Stage.SPEECH_PREFILL)
    assert Stage.DECODE_TEXT not in stages[speech_began:]
    spoken = engine.parts.model.speech_tokenizer.encode(engine.text("a"))
    assert 10 <= len(spoken) <= 14


def test_text_the_speech_does_not_wait_for_is_not_made_along_with_that_of_others(
    engine: SteppedEngine,
) -> None:
    tokenizer = engine.parts.model.tokenizer
    (space,) = tokenizer.encode_foreign(" ")
    babble = babbling(tokenizer)
    drawn_first: list[TextGeneration] = []

    def say(generation: TextGeneration, drawn: int) -> int:
        drawn_first.append(generation)
        return space if generation is drawn_first[0] else babble(generation, drawn)

    engine.timed.say = say
    for name in "ab":
        engine.open(name)
    # The first to answer has nothing to say for now; its speech waits for text and is more urgent.
    engine.send(Respond("b", "b-r", replace(SPEAK, max_output_tokens=40)))
    engine.clock.now_s += 0.01
    engine.send(Respond("a", "a-r", SPEAK))
    while not engine.said(AudioChunk, "a"):
        assert engine.worker.tick()
    texts = engine.batches(Stage.DECODE_TEXT)
    assert texts[0] == ("b", "a")
    assert texts[12:] == [("b",)] * 27


def test_timings_are_counted_from_the_moment_respond_came(engine: SteppedEngine) -> None:
    engine.let_say("so it is")
    engine.timed.cost_s = {Stage.PREFILL: 0.5, Stage.DECODE_TEXT: 0.25, Stage.VOCODE: 1.0}
    engine.ask(SPEAK)
    began_s = engine.clock.now_s
    first = engine.until(AudioChunk)
    ttfa_s = engine.clock.now_s - began_s
    engine.settle()
    (done,) = engine.said(ResponseDone)
    assert first.pcm
    assert done.timings.queue_s == 0.0
    assert done.timings.ttft_s == pytest.approx(0.5)
    assert done.timings.ttfa_s == pytest.approx(ttfa_s)
    assert done.timings.total_s == pytest.approx(engine.clock.now_s - began_s)
    assert done.usage.input_tokens > engine.said(UnitPrefilled)[0].context_tokens


def test_cancelling_stops_before_the_next_step(engine: SteppedEngine) -> None:
    engine.let_say(None)
    engine.ask(SPEAK)
    engine.until(AudioChunk)
    n_steps, n_events = len(engine.timed.ran), len(engine.events)
    engine.send(Cancel("a", "another"), Cancel("a", "a-r"), Cancel("a", "a-r"))
    engine.settle()
    assert len(engine.timed.ran) == n_steps
    (done,) = engine.events[n_events:]
    assert isinstance(done, ResponseDone) and done.status is ResponseStatus.CANCELLED


def test_cancelling_before_any_text_leaves_no_trace(engine: SteppedEngine) -> None:
    engine.ask(SPEAK)
    before = engine.length
    tokenizer = engine.parts.model.tokenizer
    first_byte_of_a_character = tokenizer.encode_foreign("é")[0]
    engine.timed.say = lambda _generation, _drawn: first_byte_of_a_character
    engine.worker.tick()
    assert engine.length > before and not engine.said(TextChunk)
    engine.send(Cancel("a", "a-r"))
    engine.settle()
    assert engine.said(ResponseDone)[0].mark is None
    assert engine.length == before


def test_cancelling_before_the_first_step_leaves_no_trace(engine: SteppedEngine) -> None:
    engine.ask(SPEAK)
    engine.send(Cancel("a", "a-r"))
    engine.settle()
    assert engine.said(ResponseDone)[0].status is ResponseStatus.CANCELLED


def test_a_cancelled_response_stays_as_far_as_its_text_left(tiny_model: OmniModel) -> None:
    engine, other = (SteppedEngine(tiny_model, tiny_config()) for _ in range(2))
    for each in (engine, other):
        each.let_say(None)
        each.ask(WRITE)
        each.until(TextChunk, 5)
    engine.send(Cancel("a", "a-r"))
    other.until(TextChunk, 7)
    other.send(Rewind("a", other.said(TextChunk)[4].mark))
    for each in (engine, other):
        each.settle()
        each.send(Prefill("a", InputUnit(1, sound(9))))
        each.settle()
    assert engine.length == other.length
    assert engine.said(ResponseDone)[0].mark is not None
    keys = [each.parts.state.language.keys[:, 0, :, : engine.length] for each in (engine, other)]
    assert torch.equal(*keys)


def test_a_response_cancelled_while_its_last_words_are_spoken_is_a_complete_one(
    engine: SteppedEngine,
) -> None:
    engine.let_say("so it is")
    engine.ask(SPEAK)
    engine.until(AudioChunk)
    engine.send(Cancel("a", "a-r"), Prefill("a", InputUnit(1, sound(1))))
    engine.settle()
    opening = engine.parts.model.tokenizer.encode("<|im_end|>\n<|im_start|>user\n")
    assert engine.said(UnitPrefilled)[-1].n_tokens == len(opening) + 27


def test_generation_pauses_when_it_is_far_enough_ahead_of_the_listener(
    tiny_model: OmniModel,
) -> None:
    config = tiny_config(engine=EngineConfig(speech_lead_s=1.0))
    engine = SteppedEngine(tiny_model, config)
    engine.let_say("so it is")
    engine.timed.frames = 300
    engine.ask(SPEAK)
    engine.settle()
    assert engine.said(ResponseDone) == []
    made_s = len(engine.pcm("a")) / 48_000
    assert 1.0 < made_s < 2.0
    (session,) = engine.worker._sessions.values()
    engine.clock.now_s = session.wake_s() - 0.001
    engine.settle()
    assert len(engine.pcm("a")) / 48_000 == made_s
    while not engine.said(ResponseDone):
        engine.clock.now_s = session.wake_s() + 0.001
        engine.settle()
    assert len(engine.pcm("a")) == engine.said(ResponseDone)[0].usage.audio_tokens * BYTES_PER_FRAME


def test_a_waiting_listener_goes_before_one_with_speech_in_hand(engine: SteppedEngine) -> None:
    engine.let_say("so it is")
    engine.timed.frames = 1000
    engine.ask(SPEAK, "b")
    engine.send(Cancel("b", "b-r"))
    engine.ask(SPEAK, "a")
    engine.until(AudioChunk, 2)
    engine.timed.ran.clear()
    engine.send(Respond("b", "b2", SPEAK))
    while not engine.said(AudioChunk, "b"):
        assert engine.worker.tick()
    assert all("b" in sessions for _, sessions in engine.timed.ran)
    assert not engine.said(ResponseDone, "a")


def test_units_of_others_are_not_starved_by_a_long_text_response(engine: SteppedEngine) -> None:
    engine.let_say(None)
    engine.timed.cost_s = {Stage.DECODE_TEXT: 0.02}
    engine.open("b")
    engine.ask(replace(WRITE, max_output_tokens=400))
    engine.until(TextChunk)
    engine.send(Prefill("b", InputUnit(0, sound(1)), deadline_s=1.0))
    done = engine.until(UnitPrefilled, 2)
    assert not done.late
    assert len(engine.said(TextChunk)) < 60


@pytest.mark.parametrize("stage", [Stage.DECODE_TEXT, Stage.DECODE_SPEECH])
def test_a_failure_in_the_middle_leaves_no_trace(engine: SteppedEngine, stage: Stage) -> None:
    engine.let_say(LONG)
    engine.ask(SPEAK)
    before = engine.length

    def spoil(batch: Batch) -> list[Any] | None:
        late = engine.count()[stage] > 5
        return [NotFiniteError("spoiled")] if batch.stage is stage and late else None

    engine.timed.spoil = spoil
    engine.settle()
    (done,) = engine.said(ResponseDone)
    assert (done.status, done.mark) == (ResponseStatus.FAILED, None)
    assert engine.length == before


def test_text_alone_needs_no_speech(engine: SteppedEngine) -> None:
    engine.let_say(LONG)
    engine.ask(WRITE)
    engine.settle()
    assert engine.text("a") == LONG
    assert engine.said(AudioChunk) == []
    assert engine.count()[Stage.DECODE_SPEECH] == 0
    timings = engine.said(ResponseDone)[0].timings
    assert timings.ttfa_s is None and timings.rtf is None


def test_the_last_frame_is_looked_at_in_high_resolution_where_the_session_asks(
    engine: SteppedEngine,
) -> None:
    engine.let_say("so it is")
    frame = ImageFrame(640, 480, bytes(640 * 480 * 3))
    engine.open("a", SessionSpec(hd=True))
    engine.send(Prefill("a", InputUnit(0, sound(1), frame)), Prefill("a", InputUnit(1, sound(2))))
    engine.settle()
    assert len(engine.batches(Stage.ENCODE_IMAGES)) == 1
    before = engine.length
    engine.send(Respond("a", "r1", WRITE))
    engine.settle()
    n_slices = len(engine.batches(Stage.ENCODE_IMAGES)) - 1
    assert n_slices > 2
    assert engine.said(ResponseDone)[0].usage.input_tokens > before + 64 * n_slices
    engine.send(Prefill("a", InputUnit(2, sound(3))), Respond("a", "r2", WRITE))
    engine.settle()
    assert len(engine.batches(Stage.ENCODE_IMAGES)) == 1 + n_slices


def test_a_response_makes_room_before_it_begins(tiny_model: OmniModel) -> None:
    small = ContextConfig(capacity_tokens=600, high_tokens=400, low_tokens=250)
    engine = SteppedEngine(tiny_model, tiny_config(context=small))
    engine.let_say("so it is")
    engine.open("a")
    index = 0
    while engine.length + 27 <= small.high_tokens:
        engine.send(Prefill("a", InputUnit(index, sound(index))))
        engine.settle()
        index += 1
    assert engine.said(Evicted) == []
    engine.send(Respond("a", "r", WRITE))
    engine.settle()
    assert len(engine.said(Evicted)) == 1
    assert engine.said(ResponseDone)[0].status is ResponseStatus.COMPLETED


def test_a_response_that_has_no_room_at_all_fails_without_a_trace(tiny_model: OmniModel) -> None:
    small = ContextConfig(capacity_tokens=600, high_tokens=400, low_tokens=250)
    engine = SteppedEngine(tiny_model, tiny_config(context=small))
    engine.open("a", SessionSpec(instructions="q"))
    n_free = small.capacity_tokens - engine.length
    engine.open("b", SessionSpec(instructions="q" + " th" * (n_free - 5)))
    assert engine.parts.state.language.lengths[1] == small.capacity_tokens - 5
    engine.send(Respond("b", "r", WRITE))
    engine.settle()
    (done,) = engine.said(ResponseDone)
    assert done.status is ResponseStatus.FAILED
    assert done.reason is not None and done.reason.startswith("context_full")
    assert engine.parts.state.language.lengths[1] == small.capacity_tokens - 5
