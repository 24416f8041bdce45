"""The audio encoder learns phones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from model.training.audio_encoder_stage import AudioEncoderStage, hide_parts
from model.training.batches import IGNORED, HeardBatch, HeardClip
from tests.model.training.tiny_training import first_loss, fresh_model, train

pytestmark = pytest.mark.unit

N_PHONES = 4
FRAME_SAMPLES = 320


def clip(lengths: tuple[int, ...], seed: int) -> HeardClip:
    """Every 100 ms another tone, whose pitch is its phone."""
    random = np.random.default_rng(seed)
    n_frames = [-(-length // FRAME_SAMPLES) for length in lengths]
    phones = np.repeat(random.integers(0, N_PHONES, sum(n_frames)), 5)[: sum(n_frames)]
    waves, start = [], 0
    for length, count in zip(lengths, n_frames, strict=True):
        pitch_hz = 300.0 * 2 ** phones[start : start + count].repeat(FRAME_SAMPLES)[:length]
        phase = 2 * np.pi * np.cumsum(pitch_hz) / 16_000
        waves.append((0.3 * np.sin(phase)).astype(np.float32))
        start += count
    phones = phones.astype(np.int16)
    phones[0] = IGNORED
    return HeardClip(tuple(waves), phones)


def test_it_overfits_a_batch(tmp_path: Path) -> None:
    batch = HeardBatch((clip((16_000, 9_000), 0), clip((16_000,), 1)))
    stage = AudioEncoderStage(fresh_model(), N_PHONES, hide=False)
    summary = train(stage, [batch], tmp_path, 40, learning_rate=3e-3)
    assert summary.losses["loss"] < first_loss(tmp_path) / 4
    assert summary.losses["accuracy"] > 0.9


def test_hiding_keeps_the_shape_and_most_of_the_content() -> None:
    torch.manual_seed(0)
    mel = torch.randn(80, 100)
    hidden = hide_parts(mel)
    changed = float((hidden != mel).float().mean())
    assert hidden.shape == mel.shape and 0.02 < changed < 0.7
    assert hide_parts(torch.randn(80, 3)).shape == (80, 3)
