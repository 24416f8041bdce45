"""Checkpoint folders out of training: a start to train from, parts put together, the shipped one.

Runs work on folders in the layout of the published checkpoint, in float32. Stages that do not build
on each other can start from one folder and be put together afterwards: each brings the tensors of
its prefixes.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from model.config import OmniConfig
from model.loading import (
    SPEECH_TOKENIZER_FOLDER,
    VOCODER_FILES,
    VOCODER_PREFIX,
    read_tensors,
    read_vocoder,
    refuse_meta_tensors,
    verify_checkpoint,
)
from model.omni import OmniModel
from model.speech.text import SpeechTokenizer
from model.tokenizer import TextTokenizer
from model.tokenizer_building import build_speech_tokenizer, build_text_tokenizer
from model.training.initialisation import initialise
from model.training.shipped_voices import copy_voices, encode_voices, write_voices
from model.voices import VOICES_FOLDER, find_voices

MAX_SHIPPED_BYTES = 50_000_000
TOKENIZER_FILES = ("tokenizer.json", f"{SPEECH_TOKENIZER_FOLDER}/tokenizer.json")


class TooLargeError(RuntimeError):
    """A checkpoint is larger than what may be shipped."""


def begin_checkpoint(
    folder: Path, shape: OmniConfig, seed: int, tokenizers: Path | None = None
) -> OmniModel:
    """Write a folder of fresh weights to train from.

    Args:
        folder: Must not exist.
        shape: Dimensions; token ids of the speech tokenizer are filled in.
        seed: Of the weights.
        tokenizers: Folder with both ``tokenizer.json`` at their places, whose voices come along;
            built without a corpus where None.

    Returns:
        The model, not fused.
    """
    with tempfile.TemporaryDirectory() as scratch:
        source = tokenizers or Path(scratch)
        if tokenizers is None:
            build_text_tokenizer(shape.language.vocab_size, source)
            build_speech_tokenizer(shape.speech.num_text_tokens, source / SPEECH_TOKENIZER_FOLDER)
        definition = (source / TOKENIZER_FILES[1]).read_text(encoding="utf-8")
        ids = {token["content"]: token["id"] for token in json.loads(definition)["added_tokens"]}
        speech = replace(
            shape.speech,
            spk_emb_token_id=ids["[spk_emb]"],
            audio_bos_token_id=ids["[Ptts]"],
            text_eos_token_id=ids["[Etts]"],
        )
        config = replace(shape, speech=speech, trained=False)
        model = OmniModel(
            config, TextTokenizer.from_folder(source), SpeechTokenizer(definition, speech)
        )
        initialise(model, seed)
        write_checkpoint(model, folder, source, torch.float32)
    return model


def load_for_training(folder: Path) -> OmniModel:
    """A checkpoint's model in float32 on the CPU, not fused, with gradients.

    Raises:
        ConfigError: As :func:`model.loading.load_checkpoint`.
        CheckpointError: As :func:`model.loading.load_checkpoint`.
    """
    model, shards = verify_checkpoint(folder)
    weights = dict(read_tensors(shards, torch.device("cpu"), torch.float32))
    vocoder = {n: t.float() for n, t in read_vocoder(folder).items()}
    weights |= {VOCODER_PREFIX + name: tensor for name, tensor in vocoder.items()}
    # Clones: tensors of a file may share its memory, and an optimiser writes in place.
    weights = {name: tensor.clone() for name, tensor in weights.items()}
    model.load_state_dict(weights, strict=True, assign=True)
    refuse_meta_tensors(model)
    return model.requires_grad_(True).train()


def write_checkpoint(
    model: OmniModel,
    folder: Path,
    tokenizers: Path,
    dtype: torch.dtype,
    *,
    trained: bool = False,
    voices: Mapping[str, bytes] | None = None,
) -> int:
    """Write a checkpoint folder; it appears whole or not at all.

    Args:
        model: Whose weights.
        folder: Must not exist, or is replaced where it is a checkpoint.
        tokenizers: Folder that holds both tokenizers, and perhaps voices.
        dtype: Of the stored weights; the vocoder's stay float32 in a call whatever this is.
        trained: What ``config.json`` says about the weights.
        voices: FLAC files by name; None takes those of the ``tokenizers`` folder along.

    Returns:
        Size of all its files, in bytes.

    Raises:
        FileExistsError: ``folder`` holds something that is no checkpoint.
        CheckpointError: What is among the voices to take along is no voice.
    """
    if folder.exists() and any(folder.iterdir()) and not (folder / "config.json").is_file():
        raise FileExistsError(f"{folder} holds something else; choose another folder")
    folder.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
    try:
        for name in TOKENIZER_FILES:
            (scratch / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(tokenizers / name, scratch / name)
        if voices is None:
            copy_voices(tokenizers, scratch)
        else:
            write_voices(voices, scratch)
        name_of_dtype = str(dtype).removeprefix("torch.")
        config = replace(model.config, trained=trained, torch_dtype=name_of_dtype)
        text = json.dumps(config.to_dict(), indent=2) + "\n"
        (scratch / "config.json").write_text(text, encoding="utf-8")
        weights, vocoder = split_weights(model, dtype)
        save_file(weights, scratch / "model.safetensors", metadata={"format": "pt"})
        save_file(vocoder, scratch / VOCODER_FILES[0], metadata={"format": "pt"})
        size = sum(path.stat().st_size for path in scratch.rglob("*") if path.is_file())
        scratch.chmod(0o755)
        if folder.exists():
            shutil.rmtree(folder)
        scratch.rename(folder)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return size


def split_weights(
    model: OmniModel, dtype: torch.dtype
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Tensors of the model's file and of the vocoder's, on the CPU."""
    weights: dict[str, Tensor] = {}
    vocoder: dict[str, Tensor] = {}
    for name, tensor in model.state_dict().items():
        stored = tensor.detach().to("cpu", dtype).clone().contiguous()
        if name.startswith(VOCODER_PREFIX):
            vocoder[name.removeprefix(VOCODER_PREFIX)] = stored
        else:
            weights[name] = stored
    return weights, vocoder


