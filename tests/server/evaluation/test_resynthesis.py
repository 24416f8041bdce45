"""What codec and vocoder take away, as judges hear it."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from model.config import SPEECH_SAMPLE_RATE_HZ
from model.loading import load_checkpoint
from server.evaluation.resynthesis import (
    SAMPLES_PER_FRAME,
    Quality,
    mean_quality,
    quality_of,
    resynthesise,
)
from tests.fakes.media_files import QUESTION

pytestmark = pytest.mark.unit
needs_pesq = pytest.mark.skipif(find_spec("pesq") is None, reason="pesq was not built here")

GOLDEN = Path(__file__).parents[2] / "golden"


def speech() -> np.ndarray:
    samples, rate_hz = soundfile.read(QUESTION, dtype="float32")
    wave: np.ndarray = soxr.resample(samples[: 3 * rate_hz], rate_hz, SPEECH_SAMPLE_RATE_HZ)
    return wave


@needs_pesq
def test_the_same_is_best_and_noise_makes_it_worse() -> None:
    clip = speech()
    same = quality_of(clip, clip)
    noise = np.random.default_rng(0).normal(0, 0.05, clip.size).astype(np.float32)
    worse = quality_of(clip, clip + noise)
    assert same is not None and worse is not None
    assert same.pesq > 4.5 and same.stoi > 0.99
    assert worse.pesq < same.pesq - 1 and worse.stoi < same.stoi


@needs_pesq
def test_there_is_nothing_to_compare_without_speech() -> None:
    silence = np.zeros(SPEECH_SAMPLE_RATE_HZ, np.float32)
    assert quality_of(silence, silence) is None


def test_a_clip_is_remade_whole_in_both_ways() -> None:
    model = load_checkpoint(GOLDEN, "cpu", "float32")
    clip = speech()[:20_000]
    remade = resynthesise(model, clip)
    assert remade.original.size % SAMPLES_PER_FRAME == 0
    np.testing.assert_array_equal(remade.original[: clip.size], clip)
    for wave in (remade.by_vocoder, remade.by_codec):
        assert wave.shape == remade.original.shape
        assert np.isfinite(wave).all() and np.abs(wave).max() <= 1.0
    assert not np.array_equal(remade.by_vocoder, remade.by_codec)


def test_the_mean_is_over_clips() -> None:
    assert mean_quality([Quality(1.0, 0.5), Quality(3.0, 1.0)]) == Quality(2.0, 0.75)
