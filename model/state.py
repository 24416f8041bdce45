"""Preallocated per-session state: every cache is a pool, a session is a row in each.

Nothing per-session hangs on a module. A pool owns its tensors and the number of valid positions of
each row; networks receive the pool and the rows to work on as arguments.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from model.rotary import RotaryTable, rotate


class RowFullError(RuntimeError):
    """New positions do not fit the row; the caller must evict or refuse first."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A run of new positions of one row, in a packed batch.

    A packed batch concatenates the new positions of several rows along one axis; linear layers see
    all of them at once and attention works segment by segment. Text decoding is the case
    ``count == 1``.
    """

    row: int
    start: int
    """Index of the first new position: what the row holds below it is visible, nothing above,
    unless ``window`` says otherwise."""
    count: int
    """Number of new positions."""
    window: tuple[int, int] | None = None
    """Stored range it sees, where a row is not kept in order of time; None = ``0 .. stop``."""

    @property
    def stop(self) -> int:
        """Index one past the last new position."""
        return self.start + self.count

    @property
    def seen(self) -> tuple[int, int]:
        """First stored index it sees and one past the last."""
        return (0, self.stop) if self.window is None else self.window


class KVCachePool:
    """Keys and values of ``n_rows`` sessions for every layer of one network.

    Keys are stored after rotation (where the network rotates). Rows never move; a row's valid
    positions are ``0 .. lengths[row]``. Memory of untouched positions is not resident on CPU.
    """

    def __init__(
        self,
        *,
        n_layers: int,
        n_rows: int,
        capacity: int,
        n_kv_heads: int,
        head_dim: int,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        """Allocate zeroed ``[n_layers, n_rows, n_kv_heads, capacity, head_dim]`` twice."""
        shape = (n_layers, n_rows, n_kv_heads, capacity, head_dim)
        # zeros, not empty: masked positions are still multiplied, and 0 * NaN would be NaN. On CPU
        # the pages stay untouched (calloc) until a session writes to them.
        self.keys = torch.zeros(shape, device=device, dtype=dtype)
        self.values = torch.zeros(shape, device=device, dtype=dtype)
        self.lengths = [0] * n_rows
        self.capacity = capacity

    @property
    def n_rows(self) -> int:
        """Rows in the pool."""
        return len(self.lengths)

    @property
    def n_layers(self) -> int:
        """Layers in the pool."""
        return self.keys.shape[0]

    def segments(self, rows: Sequence[int], counts: Sequence[int]) -> list[Segment]:
        """Segments that append ``counts[i]`` positions to ``rows[i]``.

        Raises:
            RowFullError: A row would exceed the capacity. Nothing was changed.
        """
        planned = []
        for row, count in zip(rows, counts, strict=True):
            start = self.lengths[row]
            if start + count > self.capacity:
                raise RowFullError(
                    f"row {row} holds {start} of {self.capacity} positions; {count} more do not fit"
                )
            planned.append(Segment(row, start, count))
        return planned

    def write(self, layer: int, segment: Segment, keys: Tensor, values: Tensor) -> None:
        """Store ``keys`` and ``values`` ``[count, H, D]`` of a segment. Lengths do not change."""
        place = (layer, segment.row, slice(None), slice(segment.start, segment.stop))
        self.keys[place] = keys.transpose(0, 1)
        self.values[place] = values.transpose(0, 1)

    def read(self, layer: int, row: int, stop: int, start: int = 0) -> tuple[Tensor, Tensor]:
        """Views ``[H, stop - start, D]`` of a row's positions; no copy."""
        return self.keys[layer, row, :, start:stop], self.values[layer, row, :, start:stop]

    def advance(self, segments: Sequence[Segment]) -> None:
        """Declare written segments valid: each row's length becomes the segment's stop."""
        for segment in segments:
            self.lengths[segment.row] = segment.stop

    def truncate(self, row: int, length: int) -> None:
        """Forget positions from ``length`` on."""
        if not 0 <= length <= self.lengths[row]:
            raise ValueError(f"row {row} holds {self.lengths[row]} positions, cannot keep {length}")
        self.lengths[row] = length

    def clear(self, row: int) -> None:
        """Forget the whole row."""
        self.lengths[row] = 0

    def copy_row(self, source: int, target: int) -> None:
        """Make ``target`` hold what ``source`` holds (beam search)."""
        length = self.lengths[source]
        self.keys[:, target, :, :length] = self.keys[:, source, :, :length]
        self.values[:, target, :, :length] = self.values[:, source, :, :length]
        self.lengths[target] = length

    def evict(self, row: int, start: int, stop: int, rotary: RotaryTable | None) -> None:
        """Remove positions ``start .. stop`` and close the gap.

        Positions below ``start`` are untouched to the bit. Later keys are rotated to where they now
        stand: RoPE is relative, so moving them is exact up to rounding. Values and order do not
        change.

        Args:
            row: The row to shorten.
            start: First position removed.
            stop: One past the last position removed.
            rotary: The network's rotation, or None where keys carry no position.
        """
        length = self.lengths[row]
        if not 0 <= start <= stop <= length:
            raise ValueError(f"cannot evict {start}..{stop} of a row that holds {length} positions")
        shift = stop - start
        if shift == 0:
            return
        turn = None if rotary is None else rotary.turn_back(stop, length, shift)
        for layer in range(self.n_layers):
            keys = self.keys[layer, row, :, stop:length].clone()  # [H, kept, D]
            if turn is not None:
                keys = rotate(keys.float(), *turn).to(keys.dtype)
            self.keys[layer, row, :, start : length - shift] = keys
            kept_values = self.values[layer, row, :, stop:length].clone()
            self.values[layer, row, :, start : length - shift] = kept_values
        self.lengths[row] = length - shift

    def bytes_per_row(self) -> int:
        """Memory one full row takes, in bytes."""
        return 2 * self.keys[:, 0].numel() * self.keys.element_size()
