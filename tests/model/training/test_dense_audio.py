"""Contexts encoded at once equal units one after another in a row."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from model.omni import AudioClip
from model.training.dense_audio import encode_contexts, scale_gradient, unit_mel
from tests.model.training.tiny_training import fresh_model, tone_waves

pytestmark = pytest.mark.unit

CPU = torch.device("cpu")


def units(lengths: tuple[int, ...], seed: int) -> list[np.ndarray]:
    return [tone_waves(1, n, 16_000, seed + i)[0] for i, n in enumerate(lengths)]


@torch.no_grad()
def test_contexts_of_any_lengths_equal_their_calls() -> None:
    model = fresh_model()
    contexts = [units((16_000, 16_000, 5_000), 0), units((7_000,), 10), units((16_000, 16_000), 20)]
    mels = [[unit_mel(unit, CPU) for unit in context] for context in contexts]
    ours = encode_contexts(model.apm, mels)
    state = model.allocate(len(contexts), 8)
    for row, (context, encoded) in enumerate(zip(contexts, ours, strict=True)):
        for samples, frames in zip(context, encoded, strict=True):
            clip = AudioClip(row, torch.from_numpy(samples))
            expected = model.encode_audio([clip], state)[0]
            projected = model.audio_projection_layer([frames])[0]
            torch.testing.assert_close(projected, expected, atol=1e-5, rtol=0)


def test_a_unit_too_short_for_a_token_is_padded() -> None:
    assert (
        unit_mel(np.zeros(10, np.float32), CPU).shape
        == unit_mel(np.zeros(400, np.float32), CPU).shape
    )


def test_a_context_longer_than_the_positions_is_refused() -> None:
    model = fresh_model()
    with pytest.raises(ValueError, match="positions"):
        encode_contexts(model.apm, [[torch.zeros(80, 1000)]])


def test_the_gradient_is_scaled_and_the_value_is_not() -> None:
    x = torch.ones(3, requires_grad=True)
    y = scale_gradient(x, 0.25)
    y.sum().backward()
    assert torch.equal(y, x)
    assert x.grad is not None and x.grad.tolist() == [0.25] * 3
