"""What is to be told of every place of a picture, of which most are empty."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from model.training.batches import IGNORED

NOTHING_WEIGHT = 0.3
"""Of the places without a thing, which are most places, against those with one."""


def place_losses(scores: Tensor, targets: Tensor) -> tuple[list[Tensor], Tensor]:
    """Mean cross-entropies of the places with a thing and of those without, the latter weighted.

    Args:
        scores: ``[P, classes]``; the last class is nothing.
        targets: Int64 ``[P]``, ``IGNORED`` where nobody knows.

    Returns:
        One loss for each of the two there is any place of, and which places have a thing,
        bool ``[P]``.
    """
    nothing = scores.shape[1] - 1
    things = (targets != IGNORED) & (targets != nothing)
    losses = [
        weight * F.cross_entropy(scores[chosen], targets[chosen])
        for chosen, weight in ((things, 1.0), (targets == nothing, NOTHING_WEIGHT))
        if bool(chosen.any())
    ]
    return losses, things
