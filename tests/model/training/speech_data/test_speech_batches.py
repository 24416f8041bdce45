"""Batches depend on seed and step alone, in this process and in others."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from model.training.batches import HeardBatch
from model.training.speech_data import speech_batches
from model.training.speech_data.augmentation import CLEAN, Recipe, apply_recipe
from model.training.speech_data.cache import ClipCache
from model.training.speech_data.call_audio import RAISED_PITCHES, RAISED_TRACT
from model.training.speech_data.clips import Clip
from model.training.speech_data.phones import PHONE_INDEX
from model.training.speech_data.speech_batches import (
    HearingBatches,
    PrefetchedBatches,
    WaveBatches,
)
from model.training.speech_data.synthesis import SpeechRequest
from tests.model.training.speech_data.toy_speech import toy_clip

pytestmark = pytest.mark.integration

REQUESTS = [SpeechRequest("flite/rms", text) for text in ("ah", "oh", "eh")]


def speak(request: SpeechRequest) -> Clip:
    return toy_clip(0.5 + 0.1 * REQUESTS.index(request))


def same(one: HeardBatch, other: HeardBatch) -> bool:
    pairs = list(zip(one.clips, other.clips, strict=True))
    return all(
        np.array_equal(np.concatenate(a.units), np.concatenate(b.units))
        and np.array_equal(a.phones, b.phones)
        for a, b in pairs
    )


def test_a_batch_of_hearing_has_its_length_and_a_phone_per_frame() -> None:
    batch = HearingBatches(REQUESTS, speak, seed=1, batch_s=10.0).batch(0)
    lengths_s = [sum(unit.size for unit in clip.units) / 16_000 for clip in batch.clips]
    assert 10.0 <= sum(lengths_s) < 13.0
    for clip in batch.clips:
        assert all(unit.size == 16_000 for unit in clip.units[:-1])
        assert clip.phones.size == sum(-(-unit.size // 320) for unit in clip.units)
    spoken = sum(np.count_nonzero(clip.phones == PHONE_INDEX["aa"]) for clip in batch.clips)
    assert spoken > 50


def test_a_batch_depends_on_its_step_alone() -> None:
    source = HearingBatches(REQUESTS, speak, seed=1, batch_s=5.0)
    batches = source(0)
    first, second = next(batches), next(batches)
    assert same(next(source(1)), second)
    assert not np.array_equal(first.clips[0].units[0], second.clips[0].units[0])
    other = HearingBatches(REQUESTS, speak, seed=2, batch_s=5.0).batch(0)
    assert not np.array_equal(first.clips[0].units[0], other.clips[0].units[0])


def test_a_voice_that_was_raised_is_not_raised_again(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[Recipe] = []

    def note(clip: Clip, recipe: Recipe, rng: np.random.Generator) -> Clip:
        done.append(recipe)
        return apply_recipe(clip, recipe, rng)

    monkeypatch.setattr(speech_batches, "apply_recipe", note)
    raised = SpeechRequest("flite/awb", "ah", pitch=RAISED_PITCHES[1])
    HearingBatches([raised], lambda _: toy_clip(), seed=1, batch_s=20.0).batch(0)
    assert len(done) > 5 and {recipe.pitch for recipe in done} == {1.0}
    assert all(RAISED_TRACT[0] <= recipe.tract <= RAISED_TRACT[1] for recipe in done)


def test_turns_that_are_too_long_are_left_out() -> None:
    source = HearingBatches(REQUESTS, speak, seed=1, ranges=CLEAN, batch_s=30.0, longest_s=2.0)
    for clip in source.batch(0).clips:
        assert sum(unit.size for unit in clip.units) <= 32_000


def test_a_batch_of_waves_is_whole_frames_of_the_voices() -> None:
    source = WaveBatches(REQUESTS, speak, seed=1, batch_size=6, n_frames=20)
    waves = source.batch(3).waves
    assert waves.shape == (6, 20 * 512)
    assert waves.dtype == np.float32
    assert all(np.abs(wave).max() > 0.1 for wave in waves)
    assert np.array_equal(waves, source.batch(3).waves)


def test_a_clip_shorter_than_a_piece_ends_in_silence() -> None:
    waves = WaveBatches(REQUESTS, speak, seed=1, batch_size=2, n_frames=100).batch(0).waves
    assert waves.shape == (2, 51_200)
    assert not waves[:, 22_000:].any()


def test_other_processes_make_the_same_batches_in_order(tmp_path: Path) -> None:
    clips = ClipCache(tmp_path, 16_000)
    for request in REQUESTS:
        clips.put(request, speak(request))
    source = HearingBatches(REQUESTS, clips.read, seed=1, batch_s=3.0)
    with closing(PrefetchedBatches(source, n_workers=2, n_ahead=3)(5)) as batches:
        for step in (5, 6, 7, 8):
            assert same(next(batches), source.batch(step))
    assert same(PrefetchedBatches(source, n_workers=1).batch(5), source.batch(5))
