"""Loading a checkpoint folder: strictly, and with a clear word about what is wrong."""

from __future__ import annotations

import csv
import json
import re
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from model.config import ConfigError, OmniConfig
from model.loading import CheckpointError, choose_device, choose_dtype, load_checkpoint
from model.omni import OmniModel
from model.speech.text import SpeechTokenizer
from model.tokenizer import TextTokenizer

pytestmark = pytest.mark.unit

GOLDEN = Path(__file__).parents[1] / "golden"
CHECKPOINT_FILES = ("config.json", "model.safetensors", "tokenizer.json", "assets")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the tiny checkpoint that a test may damage."""
    for name in CHECKPOINT_FILES:
        source = GOLDEN / name
        if source.is_dir():
            shutil.copytree(source, tmp_path / name)
        else:
            shutil.copy(source, tmp_path / name)
    return tmp_path


def rewrite(folder: Path, change: object) -> None:
    weights = load_file(folder / "model.safetensors")
    change(weights)  # type: ignore[operator]
    save_file(weights, folder / "model.safetensors")


def test_every_stored_value_arrives_unchanged(folder: Path) -> None:
    model = load_checkpoint(folder, "cpu", "float32")
    loaded = model.state_dict()
    for name, stored in load_file(folder / "model.safetensors").items():
        assert torch.equal(loaded[name], stored.float()), name
    assert not any(parameter.requires_grad for parameter in model.parameters())


@pytest.mark.parametrize("dtype", ["bfloat16", "float16", "float32"])
def test_the_number_format_is_chosen_in_one_place(folder: Path, dtype: str) -> None:
    model = load_checkpoint(folder, "cpu", dtype)
    assert model.dtype == getattr(torch, dtype)
    networks = [model.llm, model.vpm, model.resampler, model.apm, model.tts]
    for network in networks:
        assert {parameter.dtype for parameter in network.parameters()} == {model.dtype}
    assert {parameter.dtype for parameter in model.vocoder.parameters()} == {torch.float32}


def test_shards_load_like_one_file(folder: Path) -> None:
    whole = load_checkpoint(folder, "cpu", "float32").state_dict()
    weights = load_file(folder / "model.safetensors")
    names = sorted(weights)
    parts = {"model-00001-of-00002.safetensors": names[::2]}
    parts["model-00002-of-00002.safetensors"] = names[1::2]
    for file, held in parts.items():
        save_file({name: weights[name] for name in held}, folder / file)
    index = {"weight_map": {name: file for file, held in parts.items() for name in held}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    (folder / "model.safetensors").unlink()
    sharded = load_checkpoint(folder, "cpu", "float32").state_dict()
    assert all(torch.equal(whole[name], sharded[name]) for name in whole)
    (folder / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"lacks 1 of 2 weight files: model-00002"):
        load_checkpoint(folder)
    (folder / "model.safetensors.index.json").write_text("[]")
    with pytest.raises(CheckpointError, match="not a safetensors index"):
        load_checkpoint(folder)


def test_the_vocoder_loads_from_either_file(folder: Path) -> None:
    first = load_checkpoint(folder, "cpu", "float32").vocoder.state_dict()
    (folder / "assets" / "Vocos.safetensors").unlink()
    second = load_checkpoint(folder, "cpu", "float32").vocoder.state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    (folder / "assets" / "Vocos.pt").write_bytes(b"no pickle")
    with pytest.raises(CheckpointError, match=r"Vocos\.pt is damaged"):
        load_checkpoint(folder)
    (folder / "assets" / "Vocos.pt").unlink()
    with pytest.raises(CheckpointError, match="no vocoder"):
        load_checkpoint(folder)


def test_a_missing_tensor_is_named(folder: Path) -> None:
    rewrite(
        folder, lambda weights: weights.pop("tts.head_code.2.parametrizations.weight.original1")
    )
    with pytest.raises(CheckpointError, match=r"1 missing \(tts\.head_code\.2\.param.*original1\)"):
        load_checkpoint(folder)


def test_an_extra_tensor_is_named(folder: Path) -> None:
    rewrite(folder, lambda weights: weights.update({"llm.extra.weight": torch.zeros(2)}))
    with pytest.raises(CheckpointError, match=r"not part of this model \(llm\.extra\.weight\)"):
        load_checkpoint(folder)


def test_a_misshapen_tensor_is_named_with_both_shapes(folder: Path) -> None:
    rewrite(folder, lambda weights: weights.update({"llm.model.norm.weight": torch.zeros(3)}))
    width = OmniConfig.from_folder(folder).language.hidden_size
    said = re.escape(f"llm.model.norm.weight [3] instead of [{width}]")
    with pytest.raises(CheckpointError, match=said):
        load_checkpoint(folder)


def test_a_truncated_file_is_named(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match=r"model\.safetensors is damaged or incomplete"):
        load_checkpoint(folder)


def test_folders_that_are_no_checkpoint_say_so(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="has no config"):
        load_checkpoint(tmp_path / "nothing")
    (folder / "model.safetensors").unlink()
    with pytest.raises(CheckpointError, match="has neither model"):
        load_checkpoint(folder)
    (folder / "config.json").write_text('{"model_type": "llama"}')
    with pytest.raises(ConfigError, match="unsupported model_type 'llama'"):
        load_checkpoint(folder)


def test_devices_and_formats_that_do_not_exist_say_so() -> None:
    with pytest.raises(CheckpointError, match="unknown device 'abacus'"):
        choose_device("abacus")
    with pytest.raises(CheckpointError, match="unknown dtype 'float8'"):
        choose_dtype("float8", torch.device("cpu"))
    assert choose_dtype("auto", torch.device("cuda")) == torch.bfloat16
    assert choose_dtype("auto", torch.device("cpu")) == torch.float32
    if not torch.cuda.is_available():
        assert choose_device("auto").type == "cpu"
        with pytest.raises(CheckpointError, match="sees no CUDA device"):
            choose_device("cuda:1")


def test_the_published_checkpoint_fits_name_by_name_and_shape_by_shape() -> None:
    config = OmniConfig.from_folder(GOLDEN / "real_config")
    with torch.device("meta"):
        model = OmniModel(
            config,
            TextTokenizer.from_folder(GOLDEN),
            SpeechTokenizer.from_folder(GOLDEN / "assets" / "chattts_tokenizer", config.speech),
        )
    ours = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    with (GOLDEN / "weights_real.tsv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    published = {}
    for row in rows:
        vocoder = row["file"].startswith("assets/")
        if (row["file"] == "model" and row["kind"] == "param") or vocoder:
            shape = tuple(int(size) for size in re.findall(r"\d+", row["shape"]))
            published[("vocoder." if vocoder else "") + row["name"]] = shape
    assert len(published) > 1599
    assert ours == published
    parameters = sum(p.numel() for n, p in model.named_parameters() if "vocoder" not in n)
    assert parameters == 8_674_997_028
