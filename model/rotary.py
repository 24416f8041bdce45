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
        """Fill the float32 tables; ``n_positions`` is the capacity of the cache they serve."""
        exponent = torch.arange(0, head_dim, 2, dtype=torch.float32) / head_dim
        self.inverse_frequency = 1.0 / (theta**exponent)  # [D/2], radians per position
        # In float32 an angle at position 4000 is rounded by 1e-4 radians, and a key moved by
        # shift_back() would not be the key rotated where it now stands.
        positions = torch.arange(n_positions, dtype=torch.float64)
        angle = torch.outer(positions, self.inverse_frequency.double())
        angle = torch.cat([angle, angle], dim=-1)  # [P, D]
        self.cos = angle.cos().to(device, torch.float32)
        self.sin = angle.sin().to(device, torch.float32)

    def rows(self, positions: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Cosines and sines ``[N, 1, D]`` for ``positions`` ``[N]``, ready for :func:`rotate`."""
        return (
            self.cos[positions].unsqueeze(1).to(dtype),
            self.sin[positions].unsqueeze(1).to(dtype),
        )

    def shift_back(self, keys: Tensor, shift: int) -> Tensor:
        """Rotate keys ``[..., D]`` by ``-shift`` positions, in float32, returned in their dtype."""
        cos, sin = self.cos[shift], self.sin[shift]
        return rotate(keys.float(), cos, -sin).to(keys.dtype)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate ``x`` ``[..., D]`` by the angles behind ``cos`` and ``sin``."""
    half = x.shape[-1] // 2
    turned = torch.cat([-x[..., half:], x[..., :half]], dim=-1)
    return x * cos + turned * sin
