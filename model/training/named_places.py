"""What is where in a picture, in the language model's own words: what ties its words to things."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.tokenizer import TextTokenizer
from model.training.place_losses import place_losses
from model.training.scenes.scene import COLOURS, PLACES, SHAPES

NOTHING = "nothing"
ROWS, COLUMNS = ("top", "middle", "bottom"), ("left", "middle", "right")
FIRST_SHARPNESS = 10.0
"""Of the scores of words: a cosine times this."""


class NamedPlaces(nn.Module):
    """Draws the first nine vectors of a picture, one for each of ``PLACES``, to the directions of
    the words for what is there: ``red`` and ``star`` and ``top`` and ``left``, or ``nothing``.

    What is told of one thing is then in one vector, and a word that is asked for is found in it as
    it is found in a text.
    """

    def __init__(self, tokenizer: TextTokenizer, embeddings: Tensor) -> None:
        """Prepare.

        Args:
            tokenizer: Of the language model.
            embeddings: Its ``[vocabulary, D]``; they stay as they are.

        Raises:
            ValueError: A word is not one token.
        """
        super().__init__()
        self._names = {
            "colour": directions_of((*COLOURS, NOTHING), tokenizer, embeddings),
            "shape": directions_of((*SHAPES, NOTHING), tokenizer, embeddings),
        }
        self._rows = directions_of(ROWS, tokenizer, embeddings)
        self._columns = directions_of(COLUMNS, tokenizer, embeddings)
        self.sharpness = nn.Parameter(torch.tensor(FIRST_SHARPNESS))

    def losses(self, vectors: Tensor, labels: Mapping[str, np.ndarray]) -> dict[str, Tensor]:
        """Mean cross-entropies, weighted, and the share of things whose names are right.

        Args:
            vectors: Of each picture, ``[B, Q, D]``, Q at least 9.
            labels: As :attr:`PictureBatch.labels`, of ``colour at PLACE`` and ``shape at PLACE``.
        """
        seen = F.normalize(vectors[:, : len(PLACES)].float(), dim=-1).flatten(0, 1)  # [B * 9, D]
        losses: list[Tensor] = []
        right = []
        occupied = seen.new_zeros(len(seen), dtype=torch.bool)
        for name, words in self._names.items():
            columns = [labels[f"{name} at {place}"] for place in PLACES]
            targets = torch.from_numpy(np.stack(columns, axis=1).flatten()).to(seen.device)
            scores = self._scores(seen, words)
            of_name, things = place_losses(scores, targets)
            losses += of_name
            occupied |= things
            right.append((scores.argmax(-1) == targets)[things])
        losses += self._position_losses(seen, occupied)
        if not losses:
            return {}
        return {
            "names": torch.stack(losses).sum(),
            "name_accuracy": torch.cat(right).float().mean().nan_to_num(),
        }

    def _position_losses(self, seen: Tensor, occupied: Tensor) -> list[Tensor]:
        if not bool(occupied.any()):
            return []
        place = torch.arange(len(seen), device=seen.device) % len(PLACES)
        return [
            F.cross_entropy(self._scores(seen, words)[occupied], targets[occupied])
            for words, targets in (
                (self._rows, place // len(COLUMNS)),
                (self._columns, place % len(COLUMNS)),
            )
        ]

    def _scores(self, seen: Tensor, words: Tensor) -> Tensor:
        return self.sharpness * (seen @ words.to(seen.device).T)


def directions_of(words: Sequence[str], tokenizer: TextTokenizer, embeddings: Tensor) -> Tensor:
    """The embeddings ``[W, D]`` of words, each of length 1.

    Args:
        words: As they are within a sentence.
        tokenizer: Of the language model.
        embeddings: Its ``[vocabulary, D]``.

    Raises:
        ValueError: A word is not one token.
    """
    tokens = [tokenizer.encode(f" {word}") for word in words]
    for word, pieces in zip(words, tokens, strict=True):
        if len(pieces) != 1:
            raise ValueError(
                f"{word!r} is {len(pieces)} tokens; train the tokenizer on a corpus that has it"
                " more often"
            )
    return F.normalize(embeddings.detach()[[pieces[0] for pieces in tokens]].float(), dim=-1)
