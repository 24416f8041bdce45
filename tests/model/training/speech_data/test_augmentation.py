"""Every augmentation does what it says, is seeded, and keeps the times of phones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from model.training.speech_data.augmentation import (
    CLEAN,
    AugmentationRanges,
    Recipe,
    add_room,
    apply_recipe,
    augment,
    begin_late,
    coloured_noise,
    draw_recipe,
    filter_spectrum,
    mel_warp_matrix,
    speech_rms,
)
from tests.model.training.speech_data.toy_speech import toy_clip, vowel

pytestmark = pytest.mark.unit

RATE_HZ = 16_000


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


def level_db(samples: np.ndarray, low_hz: float, high_hz: float) -> float:
    power = np.abs(np.fft.rfft(samples)) ** 2
    hz = np.fft.rfftfreq(samples.size, 1.0 / RATE_HZ)
    return float(10 * np.log10(np.mean(power[(hz >= low_hz) & (hz < high_hz)]) + 1e-12))


def test_the_same_seed_gives_the_same_clip() -> None:
    first = augment(toy_clip(), AugmentationRanges(), rng(7))
    second = augment(toy_clip(), AugmentationRanges(), rng(7))
    other = augment(toy_clip(), AugmentationRanges(), rng(8))
    assert first.to_bytes() == second.to_bytes()
    assert first.to_bytes() != other.to_bytes()


def test_recipes_stay_within_their_ranges_and_shares() -> None:
    ranges = AugmentationRanges()
    source = rng()
    recipes = [draw_recipe(ranges, source) for _ in range(400)]
    changed = [recipe for recipe in recipes if recipe.pitch != 1.0]
    assert len(changed) / len(recipes) == pytest.approx(ranges.voice_share, abs=0.08)
    assert all(ranges.tract[0] <= recipe.tract <= ranges.tract[1] for recipe in changed)
    noisy = [recipe.noise_db for recipe in recipes if recipe.noise_db is not None]
    assert len(noisy) / len(recipes) == pytest.approx(ranges.noise_share, abs=0.08)
    assert min(noisy) >= ranges.noise_db[0]


def test_clean_changes_nothing_but_the_loudness() -> None:
    clip = toy_clip()
    got = augment(clip, CLEAN, rng())
    assert got.phones == clip.phones
    assert speech_rms(got.samples, RATE_HZ) == pytest.approx(0.1, rel=0.05)
    scale = got.samples[5000] / clip.samples[5000]
    assert got.samples == pytest.approx(clip.samples * scale, abs=1e-5)


def test_tempo_scales_the_times_of_phones_with_the_sound() -> None:
    got = apply_recipe(toy_clip(), Recipe(speed=0.8, pitch=1.2, tract=0.9), rng())
    vowel_phone = got.phones[1]
    assert vowel_phone.start_s == pytest.approx(0.125, abs=1e-3)
    loud = np.flatnonzero(np.abs(got.samples) > 0.03) / RATE_HZ
    assert loud[0] == pytest.approx(vowel_phone.start_s, abs=0.02)
    assert loud[-1] == pytest.approx(vowel_phone.end_s, abs=0.02)


def test_noise_is_as_loud_as_asked_for() -> None:
    clip = toy_clip(2.0)
    quiet = apply_recipe(clip, Recipe(), rng())
    noisy = apply_recipe(clip, Recipe(noise_db=20.0, noise_exponent=1.0), rng())
    noise = noisy.samples - quiet.samples
    ratio = speech_rms(quiet.samples, RATE_HZ) / np.sqrt(np.mean(noise**2))
    assert 20 * np.log10(ratio) == pytest.approx(20.0, abs=0.5)


def test_gain_is_relative_to_one_loudness_and_clips_at_full_scale() -> None:
    soft = apply_recipe(toy_clip(), Recipe(gain_db=-20.0), rng())
    assert speech_rms(soft.samples, RATE_HZ) == pytest.approx(0.01, rel=0.05)
    loud = apply_recipe(toy_clip(), Recipe(gain_db=30.0), rng())
    assert np.abs(loud.samples).max() == 1.0


def test_a_tilt_and_a_band_shape_the_spectrum() -> None:
    white = coloured_noise(RATE_HZ, 0.0, rng())
    tilted = filter_spectrum(white, RATE_HZ, 3.0, None)
    low = level_db(tilted, 480, 520) - level_db(white, 480, 520)
    high = level_db(tilted, 3900, 4100) - level_db(white, 3900, 4100)
    assert high - low == pytest.approx(9.0, abs=0.5)
    phone_line = filter_spectrum(white, RATE_HZ, 0.0, (300.0, 3400.0))
    assert level_db(phone_line, 500, 3000) == pytest.approx(level_db(white, 500, 3000), abs=0.2)
    assert level_db(phone_line, 5000, 8000) < level_db(white, 5000, 8000) - 40
    assert level_db(phone_line, 0, 100) < level_db(white, 0, 100) - 30


def test_a_room_keeps_the_direct_sound_and_adds_a_tail() -> None:
    click = np.zeros(RATE_HZ, dtype=np.float32)
    click[1000] = 1.0
    wet = add_room(click, RATE_HZ, 0.3, 6.0, rng())
    assert wet[:1000] == pytest.approx(np.zeros(1000), abs=1e-6)
    assert wet[1000] == pytest.approx(1.0, abs=1e-5)
    tail = wet[1001:]
    assert 10 * np.log10(np.sum(tail**2)) == pytest.approx(-6.0, abs=0.5)
    assert np.sum(tail[3200:] ** 2) < 0.05 * np.sum(tail**2)


def test_coloured_noise_falls_with_the_frequency() -> None:
    brown = coloured_noise(4 * RATE_HZ, 2.0, rng())
    fall = level_db(brown, 900, 1100) - level_db(brown, 3600, 4400)
    assert fall == pytest.approx(12.0, abs=1.5)
    assert np.sqrt(np.mean(brown**2)) == pytest.approx(1.0, rel=1e-3)


def test_beginning_late_cuts_into_the_first_phone_at_most_half_way() -> None:
    clip = begin_late(toy_clip(0.6), 0.05)
    assert clip.phones[0].symbol == "aa"
    assert clip.phones[0].end_s == pytest.approx(0.55)
    assert begin_late(toy_clip(0.04), 0.06).phones[0].end_s == pytest.approx(0.02)


def test_the_mel_warp_moves_bands_by_its_factor_and_keeps_the_loudness() -> None:
    identity = mel_warp_matrix(1.0)
    assert identity == pytest.approx(np.eye(80), abs=1e-5)
    raised = mel_warp_matrix(1.25)
    assert raised.sum(axis=1) == pytest.approx(np.ones(80), abs=1e-5)
    bands = np.zeros(80)
    bands[20] = 1.0
    assert np.argmax(raised @ bands) == 25  # Below 1 kHz the scale is even in frequency.


def test_augmented_speech_is_whole_for_many_seeds() -> None:
    clip = replace(toy_clip(), samples=np.concatenate([vowel(0.5), np.zeros(4800)]))
    for seed in range(20):
        got = augment(clip, AugmentationRanges(), rng(seed))
        assert got.samples.dtype == np.float32
        assert np.isfinite(got.samples).all()
        assert np.abs(got.samples).max() <= 1.0
        assert speech_rms(got.samples, RATE_HZ) > 0.005
