"""Loading a checkpoint folder in the layout of ``openbmb/MiniCPM-o-2_6``.

Names and shapes are compared on the meta device before a byte of weights is read, so that a wrong
folder is refused at once and by name. Device and dtype come from one place: the arguments here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from pickle import UnpicklingError

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from model.config import OmniConfig
from model.omni import OmniModel
from model.quirks import PRODUCT, ReferenceQuirks
from model.speech.text import SpeechTokenizer
from model.tokenizer import TextTokenizer

VOCODER_PREFIX = "vocoder."
VOCODER_FILES = ("assets/Vocos.safetensors", "assets/Vocos.pt")
SPEECH_TOKENIZER_FOLDER = "assets/chattts_tokenizer"
SHOWN_PER_KIND = 5
"""Tensors named per kind of mismatch; the rest are counted."""

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


class CheckpointError(RuntimeError):
    """A checkpoint folder cannot be loaded; the text names what is wrong with it."""


def load_checkpoint(
    folder: Path,
    device: str = "auto",
    dtype: str = "auto",
    quirks: ReferenceQuirks = PRODUCT,
) -> OmniModel:
    """Build the model and load its weights, strictly.

    Args:
        folder: ``config.json``, ``model.safetensors`` (or shards with an index), ``tokenizer.json``
            and ``assets/`` with the vocoder and the speech tokenizer.
        device: ``cpu``, ``cuda``, ``cuda:N`` or ``auto``.
        dtype: ``float32``, ``bfloat16``, ``float16`` or ``auto`` (bfloat16 on CUDA, else float32).
        quirks: Faulty behaviours of the reference to reproduce (parity tests only).

    Returns:
        The model in inference mode, ready to allocate state.

    Raises:
        ConfigError: ``config.json`` is missing or describes another model.
        CheckpointError: A file or tensor is missing, left over, damaged or of another shape.
    """
    target = choose_device(device)
    number_format = choose_dtype(dtype, target)
    model, shards = verify_checkpoint(folder, quirks)
    weights = dict(read_tensors(shards, target, number_format))
    weights |= {
        VOCODER_PREFIX + name: tensor.to(target, torch.float32)
        for name, tensor in read_vocoder(folder).items()
    }
    model.load_state_dict(weights, strict=True, assign=True)
    refuse_meta_tensors(model)
    model.requires_grad_(False).eval()
    model.fuse()
    return model


def verify_checkpoint(
    folder: Path, quirks: ReferenceQuirks = PRODUCT
) -> tuple[OmniModel, list[Path]]:
    """Check that a folder is complete and fits its ``config.json``, without reading its weights.

    Returns:
        The model without data (on the meta device), and the weight files.

    Raises:
        ConfigError: As :func:`load_checkpoint`.
        CheckpointError: As :func:`load_checkpoint`.
    """
    config = OmniConfig.from_folder(folder)
    shards = find_shards(folder)
    tokenizer = TextTokenizer.from_folder(folder)
    speech_tokenizer = SpeechTokenizer.from_folder(folder / SPEECH_TOKENIZER_FOLDER, config.speech)
    with torch.device("meta"):
        model = OmniModel(config, tokenizer, speech_tokenizer, quirks)
    expected = {
        name: tuple(tensor.shape)
        for name, tensor in model.state_dict().items()
        if not name.startswith(VOCODER_PREFIX)
    }
    compare_tensors(expected, stored_shapes(shards), folder)
    compare_tensors(
        {name: tuple(tensor.shape) for name, tensor in model.vocoder.state_dict().items()},
        {name: tuple(tensor.shape) for name, tensor in read_vocoder(folder).items()},
        folder / "assets",
    )
    return model, shards


def choose_device(device: str) -> torch.device:
    """The device a setting means.

    Raises:
        CheckpointError: CUDA was asked for and there is none.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
    except RuntimeError:
        raise CheckpointError(f"unknown device {device!r}; use auto, cpu, cuda or cuda:N") from None
    if chosen.type == "cuda" and not torch.cuda.is_available():
        raise CheckpointError(
            f"device {device!r} was asked for but this torch sees no CUDA device; install a CUDA "
            "build of torch, or use the device auto or cpu"
        )
    return chosen


def choose_dtype(dtype: str, device: torch.device) -> torch.dtype:
    """The number format a setting means.

    Raises:
        CheckpointError: The name is not one of the known formats.
    """
    if dtype == "auto":
        return torch.bfloat16 if device.type == "cuda" else torch.float32
    if dtype not in DTYPES:
        raise CheckpointError(f"unknown dtype {dtype!r}; use auto, {', '.join(DTYPES)}")
    return DTYPES[dtype]


