"""The short form of pocket's evaluation: a regression of the shipped checkpoint fails here.

The long form is ``omnicall eval pocket`` (``make eval-pocket``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from importlib.util import find_spec

import pytest

from model.config import SPEECH_SAMPLE_RATE_HZ
from model.loading import load_checkpoint
from model.pocket_checkpoint import POCKET_FOLDER
from model.training.domain.evaluation_set import SHORT_PER_INTENT
from server.evaluation.call_runner import (
    OWN_VOICE,
    CallRunner,
    CallStyle,
    evaluation_config,
    running_engine,
)
from server.evaluation.conditions import CONDITIONS, PlannedCall, plan_calls
from server.evaluation.recogniser import Recogniser, error_rate, word_errors, words_of
from server.evaluation.resynthesis import quality_of, resynthesise
from server.evaluation.scoring import PlacedCall, score_of, wrong_answers
from server.evaluation.speech_judging import samples_of
from server.evaluation.voice_likeness import VoiceJudge, voice_print
from tests.integration.pocket_clips import (
    RATE_HZ,
    SPOKEN,
    StoredClips,
    spoken_plan,
    teacher_speech,
)

pytestmark = pytest.mark.integration

FLOORS: Mapping[str, float] = {
    "typed": 95.0,
    "pictures": 92.0,
    "memory": 80.0,
    "outside": 80.0,
    "seen": 86.0,
    "unheard": 73.0,
}
"""Right answers in percent, at least: a little below what the shipped checkpoint reaches here (100,
96, 90, 100, 100 and 80). Of the last three there are ten to fifteen questions: another
processor's rounding may cost seven or ten.

What it is to reach are the bars of ``server/evaluation/measures.py``: 98, 97, 95, 90, 95 and 85. It
talks in writing, and understands most of what is said to it. A checkpoint that understands more
brings higher floors.
"""
MOST_WORD_ERRORS = 15.0
"""Of spoken replies, in percent, likewise (5.3); the teachers' own voices have 15 to 30 on such
short texts."""
LEAST_PESQ: Mapping[str, float] = {"clara": 3.5, "alan": 2.7}
LEAST_STOI = 0.93
"""Of four sentences remade by the vocoder, likewise (3.85 and 2.99; 0.951 and 0.944). The bars, of
the mean over 24, are 3.2 and 0.95."""
SESSIONS = 4


def plan_of(name: str) -> list[PlannedCall]:
    if name in SPOKEN:
        return spoken_plan(name)
    return plan_calls(CONDITIONS[name], SHORT_PER_INTENT)


@pytest.fixture(scope="module")
def clips() -> StoredClips:
    return StoredClips()


@pytest.fixture(scope="module")
def runner(clips: StoredClips) -> Iterator[tuple[asyncio.Runner, CallRunner, CallRunner]]:
    """The engine of this module with the shipped checkpoint: for answers in text, and in speech."""
    with asyncio.Runner() as loop, ExitStack() as stack:
        context = running_engine(evaluation_config(POCKET_FOLDER, SESSIONS, threads=1))
        engine, _ = loop.run(context.__aenter__())
        stack.callback(lambda: loop.run(context.__aexit__(None, None, None)))
        in_text = tuple(voice for one in clips.references for voice in (OWN_VOICE, one))
        styles = (CallStyle(in_text), CallStyle(clips.references, spoken_replies=True))
        text, speech = (CallRunner(engine, SESSIONS, clips.speak, style) for style in styles)
        yield loop, text, speech


@pytest.mark.parametrize("name", FLOORS)
def test_answers_are_right(
    name: str, runner: tuple[asyncio.Runner, CallRunner, CallRunner]
) -> None:
    loop, text, _ = runner
    placed = loop.run(text.hold_all(plan_of(name)))
    score = score_of(placed)
    assert score.percent is not None
    assert score.percent >= FLOORS[name], (score, wrong_answers(placed, 10))


@pytest.fixture(scope="module")
def replies(runner: tuple[asyncio.Runner, CallRunner, CallRunner]) -> list[PlacedCall]:
    loop, _, speech = runner
    return loop.run(speech.hold_all(spoken_plan("seen")))


def test_replies_are_understood_by_a_recogniser(replies: list[PlacedCall]) -> None:
    recogniser = Recogniser()
    errors = []
    for call in replies:
        said = words_of(call.scored.said)
        assert said, call.scored.asked
        heard = recogniser.hear(samples_of(call.pcm), SPEECH_SAMPLE_RATE_HZ)
        errors.append(word_errors(said, heard))
    assert error_rate(errors) <= MOST_WORD_ERRORS, errors


def test_replies_have_the_voice_of_the_reference(
    replies: list[PlacedCall], clips: StoredClips
) -> None:
    own: dict[str, list] = {}
    for reference in clips.references:
        own.setdefault(reference.name, []).append(voice_print(samples_of(reference.pcm), RATE_HZ))
    judge = VoiceJudge(own)
    voices = [
        (call.voice, judge.nearest(voice_print(samples_of(call.pcm), SPEECH_SAMPLE_RATE_HZ)))
        for call in replies
    ]
    assert {wanted for wanted, _ in voices} == set(own)
    assert all(wanted == found for wanted, found in voices), voices


@pytest.mark.skipif(find_spec("pesq") is None, reason="pesq was not built here")
@pytest.mark.parametrize("voice", LEAST_PESQ)
def test_the_vocoder_remakes_what_a_teacher_says(voice: str) -> None:
    model = load_checkpoint(POCKET_FOLDER, "cpu", "float32")
    remade = resynthesise(model, teacher_speech(voice))
    quality = quality_of(remade.original, remade.by_vocoder)
    assert quality is not None
    assert quality.pesq >= LEAST_PESQ[voice] and quality.stoi >= LEAST_STOI, quality


def test_the_stored_clips_are_all_that_the_spoken_questions_need(clips: StoredClips) -> None:
    for name in SPOKEN:
        plan = spoken_plan(name)
        groups = {planned.call.group for planned in plan}
        assert groups >= {"talk", "fact", "sum", "picture", "memory", "limits"}
        for planned in plan:
            for request in planned.requests():
                assert clips.speak(request).duration_s > 0.2
    with pytest.raises(KeyError, match=r"tests\.integration\.pocket_clips"):
        clips.speak(spoken_plan("seen")[0].requests()[0].__class__("flite/awb", "never said"))
    assert [reference.name for reference in clips.references] == ["clara", "alan"] * 2
