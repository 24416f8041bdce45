"""Small random networks and the small tokenizer that tests share."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import torch

from model.config import LanguageConfig
from model.language_model import LanguageModel
from model.tokenizer import TextTokenizer

TOKENIZER_FOLDER = Path(__file__).parents[1] / "golden"
HIDDEN = 32


@cache
def tiny_tokenizer() -> TextTokenizer:
    """The real layout of special tokens over a vocabulary of some hundred."""
    return TextTokenizer.from_folder(TOKENIZER_FOLDER)


def tiny_config(n_layers: int = 2, vocab_size: int = 64, tied: bool = False) -> LanguageConfig:
    """Dimensions of a language model that runs in a millisecond."""
    return LanguageConfig(
        hidden_size=HIDDEN,
        num_hidden_layers=n_layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        intermediate_size=48,
        vocab_size=vocab_size,
        max_position_embeddings=512,
        tie_word_embeddings=tied,
    )


def random_language_model(config: LanguageConfig, seed: int = 0) -> LanguageModel:
    """A language model whose answers depend on all of its context."""
    model = LanguageModel(config).eval().requires_grad_(False)
    generator = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():
        scale = parameter.shape[-1] ** -0.5 if parameter.ndim > 1 else 1.0
        parameter.copy_(torch.randn(parameter.shape, generator=generator) * scale)
    return model


def random_embeddings(count: int, seed: int = 1) -> torch.Tensor:
    """``[count, HIDDEN]``."""
    return torch.randn(count, HIDDEN, generator=torch.Generator().manual_seed(seed))
