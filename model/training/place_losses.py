"""What is to be told of every place of a picture, and of every kind of thing: most places are
empty, and of most kinds there is none."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from model.training.batches import IGNORED

NOTHING_WEIGHT = 0.3
"""Of the places without a thing, which are most places, against those with one; so of kinds."""


def place_losses(
    scores: Tensor, targets: Tensor, nothing: int | None = None
) -> tuple[list[Tensor], Tensor]:
    """Mean cross-entropies of the places with a thing and of those without, the latter weighted.

    Args:
        scores: ``[P, classes]``.
        targets: Int64 ``[P]``, ``IGNORED`` where nobody knows.
        nothing: The class of a place without a thing; the last one where none is given.

    Returns:
        One loss for each of the two there is any place of, and which places have a thing,
        bool ``[P]``.
    """
    nothing = scores.shape[1] - 1 if nothing is None else nothing
    things = (targets != IGNORED) & (targets != nothing)
    losses = [
        weight * F.cross_entropy(scores[chosen], targets[chosen])
        for chosen, weight in ((things, 1.0), (targets == nothing, NOTHING_WEIGHT))
        if bool(chosen.any())
    ]
    return losses, things
