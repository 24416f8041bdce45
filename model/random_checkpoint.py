"""Checkpoints of random weights in the real layout, for a distribution without `pocket`.

They load, stream and speak like any other, and mean nothing; ``trained: false`` in their
``config.json`` labels them wherever they show.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from model.config import OmniConfig, SpeechConfig
from model.loading import SPEECH_TOKENIZER_FOLDER, VOCODER_FILES, VOCODER_PREFIX
from model.omni import OmniModel
from model.speech.text import SpeechTokenizer
from model.tokenizer import TextTokenizer
from model.tokenizer_building import build_speech_tokenizer, build_text_tokenizer

SHARED_DIRECTION = 0.25
"""Length, against the random part, of a component that all embeddings of a network have in
common; every hidden state then carries it, and output rows can look along it."""
TEXT_ENDING_WEIGHT = 1.15
"""How strongly it speaks for ``<|im_end|>``: answers end after a sentence or two."""
OPENING_WEIGHT = 2.0
"""How far the token that opens an answer looks away from that component."""
SPEECH_ENDING_WEIGHT = 0.53
"""How strongly it speaks for the end of speech."""
UNSPEAKABLE_WEIGHT = -8.0
"""How strongly another such component speaks against tokens that are not made of letters."""


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
    make_it_babble(weights, tokenizer, generator)
    make_speech_end(weights, config.speech, generator)
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


def make_it_babble(
    weights: dict[str, Tensor], tokenizer: TextTokenizer, generator: torch.Generator
) -> None:
    """Make random answers words that come to an end.

    Without it a random model says its ending token once in a vocabulary's length, every answer runs
    into the token limit, and most of it cannot be spoken.
    """
    embeddings, output = weights["llm.model.embed_tokens.weight"], weights["llm.lm_head.weight"]
    ending = share_direction([embeddings], generator)
    speakable = share_direction([embeddings], generator)
    for token_id in range(output.shape[0]):
        if not re.fullmatch("[a-z ]+", tokenizer.decode([token_id])):
            output[token_id] = UNSPEAKABLE_WEIGHT * speakable
    output[tokenizer.id_of("<|im_end|>")] = TEXT_ENDING_WEIGHT * ending
    # What opens an answer looks the other way: no answer ends before it began.
    opening = embeddings[tokenizer.id_of("<|tts_bos|>")]
    opening -= (1 + OPENING_WEIGHT) * (opening @ ending) * ending


def make_speech_end(
    weights: dict[str, Tensor], config: SpeechConfig, generator: torch.Generator
) -> None:
    """Make random speech end some time after its text, instead of at the frame limit."""
    tables = [weights[f"tts.emb_code.{codebook}.weight"] for codebook in range(config.num_vq)]
    direction = share_direction(tables, generator)
    ending = config.num_audio_tokens - 1
    weights["tts.head_code.0.parametrizations.weight.original1"][ending] = direction
    weights["tts.head_code.0.parametrizations.weight.original0"][ending] = SPEECH_ENDING_WEIGHT


def share_direction(tables: list[Tensor], generator: torch.Generator) -> Tensor:
    """Add one direction to all rows of embedding tables ``[V, D]``; returns it, of length 1."""
    direction = torch.randn(tables[0].shape[1], generator=generator)
    direction /= direction.norm()
    for table in tables:
        table += SHARED_DIRECTION * table.norm(dim=1).mean() * direction
    return direction
