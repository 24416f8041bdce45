"""Speech leaves as it is made, and all of it is heard."""

from __future__ import annotations

import pytest

from server.engine.interface import (
    AudioChunk,
    ResponseDone,
    ResponseSpec,
    ResponseStatus,
    TextChunk,
)
from server.engine.scheduler import Stage
from tests.fakes.stepped_engine import GREEDY, SteppedEngine

pytestmark = pytest.mark.unit

SPEAK = ResponseSpec(sampling=GREEDY)
BYTES_PER_FRAME = 2 * 512
FIRST_CHUNK_SAMPLES = 25 * 512 - 2048
LONG = "the thing is this you can see it and the voice is in the assistant so we do it and you see"


@pytest.mark.parametrize("text", ["so it is", LONG, f"{LONG}. {LONG}! {LONG}."])
def test_all_frames_are_heard_to_the_sample(engine: SteppedEngine, text: str) -> None:
    engine.let_say(text)
    engine.ask(SPEAK)
    engine.settle()
    (done,) = engine.said(ResponseDone)
    assert done.status is ResponseStatus.COMPLETED
    assert engine.text("a") == text
    assert done.usage.audio_tokens > 0
    assert len(engine.pcm("a")) == done.usage.audio_tokens * BYTES_PER_FRAME
    assert done.timings.audio_s == pytest.approx(done.usage.audio_tokens * 512 / 24_000)
    ends = [chunk.text_end for chunk in engine.said(AudioChunk)]
    assert ends == sorted(ends) and ends[-1] == len(text)


def test_first_audio_leaves_after_one_speech_step_of_25_frames(engine: SteppedEngine) -> None:
    engine.let_say(LONG)
    engine.timed.frames = 100
    engine.ask(SPEAK)
    first = engine.until(AudioChunk)
    count = engine.count()
    assert (count[Stage.DECODE_SPEECH], count[Stage.VOCODE]) == (25, 1)
    assert len(first.pcm) == 2 * FIRST_CHUNK_SAMPLES


def test_speech_that_does_not_end_is_stopped_at_its_limit(engine: SteppedEngine) -> None:
    engine.let_say("so it is")
    engine.timed.frames = 1_000_000
    engine.ask(SPEAK)
    engine.settle()
    (done,) = engine.said(ResponseDone)
    assert (done.status, done.reason) == (ResponseStatus.INCOMPLETE, "speech_limit")
    assert len(engine.pcm("a")) == done.usage.audio_tokens * BYTES_PER_FRAME


def test_an_answer_without_words_is_silent_and_complete(engine: SteppedEngine) -> None:
    engine.let_say("")
    engine.ask(SPEAK)
    engine.settle()
    (done,) = engine.said(ResponseDone)
    assert done.status is ResponseStatus.COMPLETED and done.usage.audio_tokens == 0
    assert engine.said(TextChunk) == []
