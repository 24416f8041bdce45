"""Changes that a program cannot make are made afterwards."""

from __future__ import annotations

import pytest

from model.training.speech_data.synthesis import changed_afterwards
from tests.model.training.speech_data.toy_speech import pitch_of, toy_clip

pytestmark = pytest.mark.unit


def test_tempo_and_pitch_are_changed_with_all_times() -> None:
    clip = changed_afterwards(toy_clip(0.8), rate=0.8, pitch=1.25)
    assert clip.duration_s == pytest.approx(1.25, abs=1e-3)
    assert clip.words[0].end_s == pytest.approx(0.9 / 0.8, abs=1e-3)
    assert pitch_of(clip.samples, clip.rate_hz) == pytest.approx(150.0, rel=0.03)


def test_no_change_is_no_copy() -> None:
    clip = toy_clip()
    assert changed_afterwards(clip, 1.0, 1.0) is clip
