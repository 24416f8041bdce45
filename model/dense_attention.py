"""Attention over whole sequences, with gradients: for training.

On a processor that multiplies bfloat16 itself, products of matrices are so fast that the fused
kernel, which makes many small ones, is the slower: forward and backward together take it two to
four times as long on sequences of 130 to 500 positions.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


def attend_dense(queries: Tensor, keys: Tensor, values: Tensor, visible: Tensor) -> Tensor:
    """What every position makes of those it sees.

    Args:
        queries: ``[B, H, T, D]``.
        keys: ``[B, H, S, D]``.
        values: ``[B, H, S, D]``.
        visible: Bool ``[B or 1, T, S]``, at least one True per row.

    Returns:
        ``[B, H, T, D]``.
    """
    visible = visible.unsqueeze(1)
    if queries.device.type == "cpu" and queries.dtype == torch.bfloat16:
        bias = torch.zeros(visible.shape, dtype=queries.dtype)
        bias.masked_fill_(~visible, -torch.inf)
        with torch.autocast("cpu", enabled=False):
            attended: Tensor = _ByProducts.apply(queries, keys, values, bias)
        return attended
    return F.scaled_dot_product_attention(queries, keys, values, attn_mask=visible)


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
