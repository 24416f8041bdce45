"""The vision tower begins with patches that say what is in them, and looks at their neighbours."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from model.checkpoint_shapes import POCKET
from model.training.vision_initialisation import (
    N_PLACE,
    initialise_vision,
    look_at,
    patch_waves,
    places,
)
from model.vision_encoder import VisionEncoder
from tests.model.training.tiny_training import fresh_model

pytestmark = pytest.mark.unit


def test_waves_are_different_from_each_other_and_the_mean_comes_first() -> None:
    waves = patch_waves(40, 14)
    assert waves.shape == (40, 3 * 14 * 14)
    unit = waves / waves.norm(dim=1, keepdim=True)
    assert torch.allclose(unit @ unit.T, torch.eye(40), atol=1e-5)
    flat = torch.ones(3 * 14 * 14)
    assert (waves @ flat)[0] > 1 and (waves @ flat)[1:].abs().max() < 1e-4


def test_a_place_is_found_from_its_neighbour() -> None:
    table = places(9).view(9, 9, N_PLACE)
    moved = table[3, 4] @ look_at(1.0, -2.0).T
    assert torch.allclose(moved, table[4, 2], atol=1e-5)
    assert int((table.flatten(0, 1) @ moved).argmax()) == 4 * 9 + 2


def test_heads_of_the_first_layer_look_at_the_patches_around() -> None:
    config = replace(POCKET, vision=replace(POCKET.vision, image_size=224))  # one patch a position
    tower = VisionEncoder(config.vision)
    initialise_vision(tower, config)
    per_side = tower.embeddings.positions_per_side
    x = tower.embeddings.position_embedding.weight.detach()
    attention = tower.encoder.layers[0].self_attn
    queries, keys, _ = attention.project(x)
    width = x.shape[1] // attention.n_heads
    here = 7 * per_side + 7
    for head, (down, across) in ((1, (-1, 0)), (4, (0, 1)), (7, (1, 1))):
        part = slice(head * width, (head + 1) * width)
        seen = int((queries[here, part] @ keys[:, part].T).argmax())
        assert seen == (7 + down) * per_side + 7 + across


def test_towers_with_few_heads_get_filters_and_places_alone() -> None:
    tower = fresh_model().vpm
    assert tower.encoder.layers[0].self_attn.q_proj.weight.std() > 0
    assert tower.embeddings.position_embedding.weight[:, N_PLACE:].abs().max() == 0
