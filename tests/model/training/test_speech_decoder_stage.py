"""The speech decoder learns what each voice says."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from model.speech.code_sampling import CodeSampler
from model.speech.synthesizer import SpeechStream, run_alone
from model.training.batches import SpokenTextBatch
from model.training.speech_decoder_stage import SpeechDecoderStage
from model.training.trainer import Trainer, TrainingSettings, repeated
from tests.model.training.test_speech_sequences import utterance
from tests.model.training.tiny_training import first_loss, fresh_model, train

pytestmark = pytest.mark.unit

BATCH = SpokenTextBatch(
    (utterance("it is a red cup.", 20, timed=True), utterance("hello.", 12, seed=1))
)


def test_it_overfits_a_batch(tmp_path: Path) -> None:
    stage = SpeechDecoderStage(fresh_model(), 2, corrupted=0.3)
    summary = train(stage, [BATCH], tmp_path, 60, learning_rate=1e-2)
    assert summary.losses["codes"] < first_loss(tmp_path, "codes") / 3
    assert summary.losses["guidance"] < first_loss(tmp_path, "guidance")


def test_codec_projector_and_unused_table_stay_as_they_are(tmp_path: Path) -> None:
    model = fresh_model()
    frozen = ("dvae.", "projector.", "model.embed_tokens.")
    before = {n: p.clone() for n, p in model.tts.named_parameters()}
    train(SpeechDecoderStage(model, 2), [BATCH], tmp_path, 2)
    for name, parameter in model.tts.named_parameters():
        assert torch.equal(parameter, before[name]) == name.startswith(frozen), name


def test_a_continued_run_is_the_uninterrupted_one_to_the_bit(tmp_path: Path) -> None:
    whole, part = (SpeechDecoderStage(fresh_model(), 2) for _ in range(2))
    train(whole, [BATCH], tmp_path / "whole", 8)
    ticks = iter(range(1000))
    settings = TrainingSettings(
        steps=8, warmup_steps=5, log_every_steps=1, weight_decay=0.0, budget_s=6
    )
    stopped = Trainer(part, settings, tmp_path / "part", clock=lambda: next(ticks)).run(
        repeated([BATCH])
    )
    assert 0 < stopped.step < 8
    again = SpeechDecoderStage(fresh_model(seed=9), 2)
    train(again, [BATCH], tmp_path / "part", 8)
    trained = [p for p in again.module.parameters() if p.requires_grad]
    expected = [p for p in whole.module.parameters() if p.requires_grad]
    assert all(torch.equal(a, b) for a, b in zip(trained, expected, strict=True))


def test_what_was_learned_is_spoken_in_a_call(tmp_path: Path) -> None:
    model = fresh_model()
    spoken = utterance("it is a red cup.", 70)
    stage = SpeechDecoderStage(model, 1, streaming=1.0, corrupted=0.0)
    train(stage, [SpokenTextBatch((spoken,))], tmp_path, 120, learning_rate=1e-2)
    decoder = model.tts.eval()
    stream = SpeechStream(model.speech_tokenizer, language="en")
    stream.push_text(spoken.text)
    stream.finish_text()
    sampler = CodeSampler(model.config.speech, greedy=True)
    with torch.no_grad():
        speaker = F.normalize(stage.voices.weight[0], dim=-1)
        run_alone(stream, decoder, model.vocoder, decoder.allocate(1), 0, sampler, speaker)
        made = torch.stack(stream._frames)
    assert torch.equal(made, torch.from_numpy(spoken.codes.astype("int64")))
