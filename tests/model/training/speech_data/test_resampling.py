"""Resampling keeps pitch, level and length, and lets nothing fold back."""

from __future__ import annotations

import numpy as np
import pytest

from model.training.speech_data.resampling import resample

pytestmark = pytest.mark.unit


def tone(hz: float, rate_hz: int, seconds: float = 0.5) -> np.ndarray:
    return np.sin(2 * np.pi * hz * np.arange(round(rate_hz * seconds)) / rate_hz)


@pytest.mark.parametrize(
    ("from_hz", "to_hz"), [(22_050, 16_000), (32_000, 24_000), (16_000, 24_000)]
)
def test_a_tone_stays_the_same_tone(from_hz: int, to_hz: int) -> None:
    got = resample(tone(1000.0, from_hz), from_hz, to_hz)
    expected = tone(1000.0, to_hz)
    assert got.size == expected.size
    assert got.dtype == np.float32
    assert np.abs(got - expected)[200:-200].max() < 2e-3


def test_what_the_new_rate_cannot_carry_is_gone() -> None:
    got = resample(tone(10_000.0, 32_000), 32_000, 16_000)
    assert np.abs(got[200:-200]).max() < 1e-2


def test_the_same_rate_changes_nothing() -> None:
    samples = tone(300.0, 16_000).astype(np.float32)
    assert np.array_equal(resample(samples, 16_000, 16_000), samples)


def test_an_empty_wave_stays_empty() -> None:
    assert resample(np.zeros(0), 22_050, 16_000).size == 0


def test_rates_must_be_positive() -> None:
    with pytest.raises(ValueError, match="positive"):
        resample(np.zeros(4), 0, 16_000)
