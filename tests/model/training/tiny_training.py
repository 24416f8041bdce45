"""A whole model of tiny networks, and batches for it, that the tests of training share."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np

from model.config import CodecConfig, OmniConfig, VocoderConfig
from model.omni import OmniModel
from model.speech.text import SpeechTokenizer
from model.tokenizer import TextTokenizer
from model.training.initialisation import initialise
from model.training.trainer import RunSummary, Stage, Trainer, TrainingSettings, repeated

GOLDEN = Path(__file__).parents[2] / "golden"
WIDTH = 128
"""The smallest that the resampler's heads allow."""


@cache
def tiny_omni_config() -> OmniConfig:
    """The layout of the golden checkpoint with networks of one or two layers."""
    base = OmniConfig.from_folder(GOLDEN)
    return replace(
        base,
        language=replace(
            base.language, hidden_size=WIDTH, num_attention_heads=4, intermediate_size=192
        ),
        vision=replace(
            base.vision, hidden_size=32, num_hidden_layers=1, num_attention_heads=2,
            intermediate_size=48,
        ),
        audio=replace(
            base.audio, d_model=48, encoder_layers=2, encoder_attention_heads=2,
            encoder_ffn_dim=192, max_source_positions=500,
        ),
        speech=replace(
            base.speech, llm_dim=WIDTH, hidden_size=64, intermediate_size=128,
            num_attention_heads=2, num_hidden_layers=2,
            codec=CodecConfig(dim=32, hidden=32, n_layer=1, bn_dim=16),
        ),
        vocoder=VocoderConfig(dim=48, intermediate_dim=96, num_layers=2),
        query_num=8,
        image_size=84,
        checkpoint_name="tiny",
    )  # fmt: skip


def fresh_model(seed: int = 0, config: OmniConfig | None = None) -> OmniModel:
    """A new model with weights to train from."""
    config = config or tiny_omni_config()
    tokenizer = TextTokenizer.from_folder(GOLDEN)
    speech = SpeechTokenizer.from_folder(GOLDEN / "assets/chattts_tokenizer", config.speech)
    model = OmniModel(config, tokenizer, speech)
    initialise(model, seed)
    return model


def tone_waves(count: int, n_samples: int, rate_hz: int, seed: int = 0) -> np.ndarray:
    """Float32 ``[count, n]``: chords with a little noise."""
    random = np.random.default_rng(seed)
    time_s = np.arange(n_samples) / rate_hz
    waves = random.normal(0, 0.01, (count, n_samples))
    for row in waves:
        for frequency_hz in random.uniform(150, 3000, 3):
            row += 0.1 * np.sin(2 * np.pi * frequency_hz * time_s)
    return waves.astype(np.float32)


def train(
    stage: Stage, batches: list[object], folder: Path, steps: int, **settings: object
) -> RunSummary:
    """Overfit a few batches."""
    options = {"warmup_steps": 5, "log_every_steps": 1, "weight_decay": 0.0, **settings}
    trainer = Trainer(stage, TrainingSettings(steps=steps, **options), folder)  # type: ignore[arg-type]
    return trainer.run(repeated(batches))


def first_loss(folder: Path, name: str = "loss") -> float:
    """Of the run in a folder."""
    from model.training.run_log import RunLog

    return next(r[name] for r in RunLog(folder / "log.jsonl").read() if "step" in r)
