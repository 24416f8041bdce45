"""Callers are never of the evaluation, and the easy batches come first."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from model.training.domain.exchange import Split
from model.training.recipe import questions
from model.training.recipe.folders import TRAINING_DIR_VARIABLE
from model.training.recipe.questions import (
    EASY,
    EasyFirst,
    heard_questions,
    question_clips,
    question_requests,
    training_call,
    unseen_questions,
    varied_questions,
)
from model.training.speech_data.augmentation import USUAL, VARIED, Recipe
from model.training.speech_data.call_audio import RAISED_PITCHES
from model.training.speech_data.clips import Clip
from model.training.speech_data.phones import PHONES
from model.training.speech_data.speech_batches import HearingBatches
from model.training.speech_data.synthesis import SpeechRequest
from model.training.speech_data.voices import UNHEARD_SPEAKERS, voice_named
from tests.model.training.speech_data.toy_speech import toy_clip

pytestmark = pytest.mark.unit


def test_the_same_seed_is_the_same_call_by_the_same_caller() -> None:
    assert training_call(5) == training_call(5)
    assert training_call(5)[0].split is Split.TRAIN


def test_every_second_caller_is_easy_to_hear() -> None:
    callers = [training_call(seed)[1] for seed in range(120)]
    even, odd = (
        [caller.recipe for caller in half if caller.pitch not in RAISED_PITCHES]
        for half in (callers[::2], callers[1::2])
    )

    def noise_of(recipes: list[Recipe]) -> list[float]:
        return [recipe.noise_db for recipe in recipes if recipe.noise_db is not None]

    assert min(noise_of(odd)) >= USUAL.noise_db[0] > min(noise_of(even)) >= VARIED.noise_db[0]
    assert len(noise_of(odd)) < len(noise_of(even))
    assert min(recipe.tract for recipe in odd) >= USUAL.tract[0]
    assert max(recipe.tract for recipe in odd) <= USUAL.tract[1]


def test_unheard_voices_are_not_heard() -> None:
    requests = question_requests(range(40))
    speakers = {voice_named(request.voice).speaker for request in requests}
    assert len(requests) > 40 and not speakers & UNHEARD_SPEAKERS


def test_held_out_questions_are_of_no_training_call_and_of_training_voices(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[SpeechRequest] = []

    def speak(request: SpeechRequest) -> Clip:
        asked.append(request)
        return toy_clip()

    monkeypatch.setattr(questions, "SpeechSynthesizer", lambda: SimpleNamespace(speak=speak))
    batch = next(iter(unseen_questions(0).source(0)))
    assert len(batch.clips) > 5
    heard_in_training = {request.text for request in question_requests(range(200))}
    assert not heard_in_training & {request.text for request in asked}
    assert not {voice_named(request.voice).speaker for request in asked} & UNHEARD_SPEAKERS


def test_quiet_rooms_come_first() -> None:
    varied = HearingBatches([SpeechRequest("flite/rms", "ah")], lambda _: toy_clip(), 0)
    quiet = replace(varied, ranges=EASY)
    batches = EasyFirst(quiet, varied, n_easy=2)
    for step, source in ((1, quiet), (2, varied)):
        ours, theirs = batches.batch(step).clips[0], source.batch(step).clips[0]
        assert np.array_equal(ours.units[0], theirs.units[0])
    assert EASY.noise_share == EASY.room_share == 0.0 < EASY.voice_share


def test_the_encoder_hears_the_questions_of_the_calls(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(TRAINING_DIR_VARIABLE, str(tmp_path))
    monkeypatch.setattr(questions, "question_requests", lambda: question_requests(range(2)))
    for request in question_requests(range(2)):
        question_clips().put(request, toy_clip())
    for data in (heard_questions(0), varied_questions(0)):
        assert data.n_phones == len(PHONES) and next(iter(data.source(0))).clips
    assert isinstance(varied_questions(0).source, HearingBatches), "no easy beginning"