def put_together(base: Path, parts: Sequence[tuple[Path, Sequence[str]]]) -> OmniModel:
    """The model of ``base`` with parts of other folders of the same shape and tokenizers.

    Args:
        base: Checkpoint folder.
        parts: Folders, and the prefixes of the tensors that each brings; later ones win.

    Raises:
        ValueError: A folder has another shape or other tokenizers, or nothing of a prefix.
    """
    model = load_for_training(base)
    for folder, prefixes in parts:
        check_same_kind(base, folder)
        brought = load_for_training(folder).state_dict()
        for prefix in prefixes:
            chosen = {name: value for name, value in brought.items() if name.startswith(prefix)}
            if not chosen:
                raise ValueError(f"{folder} has no tensor whose name starts with {prefix!r}")
            model.load_state_dict(chosen, strict=False)
    return model


def check_same_kind(base: Path, other: Path) -> None:
    """Two folders can be put together: same dimensions, same tokens.

    Raises:
        ValueError: They cannot.
    """
    ours, theirs = (
        replace(OmniConfig.from_folder(f), trained=False, torch_dtype="", checkpoint_name="")
        for f in (base, other)
    )
    if ours != theirs:
        raise ValueError(f"{other} has other dimensions than {base}")
    for name in TOKENIZER_FILES:
        if (base / name).read_bytes() != (other / name).read_bytes():
            raise ValueError(f"{other} has another {name} than {base}")


def ship(
    model: OmniModel,
    folder: Path,
    tokenizers: Path,
    voices: Path | Mapping[str, Path] | None = None,
) -> int:
    """Write the checkpoint that is shipped, in bfloat16.

    Args:
        model: Whose weights.
        folder: As for :func:`write_checkpoint`.
        tokenizers: Folder that holds both tokenizers, and perhaps voices.
        voices: Folder of recordings, or recordings by the names clients will call them; None
            takes those of the ``tokenizers`` folder.

    Returns:
        Size of all its files, in bytes.

    Raises:
        TooLargeError: It is larger than may be shipped; nothing was written.
        CheckpointError: A voice cannot be used; nothing was written.
    """
    encoded = encode_voices(find_voices(tokenizers / VOICES_FOLDER) if voices is None else voices)
    n_bytes = 2 * sum(tensor.numel() for tensor in model.state_dict().values())
    n_bytes += sum((tokenizers / name).stat().st_size for name in TOKENIZER_FILES)
    n_bytes += sum(len(file) for file in encoded.values())
    if n_bytes > MAX_SHIPPED_BYTES:
        raise TooLargeError(
            f"the checkpoint would take {n_bytes / 1e6:.1f} MB of {MAX_SHIPPED_BYTES / 1e6:.0f}"
        )
    return write_checkpoint(model, folder, tokenizers, torch.bfloat16, trained=True, voices=encoded)
