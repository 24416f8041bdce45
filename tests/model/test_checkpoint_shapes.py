"""Shapes of models made here."""

from __future__ import annotations

from pathlib import Path

import pytest

from model.checkpoint_shapes import POCKET, SHAPES
from model.config import OmniConfig
from model.loading import verify_checkpoint
from model.random_checkpoint import write_random_checkpoint

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


def test_pocket_fits_the_repository(tmp_path: Path) -> None:
    write_random_checkpoint(tmp_path / "pocket", POCKET)
    model, _ = verify_checkpoint(tmp_path / "pocket")
    weights_bytes = 2 * sum(tensor.numel() for tensor in model.state_dict().values())
    tokenizers = [*tmp_path.rglob("tokenizer.json"), *tmp_path.rglob("config.json")]
    others_bytes = sum(path.stat().st_size for path in tokenizers)
    assert weights_bytes + others_bytes < 50_000_000
