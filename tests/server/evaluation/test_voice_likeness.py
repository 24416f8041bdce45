"""Voices are told apart by spectrum and pitch, not by loudness or words."""

from __future__ import annotations

import numpy as np
import pytest

from server.evaluation.voice_likeness import UnusableSpeechError, VoiceJudge, voice_print
from tests.model.training.speech_data.toy_speech import vowel

pytestmark = pytest.mark.unit

HZ = 24_000


def said(pitch_hz: float, formant_hz: float, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    pitch, formant = pitch_hz * rng.uniform(0.95, 1.05), formant_hz * rng.uniform(0.95, 1.05)
    return vowel(float(rng.uniform(0.4, 0.9)), HZ, pitch, formant) * rng.uniform(0.2, 1.0)


def prints(pitch_hz: float, formant_hz: float, seeds: range) -> list[np.ndarray]:
    return [voice_print(said(pitch_hz, formant_hz, seed), HZ) for seed in seeds]


@pytest.mark.parametrize(("pitch_hz", "formant_hz"), [(210.0, 700.0), (120.0, 1100.0)])
def test_a_voice_is_known_by_its_pitch_or_its_formants(pitch_hz: float, formant_hz: float) -> None:
    judge = VoiceJudge(
        {"low": prints(120.0, 700.0, range(6)), "other": prints(pitch_hz, formant_hz, range(6))}
    )
    assert {judge.nearest(p) for p in prints(120.0, 700.0, range(10, 20))} == {"low"}
    assert {judge.nearest(p) for p in prints(pitch_hz, formant_hz, range(10, 20))} == {"other"}


def test_loudness_and_silence_around_it_do_not_change_a_voice() -> None:
    wave = vowel(0.8, HZ)
    quiet = np.concatenate([np.zeros(HZ // 2, np.float32), wave * 0.1, np.zeros(HZ, np.float32)])
    np.testing.assert_allclose(voice_print(quiet, HZ), voice_print(wave, HZ), atol=0.25)


def test_pitch_is_measured_in_octaves() -> None:
    low, high = (voice_print(vowel(0.8, HZ, pitch), HZ)[-1] for pitch in (100.0, 200.0))
    assert high - low == pytest.approx(3.0, abs=0.1)


@pytest.mark.parametrize("samples", [np.zeros(HZ, np.float32), np.ones(10, np.float32)])
def test_where_nobody_speaks_there_is_no_voice(samples: np.ndarray) -> None:
    with pytest.raises(UnusableSpeechError):
        voice_print(samples, HZ)
