"""How many things a picture shows, in the language model's own words: beside what is where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.tokenizer import TextTokenizer
from model.training.batches import IGNORED
from model.training.domain.numbers import word_of
from model.training.named_places import FIRST_SHARPNESS, NOTHING, directions_of
from model.training.scenes.picture_batches import number_question
from model.training.scenes.scene import COLOURS, MAX_OBJECTS, PLACES, SHAPES

ALL_THINGS = len(PLACES)
"""Number of the vector that names how many things there are; those before it name places."""
KINDS_NAMED = 2
"""Of the colours, and of the shapes: a picture that is asked how many has no more."""
FIRST_COLOUR = ALL_THINGS + 1
FIRST_SHAPE = FIRST_COLOUR + KINDS_NAMED
N_VECTORS = FIRST_SHAPE + KINDS_NAMED
"""Vectors a picture needs for all names."""


class NamedNumbers(nn.Module):
    """Draws the vectors after those of the places to the directions of the words for how many
    things there are: one to ``three``, of all; two to ``red`` and ``two``, ``blue`` and ``one``, of
    the colours that are there, in the order of ``COLOURS``; two of the shapes likewise.

    To count what is named at nine places, things on the border of two among them, is more than a
    small language model learns from calls; to look a number up is not.
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
        numbers = [word_of(number) for number in range(1, MAX_OBJECTS + 1)]
        self._numbers = directions_of((NOTHING, *numbers), tokenizer, embeddings)
        self._kinds = [
            (kinds, first, directions_of((*kinds, NOTHING), tokenizer, embeddings))
            for kinds, first in ((COLOURS, FIRST_COLOUR), (SHAPES, FIRST_SHAPE))
        ]
        self.sharpness = nn.Parameter(torch.tensor(FIRST_SHARPNESS))

    def losses(self, vectors: Tensor, labels: Mapping[str, np.ndarray]) -> dict[str, Tensor]:
        """Mean cross-entropies, and the share of numbers that are right; nothing where nobody knows
        how many things there are.

        Args:
            vectors: Of each picture, ``[B, Q, D]``, Q at least ``N_VECTORS``.
            labels: As :attr:`PictureBatch.labels`, of ``count`` and of the number of every kind.
        """
        seen = F.normalize(vectors.float(), dim=-1)
        numbers = [(seen[:, ALL_THINGS], self._numbers, labels["count"])]
        names = []
        for kinds, first, words in self._kinds:
            which, of_which = kinds_there(labels, kinds)
            for rank in range(KINDS_NAMED):
                vector = seen[:, first + rank]
                names.append((vector, words, which[:, rank]))
                numbers.append((vector, self._numbers, of_which[:, rank]))
        losses, right = self._told(numbers)
        losses += self._told(names)[0]
        if not losses:
            return {}
        return {
            "numbers": torch.stack(losses).mean(),
            "number_accuracy": torch.cat(right).float().mean(),
        }

    def _told(
        self, asked: Sequence[tuple[Tensor, Tensor, np.ndarray]]
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Of vectors ``[B, D]``, words ``[W, D]`` and which of them it is ``[B]``: the losses where
        that is known, and whether each vector is right."""
        losses, right = [], []
        for vectors, words, answers in asked:
            targets = torch.from_numpy(answers).to(vectors.device)
            known = targets != IGNORED
            if bool(known.any()):
                scores = self._scores(vectors[known], words)
                losses.append(F.cross_entropy(scores, targets[known]))
                right.append(scores.argmax(-1) == targets[known])
        return losses, right

    def _scores(self, seen: Tensor, words: Tensor) -> Tensor:
        return self.sharpness * (seen @ words.to(seen.device).T)


def kinds_there(
    labels: Mapping[str, np.ndarray], kinds: Sequence[str]
) -> tuple[np.ndarray, np.ndarray]:
    """The first kinds that are there, and how many things are of each.

    Args:
        labels: As :attr:`PictureBatch.labels`.
        kinds: Colours or shapes; the first are first.

    Returns:
        Both int64 ``[B, KINDS_NAMED]``: numbers of kinds, ``len(kinds)`` where there are no more,
        and of things; ``IGNORED`` where nobody knows, and of no kind.
    """
    numbers = np.stack([labels[number_question(kind)] for kind in kinds], axis=1)  # [B, K]
    unknown = (numbers == IGNORED).all(axis=1)
    which = np.full((len(numbers), KINDS_NAMED), len(kinds))
    of_which = np.full((len(numbers), KINDS_NAMED), IGNORED)
    for index, row in enumerate(numbers):
        there = np.flatnonzero(row > 0)[:KINDS_NAMED]
        which[index, : len(there)] = there
        of_which[index, : len(there)] = row[there]
    which[unknown] = IGNORED
    return which, of_which
