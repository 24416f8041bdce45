"""Who asks what in training: the calls pocket learns from, their callers, and what these say."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from model.training.batches import HeardBatch, TrainingData
from model.training.domain.call_script import CallScript, compose_call
from model.training.domain.exchange import Split
from model.training.recipe.folders import training_folder
from model.training.speech_data.augmentation import MODEL_HZ, USUAL, VARIED
from model.training.speech_data.cache import ClipCache
from model.training.speech_data.call_audio import Caller, draw_caller, requests_of
from model.training.speech_data.phones import PHONES
from model.training.speech_data.speech_batches import BatchesByStep, HearingBatches
from model.training.speech_data.synthesis import SpeechRequest
from model.training.speech_data.synthesizers import SpeechSynthesizer
from model.training.speech_data.voices import Role, voices_for

CALLS = range(18_000, 27_000)
"""Calls, by their seeds, of which every question is synthesised. The audio encoder hears each with
another microphone, room and noise every time, the joint stage as it was encoded once: so that it
does not learn by heart how they sound, these follow upon the first 9,000, of ten rounds, and the
next 9,000, of the eleventh."""

N_UNSEEN_CALLS = 60
"""Calls of the evaluation's sentences, which are held out."""
N_EASY_STEPS = 800
EASY = replace(VARIED, room_share=0.0, noise_share=0.0, band_share=0.0, late_share=0.0)


def question_clips() -> ClipCache:
    """Where the questions are kept, at the model's rate."""
    return ClipCache(training_folder() / "clips" / "questions", MODEL_HZ)


@cache
def training_call(seed: int) -> tuple[CallScript, Caller]:
    """A call and its caller; the same for the same seed. Every second caller is easy to hear."""
    rng = np.random.default_rng([seed, 1])
    ranges = USUAL if seed % 2 else VARIED
    caller = draw_caller(voices_for(Role.HEAR_TRAIN), ranges, rng)
    return compose_call(seed, Split.TRAIN), caller


@cache
def question_requests(calls: range = CALLS) -> tuple[SpeechRequest, ...]:
    """All that is said in calls."""
    return tuple(request for seed in calls for request in requests_of(*training_call(seed)))


@dataclass(frozen=True)
class EasyFirst(BatchesByStep[HeardBatch]):
    """Many voices in quiet first, rooms, noise and poor microphones later: the encoder finds the
    phones sooner."""

    easy: HearingBatches
    """The first batches."""
    varied: HearingBatches
    """Those that follow."""
    n_easy: int = N_EASY_STEPS
    """How many come first."""

    def batch(self, step: int) -> HeardBatch:
        """The batch of one step."""
        return (self.easy if step < self.n_easy else self.varied).batch(step)


def heard_questions(seed: int) -> TrainingData:
    """Questions and sounds with their phones: the audio encoder's data."""
    varied = HearingBatches(question_requests(), question_clips().read, seed)
    easy = replace(varied, ranges=EASY)
    return TrainingData(EasyFirst(easy, varied), n_phones=len(PHONES))


def varied_questions(seed: int) -> TrainingData:
    """The same without an easy beginning, for an encoder that hears already."""
    varied = HearingBatches(question_requests(), question_clips().read, seed)
    return TrainingData(varied, n_phones=len(PHONES))


def unseen_questions(seed: int) -> TrainingData:
    """Sentences that training has not heard, in its voices: held out from the audio encoder's
    data."""
    rng = np.random.default_rng([seed, 2])
    requests = [
        request
        for number in range(N_UNSEEN_CALLS)
        for request in requests_of(
            compose_call(number, Split.EVAL),
            draw_caller(voices_for(Role.HEAR_TRAIN), VARIED, rng),
        )
    ]
    return TrainingData(
        HearingBatches(requests, SpeechSynthesizer().speak, seed), n_phones=len(PHONES)
    )
