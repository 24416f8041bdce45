"""Checkpoints of random weights: complete, reproducible and labelled."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from safetensors.torch import load_file

from model.checkpoint_shapes import BENCH_SMALL, POCKET, SHAPES
from model.config import LanguageConfig, OmniConfig
from model.loading import load_checkpoint
from model.random_checkpoint import write_random_checkpoint

pytestmark = pytest.mark.unit

SMALL = replace(
    POCKET,
    language=LanguageConfig(
        hidden_size=256,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        intermediate_size=128,
        vocab_size=512,
    ),
)


def test_a_random_checkpoint_loads_strictly_and_says_it_is_untrained(tmp_path: Path) -> None:
    write_random_checkpoint(tmp_path / "random", SMALL)
    model = load_checkpoint(tmp_path / "random", "cpu", "float32")
    assert model.config.trained is False
    assert model.config.checkpoint_name == "pocket"
    assert model.config.speech.spk_emb_token_id < model.config.speech.num_text_tokens
    assert [path.name for path in tmp_path.iterdir()] == ["random"], "scratch is left behind"


def test_the_same_seed_gives_the_same_weights(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        write_random_checkpoint(tmp_path / name, SMALL, seed)
    a, b, c = (load_file(tmp_path / name / "model.safetensors") for name in "abc")
    assert all(a[name].equal(b[name]) for name in a)
    assert not a["llm.lm_head.weight"].equal(c["llm.lm_head.weight"])


def test_an_existing_folder_is_replaced_as_a_whole(tmp_path: Path) -> None:
    target = tmp_path / "random"
    target.mkdir()
    (target / "left-over.txt").write_text("x")
    write_random_checkpoint(target, SMALL)
    assert not (target / "left-over.txt").exists()
    assert OmniConfig.from_folder(target).trained is False


def test_the_bench_shape_is_the_one_the_reference_was_measured_at() -> None:
    language, vision, speech = BENCH_SMALL.language, BENCH_SMALL.vision, BENCH_SMALL.speech
    assert (language.hidden_size, language.num_hidden_layers, language.vocab_size) == (384, 8, 4096)
    assert (vision.hidden_size, vision.num_hidden_layers, vision.patch_size) == (192, 4, 14)
    assert (speech.hidden_size, speech.num_hidden_layers, speech.num_audio_tokens) == (320, 8, 626)
    assert set(SHAPES) == {"pocket", "bench-small"}
