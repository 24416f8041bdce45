"""Sounds are seeded, different from each other, and within full scale."""

from __future__ import annotations

import numpy as np
import pytest

from model.training.speech_data.sounds import Sound, make_sound

pytestmark = pytest.mark.unit


def sound(kind: Sound, seed: int = 0, seconds: float = 1.5) -> np.ndarray:
    return make_sound(kind, seconds, np.random.default_rng(seed))


def share_of_strongest_tone(samples: np.ndarray) -> float:
    power = np.abs(np.fft.rfft(samples * np.hanning(samples.size))) ** 2
    best = int(np.argmax(power))
    return float(power[max(best - 8, 0) : best + 9].sum() / power.sum())


def share_of_quiet_frames(samples: np.ndarray) -> float:
    power = (samples[: samples.size // 160 * 160].reshape(-1, 160) ** 2).mean(axis=1)
    return float(np.mean(power < 1e-3 * power.max()))


@pytest.mark.parametrize("kind", list(Sound))
@pytest.mark.parametrize("seconds", [0.3, 1.0, 2.5])
def test_a_sound_has_its_length_and_stays_in_range(kind: Sound, seconds: float) -> None:
    for seed in range(10):
        samples = sound(kind, seed, seconds)
        assert samples.shape == (round(seconds * 16_000),)
        assert samples.dtype == np.float32
        assert np.isfinite(samples).all()
        assert np.abs(samples).max() <= 1.0


@pytest.mark.parametrize("kind", list(Sound))
def test_the_same_seed_gives_the_same_sound(kind: Sound) -> None:
    assert np.array_equal(sound(kind, 3), sound(kind, 3))
    assert not np.array_equal(sound(kind, 3), sound(kind, 4))


def test_silence_is_quiet_and_the_others_are_not() -> None:
    for seed in range(10):
        assert np.abs(sound(Sound.SILENCE, seed)).max() < 0.01
        for kind in (Sound.BEEP, Sound.KNOCK, Sound.MUSIC):
            assert np.abs(sound(kind, seed)).max() > 0.04


def test_a_beep_is_one_tone_and_music_is_many() -> None:
    for seed in range(10):
        assert share_of_strongest_tone(sound(Sound.BEEP, seed)) > 0.6
        assert share_of_strongest_tone(sound(Sound.MUSIC, seed)) < 0.6


def test_a_knock_is_short_blows_with_quiet_between() -> None:
    for seed in range(10):
        assert share_of_quiet_frames(sound(Sound.KNOCK, seed)) > 0.3


def test_a_sound_has_a_length() -> None:
    with pytest.raises(ValueError, match="length"):
        make_sound(Sound.BEEP, 0.0, np.random.default_rng(0))
