"""Attention over whole sequences, with gradients: for training.

On a processor that multiplies bfloat16 itself, products of matrices are so fast that the fused
kernel, which makes many small ones, is the slower: with AMX, forward and backward together take it
four times as long on 16 sequences of 160 positions, and 1.7 times on 20 of 500.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

BLOCK = 32
"""Products are filled up to a multiple of so many rows and columns: those of bfloat16 are compiled
for every new size."""
HIDDEN = -30_000.0
"""Added to the score of what is not visible. Finite, so that rows that fill up are numbers, too."""


class DenseMask:
    """What every position sees; the same for all layers."""

    def __init__(self, visible: Tensor) -> None:
        """Keep it.

        Args:
            visible: Bool ``[B or 1, T, S]``, at least one True per row.
        """
        self.visible = visible.unsqueeze(1)
        """Bool ``[B or 1, 1, T, S]``."""

    @cached_property
    def bias(self) -> Tensor:
        """As what is added to scores, filled up: bfloat16 ``[B or 1, 1, T', S']``."""
        length, seen = self.visible.shape[-2:]
        bias = torch.zeros(self.visible.shape, dtype=torch.bfloat16)
        bias.masked_fill_(~self.visible, HIDDEN)
        return F.pad(bias, (0, -seen % BLOCK, 0, -length % BLOCK), value=HIDDEN)


def attend_dense(queries: Tensor, keys: Tensor, values: Tensor, mask: DenseMask) -> Tensor:
    """What every position makes of those it sees.

    Args:
        queries: ``[B, H, T, D]``.
        keys: ``[B, H, S, D]``.
        values: ``[B, H, S, D]``.
        mask: Of B or one.

    Returns:
        ``[B, H, T, D]``.
    """
    if queries.device.type == "cpu" and queries.dtype == torch.bfloat16:
        with torch.autocast("cpu", enabled=False):
            attended: Tensor = _ByProducts.apply(
                _filled_up(queries), _filled_up(keys), _filled_up(values), mask.bias
            )
        return attended[:, :, : queries.shape[2]]
    return F.scaled_dot_product_attention(queries, keys, values, attn_mask=mask.visible)


def _filled_up(rows: Tensor) -> Tensor:
    return F.pad(rows, (0, 0, 0, -rows.shape[2] % BLOCK))


class _ByProducts(torch.autograd.Function):
    """Scores, their softmax and its mean of values, each for all positions at once.

    As one function it keeps one tensor of the size of the scores for the backward pass.
    """

    @staticmethod
    def forward(ctx: Any, queries: Tensor, keys: Tensor, values: Tensor, bias: Tensor) -> Tensor:
        scaled = queries * queries.shape[-1] ** -0.5
        weights = (scaled @ keys.transpose(-1, -2)).add_(bias).softmax(-1)
        ctx.save_for_backward(scaled, keys, values, weights)
        return weights @ values

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        (gradient,) = gradients
        scaled, keys, values, weights = ctx.saved_tensors
        of_weights = gradient @ values.transpose(-1, -2)
        of_scores = torch._softmax_backward_data(of_weights, weights, -1, weights.dtype)
        of_queries = (of_scores @ keys).mul_(scaled.shape[-1] ** -0.5)
        of_keys = of_scores.transpose(-1, -2) @ scaled
        return of_queries, of_keys, weights.transpose(-1, -2) @ gradient, None
