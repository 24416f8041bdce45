"""Asks of a picture's vectors what is to be told from them, the way a language model does."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

N_HEADS = 4


class PictureReader(nn.Module):
    """One layer of attention from questions to vectors, then a classifier per question.

    A language model reads every vector through the same matrices. Classifiers that see all vectors
    side by side, each through matrices of its own, are satisfied by vectors of which it learns
    next to nothing.
    """

    def __init__(
        self, n_classes: Mapping[str, int], hidden: int, generator: torch.Generator
    ) -> None:
        """Prepare.

        Args:
            n_classes: Classes of each question.
            hidden: Size D of a vector.
            generator: Of the weights.
        """
        super().__init__()
        self.questions = nn.Embedding(len(n_classes), hidden)
        self.query, self.key, self.value, self.output = (
            nn.Linear(hidden, hidden, bias=False) for _ in range(4)
        )
        self.widen, self.narrow = nn.Linear(hidden, 2 * hidden), nn.Linear(2 * hidden, hidden)
        # Not by name: a question is a sentence, and those are no names of modules.
        self.heads = nn.ModuleList(nn.Linear(hidden, count) for count in n_classes.values())
        for name, parameter in self.named_parameters():
            if name.endswith("bias"):
                nn.init.zeros_(parameter)
            else:
                nn.init.normal_(parameter, std=hidden**-0.5, generator=generator)

    def forward(self, vectors: Tensor) -> list[Tensor]:
        """Scores ``[B, classes]`` of every question, of vectors ``[B, N, D]``."""
        batch, _, hidden = vectors.shape
        normed = F.rms_norm(vectors, (hidden,))
        asked = self.questions.weight.expand(batch, -1, -1)  # [B, questions, D]
        queries, keys, values = (
            part.unflatten(-1, (N_HEADS, -1)).transpose(1, 2)
            for part in (self.query(asked), self.key(normed), self.value(normed))
        )  # each [B, H, ..., D/H]
        attended = F.scaled_dot_product_attention(queries, keys, values)
        read = asked + self.output(attended.transpose(1, 2).flatten(2))
        read = read + self.narrow(F.gelu(self.widen(F.rms_norm(read, (hidden,)))))
        found = F.rms_norm(read, (hidden,))
        return [head(found[:, index]) for index, head in enumerate(self.heads)]
