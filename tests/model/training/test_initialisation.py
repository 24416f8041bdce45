"""Fresh weights keep activations at about unit scale and depend on the seed alone."""

from __future__ import annotations

import pytest
import torch

from model.training.initialisation import AUDIO_POSITION_SCALE, sinusoids
from tests.model.training.tiny_training import fresh_model

pytestmark = pytest.mark.unit


def test_the_same_seed_gives_the_same_weights_and_another_does_not() -> None:
    one, same, other = (fresh_model(seed).state_dict() for seed in (3, 3, 4))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert sum(not torch.equal(one[name], other[name]) for name in one) > 50


def test_all_weights_are_finite_and_no_matrix_is_zero() -> None:
    for name, parameter in fresh_model().named_parameters():
        assert torch.isfinite(parameter).all(), name
        assert parameter.ndim < 2 or parameter.abs().max() > 0, name


def test_first_guesses_are_nearly_uniform() -> None:
    model = fresh_model()
    pool = model.llm.allocate(1, 40)
    with torch.no_grad():
        embeddings = model.llm.embed(torch.randint(0, 400, (40,)))
        hidden = model.llm(embeddings, pool, pool.segments([0], [40]))
    assert float(hidden.std()) == pytest.approx(1.0, abs=0.1)
    assert model.llm.logits(hidden).std() < 0.5


def test_positions_of_audio_are_small_sines() -> None:
    table = fresh_model().apm.embed_positions.weight
    expected = AUDIO_POSITION_SCALE * sinusoids(*table.shape)
    torch.testing.assert_close(table.detach(), expected)
    assert sinusoids(10, 8)[0].tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
