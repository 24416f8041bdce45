"""Shapes of models made here."""

from __future__ import annotations

import pytest

from model.checkpoint_shapes import SHAPES
from model.config import OmniConfig

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("name", SHAPES)
def test_a_shape_survives_its_config_file(name: str) -> None:
    assert OmniConfig.from_dict(SHAPES[name].to_dict()) == SHAPES[name]


@pytest.mark.parametrize("name", SHAPES)
def test_the_networks_of_a_shape_fit_together(name: str) -> None:
    shape = SHAPES[name]
    assert shape.speech.llm_dim == shape.language.hidden_size
    for hidden, heads in [
        (shape.language.hidden_size, shape.language.num_attention_heads),
        (shape.vision.hidden_size, shape.vision.num_attention_heads),
        (shape.audio.d_model, shape.audio.encoder_attention_heads),
        (shape.speech.hidden_size, shape.speech.num_attention_heads),
    ]:
        assert hidden % heads == 0
    assert shape.language.num_attention_heads % shape.language.num_key_value_heads == 0
