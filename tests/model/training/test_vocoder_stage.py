"""The vocoder learns to remake waves."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from model.training.batches import WaveBatch
from model.training.vocoder_stage import VocoderStage, spectral_distance
from tests.model.training.tiny_training import first_loss, fresh_model, tone_waves, train

pytestmark = pytest.mark.unit


def test_equal_waves_have_no_distance_and_shifted_pitch_has() -> None:
    waves = torch.from_numpy(tone_waves(2, 8192, 24_000))
    other = torch.from_numpy(tone_waves(2, 8192, 24_000, seed=1))
    assert float(spectral_distance(waves, waves)) == 0
    assert float(spectral_distance(other, waves)) > 1


def test_it_overfits_a_batch(tmp_path: Path) -> None:
    batch = WaveBatch(tone_waves(2, 512 * 16, 24_000))
    summary = train(VocoderStage(fresh_model()), [batch], tmp_path, 50, learning_rate=5e-3)
    assert summary.losses["loss"] < first_loss(tmp_path) / 2


def test_the_codec_in_front_is_left_as_it_is(tmp_path: Path) -> None:
    model = fresh_model()
    before = {name: value.clone() for name, value in model.tts.dvae.state_dict().items()}
    batch = WaveBatch(tone_waves(1, 512 * 8, 24_000))
    train(VocoderStage(model, through_codec=1.0), [batch], tmp_path, 3)
    assert all(torch.equal(before[n], value) for n, value in model.tts.dvae.state_dict().items())
