"""Checkpoint folders out of training load like any other."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from model.checkpoint_shapes import POCKET
from model.loading import CheckpointError, load_checkpoint
from model.training import export
from model.training.export import (
    TooLargeError,
    begin_checkpoint,
    load_for_training,
    put_together,
    ship,
    write_checkpoint,
)
from model.voices import load_voices
from tests.fakes.voiced_checkpoint import voiced_checkpoint, write_voice
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


def test_voices_come_along_from_start_to_shipping_unless_others_are_given(tmp_path: Path) -> None:
    source = voiced_checkpoint(tmp_path / "source")
    start = tmp_path / "start"
    model = begin_checkpoint(start, tiny_omni_config(), 0, tokenizers=source)
    assert list(load_voices(start)) == ["alan", "clara"]
    ship(model, tmp_path / "pocket", start)
    assert list(load_voices(tmp_path / "pocket")) == ["alan", "clara"]
    assert (tmp_path / "pocket/assets/voices/alan.flac").is_file(), "whatever it was before"
    without = ship(model, tmp_path / "pocket", start, {})
    assert not load_voices(tmp_path / "pocket")
    other = write_voice(tmp_path / "recordings/bea.wav", 2.0)
    size = ship(model, tmp_path / "pocket", start, {"ada": other})
    assert list(load_voices(tmp_path / "pocket")) == ["ada"]
    assert size - without == (tmp_path / "pocket/assets/voices/ada.flac").stat().st_size
    ship(model, tmp_path / "pocket", start, other.parent)
    assert list(load_voices(tmp_path / "pocket")) == ["bea"]


def test_with_a_damaged_voice_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    damaged = tmp_path / "clara.flac"
    damaged.write_text("no sound")
    with pytest.raises(CheckpointError, match=r"clara\.flac"):
        ship(fresh_model(), tmp_path / "pocket", GOLDEN, {"clara": damaged})
    monkeypatch.setattr(export, "copy_voices", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_checkpoint(fresh_model(), tmp_path / "run", GOLDEN, torch.float32)
    assert [path.name for path in tmp_path.iterdir()] == ["clara.flac"]


def test_voices_count_for_what_may_be_shipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = fresh_model()
    voice = write_voice(tmp_path / "ada.wav", 10.0, 48_000)
    bare = 2 * sum(tensor.numel() for tensor in model.state_dict().values())
    bare += sum((GOLDEN / name).stat().st_size for name in export.TOKENIZER_FILES)
    monkeypatch.setattr(export, "MAX_SHIPPED_BYTES", bare + 1000)
    ship(model, tmp_path / "pocket", GOLDEN)
    with pytest.raises(TooLargeError):
        ship(model, tmp_path / "voiced", GOLDEN, {"ada": voice})
