"""Endless batches of speech for the stages that hear and speak, each made from its step alone.

A batch depends on the seed and the step and on nothing that was made before it: a resumed training
goes on with the same batches, and several processes can make them ahead of time.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, replace
from itertools import count
from multiprocessing import get_context
from typing import Generic, TypeVar

import numpy as np

from model.training.batches import HeardBatch, HeardClip, WaveBatch
from model.training.speech_data.augmentation import (
    MODEL_HZ,
    SPEECH_RMS,
    VARIED,
    AugmentationRanges,
    apply_recipe,
    draw_recipe,
)
from model.training.speech_data.call_audio import recipe_at
from model.training.speech_data.clips import Clip
from model.training.speech_data.reply_voices import SPEECH_HZ
from model.training.speech_data.sounds import Sound
from model.training.speech_data.synthesis import SpeechRequest
from model.training.speech_data.timeline import in_turn, sound_clip

SAMPLES_PER_CODE = 512
"""Samples at 24 kHz of one frame of codes."""
SOUND_SHARE = 0.06
"""Share of turns in which a sound is heard and nobody speaks."""
SOUND_S = (0.6, 2.0)
"""Length of such a sound."""
QUIET_ROOM_DB = (-78.0, -58.0)
"""Noise of the microphone where the recipe has none, in dB of full scale."""

Batch = TypeVar("Batch")
Speak = Callable[[SpeechRequest], Clip]


class BatchesByStep(ABC, Generic[Batch]):
    """A source of batches: ``source(step)`` gives those from that step on."""

    @abstractmethod
    def batch(self, step: int) -> Batch:
        """The batch of one step; the same for the same step, always."""

    def __call__(self, step: int) -> Iterator[Batch]:
        """All batches from ``step`` on."""
        return map(self.batch, count(step))


@dataclass(frozen=True)
class HearingBatches(BatchesByStep[HeardBatch]):
    """Turns of spoken questions and sounds, as they are heard."""

    requests: Sequence[SpeechRequest]
    """What is said; each is drawn equally often."""
    speak: Speak
    """Makes a clip; ``ClipCache.read`` where the batches are made in other processes."""
    seed: int
    """Of everything drawn."""
    ranges: AugmentationRanges = VARIED
    """What is done to the speech."""
    batch_s: float = 28.0
    """A batch ends with the turn that reaches this length in seconds."""
    longest_s: float = 20.0
    """A longer turn is left out."""

    def batch(self, step: int) -> HeardBatch:
        """The batch of one step."""
        rng = np.random.default_rng([self.seed, step])
        clips: list[HeardClip] = []
        left_s = self.batch_s
        while left_s > 0:
            heard = self._turn(rng)
            length_s = sum(unit.size for unit in heard.units) / MODEL_HZ
            left_s -= length_s
            if length_s <= self.longest_s:
                clips.append(heard)
        return HeardBatch(tuple(clips))

    def _turn(self, rng: np.random.Generator) -> HeardClip:
        recipe = draw_recipe(self.ranges, rng)
        noise_db = float(rng.uniform(*QUIET_ROOM_DB))
        if recipe.noise_db is not None:
            loudness_db = 20.0 * float(np.log10(SPEECH_RMS)) + recipe.gain_db
            noise_db = max(noise_db, loudness_db - recipe.noise_db)
        if rng.uniform() < SOUND_SHARE:
            kind = list(Sound)[int(rng.integers(len(Sound)))]
            clip = sound_clip(kind, float(rng.uniform(*SOUND_S)), rng)
        else:
            request = self.requests[int(rng.integers(len(self.requests)))]
            recipe = recipe_at(request.pitch, recipe, rng)
            clean = self.speak(request).at_rate(MODEL_HZ).without_edges()
            clip = apply_recipe(clean, replace(recipe, noise_db=None), rng)
        turn = in_turn([clip], rng, noise_db=noise_db, noise_exponent=recipe.noise_exponent)
        return turn.heard(clip.text)


@dataclass(frozen=True)
class WaveBatches(BatchesByStep[WaveBatch]):
    """Pieces of the reply voices, for the codec and the vocoder."""

    requests: Sequence[SpeechRequest]
    """What is said, in the teachers' voices."""
    speak: Speak
    """Makes a clip; ``ClipCache.read`` where the batches are made in other processes."""
    seed: int
    """Of everything drawn."""
    batch_size: int = 16
    """Pieces per batch."""
    n_frames: int = 40
    """Frames of codes per piece."""

    def batch(self, step: int) -> WaveBatch:
        """The batch of one step; clips that are shorter than a piece end in silence."""
        rng = np.random.default_rng([self.seed, step])
        n_samples = self.n_frames * SAMPLES_PER_CODE
        waves = np.zeros((self.batch_size, n_samples), dtype=np.float32)
        for row in waves:
            request = self.requests[int(rng.integers(len(self.requests)))]
            samples = self.speak(request).at_rate(SPEECH_HZ).samples
            start = int(rng.integers(max(samples.size - n_samples, 0) + 1))
            piece = samples[start : start + n_samples]
            row[: piece.size] = piece
        return WaveBatch(waves)


class PrefetchedBatches(BatchesByStep[Batch]):
    """The batches of another source, made ahead of time by other processes, in order."""

    def __init__(self, source: BatchesByStep[Batch], n_workers: int, n_ahead: int = 8) -> None:
        """
        Args:
            source: Can be pickled, as the sources of this module can.
            n_workers: Processes; each is one busy core. They import the program's main module,
                which must not start the training when it is imported.
            n_ahead: Batches that are made or waiting at any time.
        """
        self._source = source
        self._n_workers = n_workers
        self._n_ahead = n_ahead

    def batch(self, step: int) -> Batch:
        """The batch of one step, made in this process."""
        return self._source.batch(step)

    def __call__(self, step: int) -> Iterator[Batch]:
        """All batches from ``step`` on; the processes end when the iterator is closed."""
        pool = ProcessPoolExecutor(self._n_workers, mp_context=get_context("spawn"))
        try:
            waiting: deque[Future[Batch]] = deque()
            for ahead in count(step):
                waiting.append(pool.submit(self._source.batch, ahead))
                if len(waiting) >= self._n_ahead:
                    yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
