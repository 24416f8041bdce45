"""A run of a stage goes from one checkpoint folder to the next."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from model.training.batches import (
    CallBatch,
    HeardBatch,
    HeardClip,
    SpokenTextBatch,
    TrainingData,
    WaveBatch,
)
from model.training.export import begin_checkpoint, load_for_training, put_together
from model.training.shards import write_data
from model.training.stages import (
    LEARNING_RATES,
    STAGES,
    StageInputs,
    open_data,
    part_of,
    run_stage,
)
from model.training.trainer import RunSummary, TrainingSettings, repeated
from tests.model.training.test_audio_encoder_stage import clip, evenly
from tests.model.training.test_speech_sequences import utterance
from tests.model.training.test_vision_encoder_stage import pictures
from tests.model.training.tiny_calls import audio_call
from tests.model.training.tiny_training import (
    GOLDEN,
    fresh_model,
    tiny_omni_config,
    tone_waves,
)

pytestmark = pytest.mark.unit

WAVES = TrainingData(repeated([WaveBatch(tone_waves(1, 512 * 8, 24_000))]))
SPOKEN = TrainingData(
    repeated([SpokenTextBatch((utterance("yes.", 6), utterance("no.", 5, seed=1)))]), n_voices=2
)
CALLS = TrainingData(repeated([CallBatch((audio_call(),))]))


def producer_of_waves(seed: int) -> TrainingData:
    """Found by its name."""
    assert seed == 7
    return WAVES


def run(name: str, start: Path, data: TrainingData, out: Path, **more: Path) -> RunSummary:
    settings = TrainingSettings(steps=2, warmup_steps=1)
    return run_stage(name, start, data, settings, out, **more)  # type: ignore[arg-type]


def test_runs_of_several_stages_become_one_checkpoint(tmp_path: Path) -> None:
    start = tmp_path / "start"
    begin_checkpoint(start, tiny_omni_config(), 0, tokenizers=GOLDEN)
    run("codec", start, WAVES, tmp_path / "codec")
    assert run("speech_decoder", start, SPOKEN, tmp_path / "speech").finished
    parts = [part_of(tmp_path / "codec"), part_of(tmp_path / "speech")]
    merged = put_together(start, parts).state_dict()
    before = load_for_training(start).state_dict()
    changed = {name for name in before if not torch.equal(before[name], merged[name])}
    assert any(name.startswith("tts.dvae.") for name in changed)
    assert any(name.startswith("tts.model.layers.") for name in changed)
    assert all(name.startswith("tts.") for name in changed)
    summary = run(
        "joint", tmp_path / "speech/checkpoint", CALLS, tmp_path / "joint",
        voices=tmp_path / "speech",
    )  # fmt: skip
    assert "voice" in summary.losses
    after = load_for_training(tmp_path / "joint/checkpoint").state_dict()
    assert not torch.equal(after["llm.lm_head.weight"], before["llm.lm_head.weight"])


def worded_clip() -> HeardClip:
    """A clip whose words are known: every head of the stage has something to learn."""
    text = "what is it"
    return replace(clip((16_000, 5_000), 0), text=text, heard_s=evenly(text, 0.1, 1.2))


@pytest.mark.parametrize(
    ("name", "batch"),
    [
        ("codec", WaveBatch(tone_waves(1, 512 * 8, 24_000))),
        ("vocoder", WaveBatch(tone_waves(1, 512 * 8, 24_000))),
        ("speech_decoder", SpokenTextBatch((utterance("yes, I do.", 12, timed=True),))),
        ("audio_encoder", HeardBatch((worded_clip(),))),
        ("vision_encoder", pictures()),
        ("joint", CallBatch((audio_call(),))),
    ],
)
def test_bfloat16_is_near_and_gives_every_trained_parameter_a_gradient(
    name: str, batch: object
) -> None:
    losses = []
    for enabled in (False, True):
        model = fresh_model().requires_grad_(False)
        classes = {"which colour?": 3, "where is it?": 2}
        data = TrainingData(lambda step: [], n_voices=2, n_phones=4, n_classes=classes)
        stage = STAGES[name](StageInputs(model, data))
        torch.manual_seed(0)
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            loss = stage.losses(batch)["loss"]
        loss.backward()
        losses.append(float(loss.detach()))
        trained = [(n, p) for n, p in stage.module.named_parameters() if p.requires_grad]
        unseen = ("vpm.", "resampler.") if name == "joint" else ()
        for parameter_name, parameter in trained:
            if not parameter_name.startswith(unseen):
                assert parameter.grad is not None, parameter_name
                assert torch.isfinite(parameter.grad).all(), parameter_name
    assert losses[1] == pytest.approx(losses[0], rel=0.03)


def test_data_is_a_folder_of_shards_or_a_producer(tmp_path: Path) -> None:
    assert open_data(f"{__name__}:producer_of_waves", 7) is WAVES
    write_data(tmp_path / "waves", WAVES, 1)
    assert next(iter(open_data(str(tmp_path / "waves"), 0).source(0))).waves.shape == (1, 4096)
    with pytest.raises(ValueError, match="neither a folder"):
        open_data("somewhere", 0)


def test_every_stage_has_a_learning_rate() -> None:
    assert STAGES.keys() == LEARNING_RATES.keys()
