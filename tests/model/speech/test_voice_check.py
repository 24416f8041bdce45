"""Hearing silence and steady noise."""

from __future__ import annotations

import numpy as np
import pytest

from model.speech.voice_check import (
    MAX_SAME_PIECES,
    MAX_SILENT_PIECES,
    PIECE_SAMPLES,
    VoiceChecker,
    mean_mel_db,
)

pytestmark = pytest.mark.unit


def noise(n_pieces: int, amplitude: float) -> np.ndarray:
    return amplitude * np.random.RandomState(1).randn(n_pieces * PIECE_SAMPLES)


def tones(n_pieces: int) -> np.ndarray:
    time_s = np.arange(PIECE_SAMPLES) / 24_000
    pitches_hz = [150.0 * 1.7 ** (index % 5) for index in range(n_pieces)]
    return np.concatenate([0.3 * np.sin(2 * np.pi * pitch * time_s) for pitch in pitches_hz])


def test_changing_sound_is_never_bad() -> None:
    checker = VoiceChecker()
    assert not checker.is_bad(tones(40))


def test_steady_noise_is_bad_from_the_fifth_piece() -> None:
    checker = VoiceChecker()
    assert not checker.is_bad(noise(MAX_SAME_PIECES - 1, 0.2))
    assert checker.is_bad(noise(1, 0.2))


def test_long_silence_is_bad_and_short_silence_is_not() -> None:
    checker = VoiceChecker()
    assert not checker.is_bad(noise(MAX_SILENT_PIECES - 1, 1e-4))
    assert checker.is_bad(noise(1, 1e-4))


def test_silence_and_sound_interrupt_each_other() -> None:
    checker = VoiceChecker()
    for _ in range(3):
        assert not checker.is_bad(noise(MAX_SILENT_PIECES - 1, 1e-4))
        assert not checker.is_bad(noise(MAX_SAME_PIECES - 1, 0.2))


def test_reset_forgets_what_was_heard() -> None:
    checker = VoiceChecker()
    checker.is_bad(noise(MAX_SAME_PIECES - 1, 0.2))
    checker.reset()
    assert not checker.is_bad(noise(MAX_SAME_PIECES - 1, 0.2))


def test_a_rest_shorter_than_a_piece_is_not_heard() -> None:
    checker = VoiceChecker()
    assert not checker.is_bad(noise(1, 0.2)[:-1])
    assert (checker.n_same, checker.n_silent) == (0, 0)


def test_spectrum_of_a_tone_peaks_in_its_band() -> None:
    low, high = (mean_mel_db(tones(5)[i * PIECE_SAMPLES :][:PIECE_SAMPLES]) for i in (0, 4))
    assert low.shape == (128,)
    assert low.argmax() < high.argmax()
