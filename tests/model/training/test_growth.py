"""A deeper encoder hears the same until it is trained."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from model.training.dense_audio import encode_contexts, unit_mel
from model.training.growth import deepen_audio_encoder
from tests.model.training.tiny_training import fresh_model

pytestmark = pytest.mark.unit

MODEL = fresh_model()
N_LAYERS = MODEL.config.audio.encoder_layers
SOUND = np.random.default_rng(0).standard_normal(16_000).astype(np.float32) / 10


def heard_by(apm: torch.nn.Module) -> torch.Tensor:
    (context,) = encode_contexts(apm, [[unit_mel(SOUND, torch.device("cpu"))]])  # type: ignore[arg-type]
    return context[0]


def test_new_layers_change_nothing_and_learn() -> None:
    deeper = deepen_audio_encoder(MODEL, N_LAYERS + 2)
    assert len(deeper.apm.layers) == deeper.config.audio.encoder_layers == N_LAYERS + 2
    assert torch.equal(heard_by(deeper.apm), heard_by(MODEL.apm))
    heard_by(deeper.apm).square().sum().backward()
    gradient = deeper.apm.layers[-1].fc2.weight.grad
    assert gradient is not None and bool(gradient.any())


def test_the_weights_are_its_own() -> None:
    deeper = deepen_audio_encoder(MODEL, N_LAYERS + 1)
    before = heard_by(MODEL.apm)
    with torch.no_grad():
        deeper.apm.layers[0].fc1.weight.zero_()
    assert torch.equal(heard_by(MODEL.apm), before)


def test_no_layer_is_taken_away() -> None:
    with pytest.raises(ValueError, match="only get more"):
        deepen_audio_encoder(MODEL, N_LAYERS - 1)
