"""The codec learns, and its training path is its inference path."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from model.training.batches import WaveBatch
from model.training.codec_stage import CodecStage, codes_of, reconstruct
from model.training.trainer import Trainer, TrainingSettings, repeated
from tests.model.training.tiny_training import first_loss, fresh_model, tone_waves, train

pytestmark = pytest.mark.unit


def test_the_training_path_decodes_what_the_codec_encodes() -> None:
    codec = fresh_model().tts.dvae
    mel = torch.randn(2, 100, 24)
    made, used = reconstruct(codec, mel)
    torch.testing.assert_close(made, codec.decode(codec.encode(mel)), atol=1e-5, rtol=0)
    assert 0 < float(used) <= 1


def test_rounding_lets_gradients_through() -> None:
    codec = fresh_model().tts.dvae
    made, _ = reconstruct(codec, torch.randn(1, 100, 16))
    made.square().sum().backward()
    gradient = codec.downsample_conv[0].weight.grad
    assert gradient is not None and gradient.abs().max() > 0


def test_it_overfits_a_batch(tmp_path: Path) -> None:
    batch = WaveBatch(tone_waves(4, 512 * 16, 24_000))
    stage = CodecStage(fresh_model())
    summary = train(stage, [batch], tmp_path, 60, learning_rate=3e-3)
    assert summary.losses["loss"] < first_loss(tmp_path) / 2
    mel = stage._mel(batch)
    expected = mel.square().mean(dim=(0, 2)).sqrt()
    torch.testing.assert_close(stage.module.coef.flatten(), expected)


def test_a_continued_run_keeps_the_scale_of_the_bands(tmp_path: Path) -> None:
    batches = [WaveBatch(tone_waves(4, 512 * n, 24_000)) for n in (16, 8)]
    settings = TrainingSettings(steps=4, warmup_steps=1)
    whole, continued = CodecStage(fresh_model()), CodecStage(fresh_model())
    Trainer(whole, settings, tmp_path / "whole").run(repeated(batches))
    ticks = iter(range(100))
    stopped = Trainer(
        CodecStage(fresh_model()),
        replace(settings, budget_s=6),
        tmp_path / "parts",
        clock=lambda: next(ticks),
    ).run(repeated(batches))
    assert 0 < stopped.step < 4
    assert Trainer(continued, settings, tmp_path / "parts").run(repeated(batches)).step == 4
    for ours, theirs in zip(continued.module.parameters(), whole.module.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_codes_of_an_utterance_cover_all_of_it() -> None:
    codes = codes_of(fresh_model(), tone_waves(1, 512 * 9 + 5, 24_000)[0])
    assert codes.shape == (10, 4) and codes.dtype.name == "int16"
    assert codes.min() >= 0 and codes.max() < 625
