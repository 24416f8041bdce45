"""The audio encoder learns phones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from model.training.audio_encoder_stage import AudioEncoderStage, hide_parts
from model.training.batches import IGNORED, HeardBatch, HeardClip
from model.training.dense_audio import encode_contexts, unit_mel
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


def test_words_come_to_where_the_language_model_reads_them(tmp_path: Path) -> None:
    model = fresh_model()
    text = "what is it"
    heard = replace(clip((16_000, 9_000), 0), text=text, heard_s=evenly(text, 0.1, 1.5))
    stage = AudioEncoderStage(model, N_PHONES, hide=False)
    table = model.llm.model.embed_tokens.weight.clone()
    summary = train(stage, [HeardBatch((heard,))], tmp_path, 60, learning_rate=3e-3)
    assert summary.losses["word_accuracy"] > 0.9
    assert torch.equal(table, model.llm.model.embed_tokens.weight)
    contexts = encode_contexts(model.apm, [[unit_mel(u, model.device) for u in heard.units]])
    vectors = torch.cat(model.audio_projection_layer(contexts[0]))
    # The middle of the first word: 0.1 to 0.66 s of 25 vectors a second.
    nearest = F.normalize(vectors[8], dim=0) @ F.normalize(table, dim=1).T
    assert int(nearest.argmax()) in model.tokenizer.encode_foreign("what")


def test_sounds_and_clips_without_times_teach_no_words() -> None:
    stage = AudioEncoderStage(fresh_model(), N_PHONES, hide=False)
    losses = stage.losses(HeardBatch((clip((16_000,), 1),)))
    assert "words" not in losses and torch.isfinite(losses["loss"])


def evenly(text: str, begins_s: float, ends_s: float) -> np.ndarray:
    """Times of the characters of a text, one as long as the other."""
    edges = np.linspace(begins_s, ends_s, len(text) + 1, dtype=np.float32)
    return np.stack([edges[:-1], edges[1:]], axis=1)


def test_hiding_keeps_the_shape_and_most_of_the_content() -> None:
    torch.manual_seed(0)
    mel = torch.randn(80, 100)
    hidden = hide_parts(mel)
    changed = float((hidden != mel).float().mean())
    assert hidden.shape == mel.shape and 0.02 < changed < 0.7
    assert hide_parts(torch.randn(80, 3)).shape == (80, 3)
