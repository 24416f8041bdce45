"""Checkpoints of random weights in the real layout: the default until a trained one ships.

They load, stream and speak like any other, and mean nothing; ``trained: false`` in their
``config.json`` labels them wherever they show.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from model.config import OmniConfig
from model.loading import SPEECH_TOKENIZER_FOLDER, VOCODER_FILES, VOCODER_PREFIX
from model.omni import OmniModel
from model.speech.text import SpeechTokenizer
from model.tokenizer import TextTokenizer
from model.tokenizer_building import build_speech_tokenizer, build_text_tokenizer

SHARED_DIRECTION = 0.25
"""Length, against the random part, of a component that all token embeddings have in common."""
ENDING_WEIGHT = 1.15
"""How strongly that component speaks for ``<|im_end|>``: answers end after a sentence or two."""


def write_random_checkpoint(folder: Path, shape: OmniConfig, seed: int = 0) -> None:
    """Write a complete checkpoint folder of random weights.

    The folder appears whole or not at all: it is written beside its place and moved there.

    Args:
        folder: Where it goes; replaced when it exists.
        shape: Dimensions; token ids of the speech tokenizer are filled in.
        seed: Seed of the weights.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
    try:
        _write(scratch, shape, seed)
        if folder.exists():
            shutil.rmtree(folder)
        scratch.rename(folder)
    except FileExistsError:
        # Another process put its copy there first; it is the same checkpoint.
        shutil.rmtree(scratch, ignore_errors=True)
    except OSError:
        shutil.rmtree(scratch, ignore_errors=True)
        if not (folder / "config.json").is_file():
            raise


def _write(folder: Path, shape: OmniConfig, seed: int) -> None:
    build_text_tokenizer(shape.language.vocab_size, folder)
    ids = build_speech_tokenizer(shape.speech.num_text_tokens, folder / SPEECH_TOKENIZER_FOLDER)
    speech = replace(
        shape.speech,
        spk_emb_token_id=ids["[spk_emb]"],
        audio_bos_token_id=ids["[Ptts]"],
        text_eos_token_id=ids["[Etts]"],
    )
    config = replace(shape, speech=speech, trained=False)
    text = json.dumps(config.to_dict(), indent=2)
    (folder / "config.json").write_text(text + os.linesep, encoding="utf-8")

    tokenizer = TextTokenizer.from_folder(folder)
    speech_tokenizer = SpeechTokenizer.from_folder(folder / SPEECH_TOKENIZER_FOLDER, config.speech)
    generator = torch.Generator().manual_seed(seed)
    with torch.device("meta"):
        layout = OmniModel(config, tokenizer, speech_tokenizer).state_dict()
    weights = {name: random_tensor(name, value, generator) for name, value in layout.items()}
    lean_towards_ending(weights, tokenizer.id_of("<|im_end|>"), generator)
    vocoder = {
        name.removeprefix(VOCODER_PREFIX): weights.pop(name)
        for name in list(weights)
        if name.startswith(VOCODER_PREFIX)
    }
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    save_file(vocoder, folder / VOCODER_FILES[0], metadata={"format": "pt"})


def random_tensor(name: str, like: Tensor, generator: torch.Generator) -> Tensor:
    """Weights that keep activations at about unit scale through the depth of a network."""
    shape = like.shape
    if name.endswith(("istft.window", "spectrogram.window")):
        return torch.hann_window(shape[0])
    if name.endswith(".bias") or name.endswith("in_proj_bias"):
        return torch.zeros(shape)
    if len(shape) == 1 or name.endswith(".coef"):
        return torch.ones(shape)
    fan_in = like[0].numel() if len(shape) > 1 else shape[0]
    scale = 1.0 if "embed" in name or "emb_" in name else fan_in**-0.5
    return torch.randn(shape, generator=generator) * scale


def lean_towards_ending(
    weights: dict[str, Tensor], ending_id: int, generator: torch.Generator
) -> None:
    """Make random answers end: every hidden state carries a direction the ending row looks along.

    Without it a random model says its ending token once in a vocabulary's length of tokens and
    every answer runs into the token limit.
    """
    embeddings = weights["llm.model.embed_tokens.weight"]
    direction = torch.randn(embeddings.shape[1], generator=generator)
    direction /= direction.norm()
    strength = embeddings.norm(dim=1).mean()
    embeddings += SHARED_DIRECTION * strength * direction
    weights["llm.lm_head.weight"][ending_id] = ENDING_WEIGHT * direction
