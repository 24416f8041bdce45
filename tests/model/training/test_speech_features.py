"""Mel features at 24 kHz."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from model.training.speech_features import log_mel, magnitudes, mel_filters
from tests.model.training.tiny_training import fresh_model, tone_waves

pytestmark = pytest.mark.unit


def test_frames_are_whole_hops() -> None:
    waves = torch.from_numpy(tone_waves(2, 256 * 40, 24_000))
    assert log_mel(waves, fresh_model().vocoder).shape == (2, 100, 40)


def test_every_filter_peaks_once_and_in_order() -> None:
    filters = mel_filters()
    assert filters.shape == (513, 100)
    peaks = filters.argmax(dim=0)
    assert torch.all(peaks.diff() >= 0) and filters.min() >= 0
    assert filters[:, 50:].max(dim=0).values.min() > 0.5


def test_a_tone_is_loudest_in_its_own_band() -> None:
    time_s = np.arange(256 * 60) / 24_000
    wave = torch.from_numpy(0.3 * np.sin(2 * np.pi * 1000 * time_s)).float()[None]
    band = int(log_mel(wave, fresh_model().vocoder)[0, :, 30].argmax())
    assert abs(int(mel_filters()[:, band].argmax()) * 24_000 / 1024 - 1000) < 40


def test_silence_has_a_gradient() -> None:
    wave = torch.zeros(1, 2048, requires_grad=True)
    magnitudes(wave, 512, 128).sum().backward()
    assert wave.grad is not None and torch.isfinite(wave.grad).all()
