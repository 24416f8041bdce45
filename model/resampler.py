"""The resampler: learned queries read a slice's patches into a fixed number of vectors."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.image_slicing import Size

HEAD_DIM = 128
"""Channels per head, in every checkpoint of this model."""
LAYER_NORM_EPS = 1e-6
FIRST_TABLE_SIDE = 70
"""Rows and columns the position table starts with; it grows where a slice has more."""
POSITION_BASE = 10_000.0
CACHED_SIZES = 16
"""Slice sizes whose positions are kept. A camera makes one to three; a full set of the largest
checkpoint takes about 120 MB in bfloat16."""


class Resampler(nn.Module):
    """One cross-attention from learned queries to the patches of each slice.

    Attribute names are checkpoint keys (``resampler.``).

    Source: openbmb/MiniCPM-o-2_6, its resampler.
    Differs: queries are projected once, not per call; no mask where the slices of a batch have
    equally many patches; the position table holds one axis, since rows and columns share it.
    """

    def __init__(self, *, n_queries: int, vision_size: int, size: int) -> None:
        """Build without weights.

        Args:
            n_queries: Vectors per slice.
            vision_size: Channels of the vision tower.
            size: Channels of the language model, a multiple of 128.
        """
        super().__init__()
        self.query = nn.Parameter(torch.zeros(n_queries, size))
        self.kv_proj = nn.Linear(vision_size, size, bias=False)
        self.attn = CrossAttention(size)
        self.ln_q = nn.LayerNorm(size, eps=LAYER_NORM_EPS)
        self.ln_kv = nn.LayerNorm(size, eps=LAYER_NORM_EPS)
        self.ln_post = nn.LayerNorm(size, eps=LAYER_NORM_EPS)
        self.proj = nn.Parameter(torch.zeros(size, size))
        self._axis = position_axis(FIRST_TABLE_SIDE, size // 2)
        self._positions: dict[tuple[Size, torch.device, torch.dtype], Tensor] = {}
        self._queries: Tensor | None = None

    def fuse(self) -> None:
        """Project the queries, which read no input; call once, after loading weights."""
        with torch.no_grad():
            self._queries = self.attn.project_queries(self.ln_q(self.query))

    def forward(self, features: Tensor, sizes: Sequence[Size]) -> Tensor:
        """Resample slices.

        Args:
            features: Of the vision tower, ``[B, N, D]``; rows past a slice's patches are ignored.
            sizes: (rows, columns) in patches of each slice.

        Returns:
            ``[B, n_queries, size]``.
        """
        lengths = [rows * columns for rows, columns in sizes]
        values = self.ln_kv(self.kv_proj(features))
        keys = self._add_positions(values, sizes)
        queries = self._queries
        if queries is None:
            queries = self.attn.project_queries(self.ln_q(self.query))
        attended = self.attn(queries, keys, values, _padding_mask(lengths, features))
        return self.ln_post(attended) @ self.proj

    def _add_positions(self, x: Tensor, sizes: Sequence[Size]) -> Tensor:
        """``x`` ``[B, N, size]`` plus the positions of each slice's patches."""
        positions = [self.positions(size, x.device, x.dtype) for size in sizes]
        if len(set(sizes)) == 1:
            return x + positions[0]
        return x + nn.utils.rnn.pad_sequence(positions, batch_first=True)

    def positions(self, size: Size, device: torch.device, dtype: torch.dtype) -> Tensor:
        """The 2-D sin/cos table of a slice of ``size`` = (rows, columns), ``[rows*columns, D]``.

        The first half of the channels encodes the column, the second half the row.
        """
        key = (size, device, dtype)
        if key not in self._positions:
            rows, columns = size
            if max(size) > len(self._axis):
                self._axis = position_axis(max(size), self._axis.shape[1])
            by_column = self._axis[:columns].expand(rows, -1, -1)
            by_row = self._axis[:rows, None].expand(-1, columns, -1)
            table = torch.cat([by_column, by_row], dim=-1).flatten(0, 1)
            if len(self._positions) >= CACHED_SIZES:
                self._positions.pop(next(iter(self._positions)))
            self._positions[key] = table.to(device, dtype)
        return self._positions[key]


class CrossAttention(nn.Module):
    """Multi-head attention whose three input projections are stored as one matrix."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.n_heads = size // HEAD_DIM
        self.in_proj_weight = nn.Parameter(torch.zeros(3 * size, size))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * size))
        self.out_proj = nn.Linear(size, size)

    def project_queries(self, x: Tensor) -> Tensor:
        """Queries ``[H, Q, D/H]`` of ``x`` ``[Q, D]``."""
        weight, bias = self.in_proj_weight.chunk(3)[0], self.in_proj_bias.chunk(3)[0]
        return self._by_head(F.linear(x, weight, bias))

    def forward(self, queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None) -> Tensor:
        """Attend.

        Args:
            queries: Projected, the same for every slice, ``[H, Q, D/H]``.
            keys: Not yet projected, ``[B, N, D]``.
            values: Not yet projected, ``[B, N, D]``.
            mask: Bool ``[B, 1, 1, N]``, True = visible; None where all are.

        Returns:
            ``[B, Q, D]``.
        """
        _, key_weight, value_weight = self.in_proj_weight.chunk(3)
        _, key_bias, value_bias = self.in_proj_bias.chunk(3)
        attended = F.scaled_dot_product_attention(
            queries.expand(len(keys), -1, -1, -1),
            self._by_head(F.linear(keys, key_weight, key_bias)),
            self._by_head(F.linear(values, value_weight, value_bias)),
            attn_mask=mask,
        )  # [B, H, Q, D/H]
        return self.out_proj(attended.transpose(1, 2).flatten(2))

    def _by_head(self, x: Tensor) -> Tensor:
        """``[..., N, D]`` to ``[..., H, N, D/H]``."""
        return x.unflatten(-1, (self.n_heads, -1)).transpose(-3, -2)


def position_axis(n_positions: int, n_channels: int) -> Tensor:
    """Sines, then cosines of positions along one axis, ``[n_positions, n_channels]``.

    Always float32 on the CPU, whatever the network's dtype and device are.
    """
    n_frequencies = n_channels // 2
    exponent = torch.arange(n_frequencies, dtype=torch.float32, device="cpu") / n_frequencies
    frequency = 1.0 / POSITION_BASE**exponent  # radians per patch
    index = torch.arange(n_positions, dtype=torch.float32, device="cpu")
    angle = torch.outer(index, frequency)
    return torch.cat([angle.sin(), angle.cos()], dim=-1)


def _padding_mask(lengths: Sequence[int], features: Tensor) -> Tensor | None:
    """Bool ``[B, 1, 1, N]``, True within each length; None where nothing is padded."""
    longest = features.shape[1]
    if min(lengths) == longest:
        return None
    stops = torch.tensor(lengths, device=features.device)
    visible = torch.arange(longest, device=features.device) < stops[:, None]
    return visible[:, None, None, :]
