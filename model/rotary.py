"""Rotary position embedding (RoPE), shared by the language model and the speech decoder."""

from __future__ import annotations

import torch
from torch import Tensor


class RotaryTable:
    """Cosines and sines for every position a network may reach.

    The halves convention of Llama and Qwen2: channel ``i`` rotates with channel ``i + D/2``.
    """

    def __init__(
        self,
        *,
        head_dim: int,
        theta: float,
        n_positions: int,
        device: torch.device | str = "cpu",
    ) -> None:
        """Fill the tables in float32; ``n_positions`` is the capacity of the cache they serve."""
        exponent = torch.arange(0, head_dim, 2, dtype=torch.float32) / head_dim
        self.inverse_frequency = 1.0 / (theta**exponent)  # [D/2], radians per position
        angle = torch.outer(torch.arange(n_positions, dtype=torch.float32), self.inverse_frequency)
        angle = torch.cat([angle, angle], dim=-1)  # [P, D]
        self.cos = angle.cos().to(device)
        self.sin = angle.sin().to(device)

    def rows(self, positions: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Cosines and sines ``[N, 1, D]`` for ``positions`` ``[N]``, ready for :func:`rotate`."""
        return (
            self.cos[positions].unsqueeze(1).to(dtype),
            self.sin[positions].unsqueeze(1).to(dtype),
        )

    def turn_back(self, start: int, stop: int, shift: int) -> tuple[Tensor, Tensor]:
        """Cosines and sines that move keys of positions ``start .. stop`` back by ``shift``.

        A turn by ``-shift`` would do if the angles were exact; in float32 the angle of position
        4000 is rounded by 1e-4 radians. This turn is the difference of the two angles as the table
        has them, so that a moved key is the key rotated where it now stands.

        Returns:
            ``[stop - start, D]`` each, float32, ready for :func:`rotate`.
        """
        old_cos, old_sin = self.cos[start:stop], self.sin[start:stop]
        new_cos = self.cos[start - shift : stop - shift]
        new_sin = self.sin[start - shift : stop - shift]
        return new_cos * old_cos + new_sin * old_sin, new_sin * old_cos - new_cos * old_sin


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate ``x`` ``[..., D]`` by the angles behind ``cos`` and ``sin``."""
    half = x.shape[-1] // 2
    turned = torch.cat([-x[..., half:], x[..., :half]], dim=-1)
    return x * cos + turned * sin