def find_shards(folder: Path) -> list[Path]:
    """The safetensors files of a checkpoint, from its index where it has one.

    Raises:
        CheckpointError: There are none, or the index names a file that is not there.
    """
    single, index = folder / "model.safetensors", folder / "model.safetensors.index.json"
    if index.exists():
        try:
            names = sorted(
                set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise CheckpointError(f"{index} is not a safetensors index: {error}") from error
        missing = [name for name in names if not (folder / name).is_file()]
        if missing:
            raise CheckpointError(
                f"{folder} lacks {len(missing)} of {len(names)} weight files: "
                f"{', '.join(missing[:SHOWN_PER_KIND])}; download them again"
            )
        return [folder / name for name in names]
    if single.is_file():
        return [single]
    raise CheckpointError(
        f"{folder} has neither model.safetensors nor model.safetensors.index.json; "
        "it is not a complete checkpoint folder"
    )


def stored_shapes(shards: list[Path]) -> dict[str, tuple[int, ...]]:
    """Names and shapes of all stored tensors, from the files' headers alone."""
    shapes: dict[str, tuple[int, ...]] = {}
    for shard in shards:
        try:
            with safe_open(shard, framework="pt") as opened:
                for name in opened.keys():  # noqa: SIM118 (a safetensors handle is no mapping)
                    shapes[name] = tuple(opened.get_slice(name).get_shape())
        except (SafetensorError, OSError) as error:
            raise CheckpointError(f"{shard} is damaged or incomplete: {error}") from error
    return shapes


def compare_tensors(
    expected: Mapping[str, tuple[int, ...]], stored: Mapping[str, tuple[int, ...]], where: Path
) -> None:
    """Check that a checkpoint holds exactly the tensors a model has.

    Raises:
        CheckpointError: Naming tensors that are missing, left over or of another shape.
    """
    missing = sorted(expected.keys() - stored.keys())
    extra = sorted(stored.keys() - expected.keys())
    reshaped = [
        f"{name} {list(stored[name])} instead of {list(expected[name])}"
        for name in sorted(expected.keys() & stored.keys())
        if expected[name] != stored[name]
    ]
    kinds = {"missing": missing, "not part of this model": extra, "of another shape": reshaped}
    problems = [
        f"{len(names)} {kind} ({', '.join(names[:SHOWN_PER_KIND])}"
        + (", …)" if len(names) > SHOWN_PER_KIND else ")")
        for kind, names in kinds.items()
        if names
    ]
    if problems:
        raise CheckpointError(
            f"the tensors in {where} do not fit its config.json: {'; '.join(problems)}"
        )


def read_tensors(
    shards: list[Path], device: torch.device, dtype: torch.dtype
) -> Iterator[tuple[str, Tensor]]:
    """All stored tensors, on ``device``; floating-point ones as ``dtype``."""
    for shard in shards:
        with safe_open(shard, framework="pt", device=str(device)) as opened:
            for name in opened.keys():  # noqa: SIM118 (a safetensors handle is no mapping)
                tensor = opened.get_tensor(name)
                yield name, tensor.to(dtype) if tensor.is_floating_point() else tensor


def read_vocoder(folder: Path) -> dict[str, Tensor]:
    """State dict of Vocos, from safetensors or the published pickle (tensors only).

    Raises:
        CheckpointError: Neither file is there, or it holds something else than tensors.
    """
    for name in VOCODER_FILES:
        path = folder / name
        if not path.is_file():
            continue
        try:
            if path.suffix == ".safetensors":
                return dict(read_tensors([path], torch.device("cpu"), torch.float32))
            return torch.load(path, map_location="cpu", weights_only=True)
        except (SafetensorError, UnpicklingError, OSError, RuntimeError, ValueError) as error:
            raise CheckpointError(f"{path} is damaged: {error}") from error
    raise CheckpointError(f"{folder} has no vocoder: {VOCODER_FILES[1]} is missing")


def refuse_meta_tensors(model: nn.Module) -> None:
    """Every parameter and buffer must hold data once loaded.

    Raises:
        CheckpointError: A tensor was built on the meta device and never filled.
    """
    tensors = [*model.named_parameters(), *model.named_buffers()]
    unfilled = [name for name, tensor in tensors if tensor.is_meta]
    if unfilled:
        raise CheckpointError(f"the checkpoint leaves tensors unfilled: {', '.join(unfilled[:5])}")
