"""Checkpoint folders out of training load like any other."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from model.checkpoint_shapes import POCKET
from model.loading import load_checkpoint
from model.training import export
from model.training.export import (
    TooLargeError,
    begin_checkpoint,
    load_for_training,
    put_together,
    ship,
    write_checkpoint,
)
from tests.model.training.tiny_training import GOLDEN, fresh_model, tiny_omni_config

pytestmark = pytest.mark.unit


def begin(folder: Path, seed: int) -> Path:
    begin_checkpoint(folder, tiny_omni_config(), seed, tokenizers=GOLDEN)
    return folder


def test_a_start_loads_unfused_with_gradients_and_unchanged(tmp_path: Path) -> None:
    made = begin_checkpoint(tmp_path / "start", tiny_omni_config(), 3, tokenizers=GOLDEN)
    loaded = load_for_training(tmp_path / "start")
    for name, tensor in made.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor), name
    assert all(parameter.requires_grad for parameter in loaded.parameters())
    assert loaded.llm.model.layers[0].self_attn._fused is None
    assert not load_checkpoint(tmp_path / "start", "cpu").config.trained


def test_a_start_without_tokenizers_builds_them(tmp_path: Path) -> None:
    model = begin_checkpoint(tmp_path / "start", POCKET, 0)
    speech = model.config.speech
    assert speech.spk_emb_token_id < speech.num_text_tokens
    assert load_for_training(tmp_path / "start").config == model.config


def test_parts_of_several_runs_are_put_together(tmp_path: Path) -> None:
    base, one, two = (begin(tmp_path / str(seed), seed) for seed in range(3))
    merged = put_together(base, [(one, ["apm."]), (two, ["tts.dvae.", "vocoder."])]).state_dict()
    states = [load_for_training(folder).state_dict() for folder in (base, one, two)]
    for name, tensor in merged.items():
        source = 1 if name.startswith("apm.") else 0
        source = 2 if name.startswith(("tts.dvae.", "vocoder.")) else source
        assert torch.equal(tensor, states[source][name]), name


def test_parts_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    base = begin(tmp_path / "base", 0)
    other = begin(tmp_path / "other", 0)
    with pytest.raises(ValueError, match=r"'ears\.'"):
        put_together(base, [(other, ["ears."])])
    (other / "tokenizer.json").write_text((base / "tokenizer.json").read_text() + "\n")
    with pytest.raises(ValueError, match=r"another tokenizer\.json"):
        put_together(base, [(other, ["apm."])])
    begin_checkpoint(tmp_path / "pocket", POCKET, 0)
    with pytest.raises(ValueError, match="dimensions"):
        put_together(base, [(tmp_path / "pocket", ["apm."])])


def test_what_ships_is_half_as_large_and_says_that_it_is_trained(tmp_path: Path) -> None:
    model = fresh_model()
    large = write_checkpoint(model, tmp_path / "large", GOLDEN, torch.float32)
    size = ship(model, tmp_path / "pocket", GOLDEN)
    assert size < 0.55 * large
    shipped = load_checkpoint(tmp_path / "pocket", "cpu", "float32")
    assert shipped.config.trained and shipped.config.torch_dtype == "bfloat16"
    expected = model.llm.lm_head.weight.to(torch.bfloat16).float()
    torch.testing.assert_close(shipped.llm.lm_head.weight, expected, atol=0, rtol=0)
    assert ship(model, tmp_path / "pocket", GOLDEN) == size, "a checkpoint may be replaced"


def test_what_is_too_large_or_would_overwrite_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis/chapter.txt").write_text("one")
    with pytest.raises(FileExistsError, match="something else"):
        write_checkpoint(fresh_model(), tmp_path / "thesis", GOLDEN, torch.float32)
    monkeypatch.setattr(export, "MAX_SHIPPED_BYTES", 1000)
    with pytest.raises(TooLargeError, match="MB"):
        ship(fresh_model(), tmp_path / "pocket", GOLDEN)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["thesis"]
