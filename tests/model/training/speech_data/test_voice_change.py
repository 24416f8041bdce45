"""Tempo, pitch and vocal tract change one at a time."""

from __future__ import annotations

import numpy as np
import pytest

from model.training.speech_data.voice_change import change_voice, stretch, warp_vocal_tract
from tests.model.training.speech_data.toy_speech import centre_hz, pitch_of, vowel

pytestmark = pytest.mark.unit

RATE_HZ = 16_000


@pytest.mark.parametrize("speed", [0.7, 1.0, 1.3])
def test_tempo_changes_the_length_and_nothing_else(speed: float) -> None:
    samples = vowel(1.0)
    changed = change_voice(samples, RATE_HZ, speed=speed)
    assert changed.size == round(samples.size / speed)
    assert pitch_of(changed, RATE_HZ) == pytest.approx(120.0, rel=0.03)
    assert centre_hz(changed, RATE_HZ) == pytest.approx(centre_hz(samples, RATE_HZ), rel=0.05)
    assert np.std(changed) == pytest.approx(np.std(samples), rel=0.1)


@pytest.mark.parametrize("pitch", [0.8, 1.25])
def test_pitch_changes_without_length_and_formants(pitch: float) -> None:
    samples = vowel(1.0)
    changed = change_voice(samples, RATE_HZ, pitch=pitch)
    assert changed.size == samples.size
    assert pitch_of(changed, RATE_HZ) == pytest.approx(120.0 * pitch, rel=0.03)
    assert centre_hz(changed, RATE_HZ) == pytest.approx(centre_hz(samples, RATE_HZ), rel=0.08)


@pytest.mark.parametrize("tract", [0.8, 1.25])
def test_the_vocal_tract_moves_the_formants_and_not_the_pitch(tract: float) -> None:
    samples = vowel(1.0, formant_hz=1200.0)
    changed = warp_vocal_tract(samples, RATE_HZ, tract)
    assert changed.size == samples.size
    assert pitch_of(changed, RATE_HZ) == pytest.approx(120.0, rel=0.03)
    moved = centre_hz(changed, RATE_HZ) / centre_hz(samples, RATE_HZ)
    assert moved == pytest.approx(tract, rel=0.08)


def test_an_impulse_train_keeps_its_time_line_when_stretched() -> None:
    samples = np.zeros(RATE_HZ, dtype=np.float32)
    samples[4000:4400] = vowel(0.025)
    samples[12_000:12_400] = vowel(0.025)
    changed = stretch(samples, RATE_HZ, 20_000)
    loud = np.flatnonzero(np.abs(changed) > 0.1)
    first, second = loud[loud < 10_000], loud[loud >= 10_000]
    assert np.median(first) == pytest.approx(4200 * 1.25, abs=320)
    assert np.median(second) == pytest.approx(12_200 * 1.25, abs=320)


def test_no_change_returns_the_same_samples() -> None:
    samples = vowel(0.2)
    assert np.array_equal(change_voice(samples, RATE_HZ), samples)


def test_an_empty_wave_stays_empty() -> None:
    assert change_voice(np.zeros(0), RATE_HZ, speed=1.2, pitch=1.1, tract=0.9).size == 0
