"""The Silero wrapper."""

from __future__ import annotations

import math

import numpy as np
import pytest

from server.media.pcm import Samples
from server.media.voice_activity import (
    WINDOW_SAMPLES,
    SileroVoiceActivity,
    VoiceActivityError,
    checked_probability,
)

pytestmark = pytest.mark.unit

SILENCE = np.zeros(WINDOW_SAMPLES, dtype=np.int16)


def voice_like(n_windows: int) -> list[Samples]:
    """A buzz with three moving formants, in windows: enough like a vowel to be taken for one."""
    n = n_windows * WINDOW_SAMPLES
    t = np.arange(n) / 16_000
    pitch = 2 * np.pi * np.cumsum(120 + 15 * np.sin(2 * np.pi * 3 * t)) / 16_000
    sound = np.zeros(n)
    for harmonic in range(1, 30):
        at_hz = 120 * harmonic
        formants = ((700, 110), (1_220, 120), (2_600, 160))
        gain = sum(1 / (1 + ((at_hz - center) / width) ** 2) for center, width in formants)
        sound += gain * np.sin(harmonic * pitch)
    loudness = 0.55 + 0.45 * np.sin(2 * np.pi * 4 * t)
    samples = (sound / np.abs(sound).max() * loudness * 16_000).astype(np.int16)
    return list(samples.reshape(n_windows, WINDOW_SAMPLES))


def test_silence_is_not_speech() -> None:
    detector = SileroVoiceActivity()
    assert all(detector.probability(SILENCE) < 0.1 for _ in range(20))


def test_a_voice_is_told_from_silence() -> None:
    detector = SileroVoiceActivity()
    heard = [detector.probability(window) for window in voice_like(40)]
    assert max(heard) > 0.5


def test_each_detector_remembers_its_own_stream() -> None:
    alone, disturbed, other = (SileroVoiceActivity() for _ in range(3))
    windows = voice_like(10)
    expected = [alone.probability(window) for window in windows]
    heard = []
    for window in windows:
        heard.append(disturbed.probability(window))
        other.probability(SILENCE)
    assert heard == expected


def test_a_reset_forgets_the_stream() -> None:
    detector = SileroVoiceActivity()
    windows = voice_like(10)
    expected = [detector.probability(window) for window in windows]
    detector.reset()
    assert [detector.probability(window) for window in windows] == expected


@pytest.mark.parametrize("size", [0, 160, 511, 513])
def test_a_window_of_another_size_is_an_error(size: int) -> None:
    with pytest.raises(VoiceActivityError, match="512 samples"):
        SileroVoiceActivity().probability(np.zeros(size, dtype=np.int16))


@pytest.mark.parametrize("answer", [math.nan, math.inf, -0.1, 1.1])
def test_an_answer_that_is_no_probability_is_an_error(answer: float) -> None:
    with pytest.raises(VoiceActivityError, match="answered"):
        checked_probability(answer)


@pytest.mark.parametrize("answer", [0.0, 0.5, 1.0])
def test_a_probability_is_passed_on(answer: float) -> None:
    assert checked_probability(answer) == answer


def test_a_failing_network_is_an_error_not_silence() -> None:
    class Broken:
        def process_samples(self, samples: list[float]) -> float:
            raise RuntimeError("no memory")

    detector = SileroVoiceActivity()
    detector._detector = Broken()
    with pytest.raises(VoiceActivityError, match="no memory"):
        detector.probability(SILENCE)
