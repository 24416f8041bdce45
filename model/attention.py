"""Attention of a packed batch over cache rows.

The one place where the layout of the pools meets the arithmetic. On CPU every segment attends to a
view of its own row: nothing is copied and nothing padded, so a step costs what its row holds. On an
accelerator, where launches cost more than padding, a batch of single positions is one padded call.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

import torch
import torch.nn.functional as F
from torch import Tensor

from model.state import KVCachePool, Segment


class Visibility(Enum):
    """What a segment sees, where that needs no mask to say."""

    ALL = "all"
    """The whole row, the segment's own later positions included."""


Masks = Sequence[Tensor | Visibility | None]
"""Per segment: bool ``[count, stop]`` (True = visible), ``Visibility.ALL``, or None for causal."""


def attend(
    queries: Tensor,
    pool: KVCachePool,
    layer: int,
    segments: Sequence[Segment],
    masks: Masks | None = None,
) -> Tensor:
    """Attention of new positions over their own rows.

    Args:
        queries: ``[N, Hq, D]``, the segments' new positions one after another.
        pool: Keys and values, the new positions' included.
        layer: Which layer of the pool.
        segments: Rows and positions, in the order of ``queries``.
        masks: What each segment sees; causal where None.

    Returns:
        ``[N, Hq, D]``.
    """
    single = masks is None and all(segment.count == 1 for segment in segments)
    if single and len(segments) > 1 and queries.device.type != "cpu":
        return attend_padded(queries, pool, layer, segments)
    return attend_by_segment(queries, pool, layer, segments, masks)


def attend_by_segment(
    queries: Tensor,
    pool: KVCachePool,
    layer: int,
    segments: Sequence[Segment],
    masks: Masks | None = None,
) -> Tensor:
    """One call per segment over a view of its row. Arguments as :func:`attend`."""
    if len(segments) == 1:
        mask = masks[0] if masks is not None else None
        return _attend_segment(queries, pool, layer, segments[0], mask)
    outputs = []
    offset = 0
    for index, segment in enumerate(segments):
        mask = masks[index] if masks is not None else None
        chunk = queries[offset : offset + segment.count]
        outputs.append(_attend_segment(chunk, pool, layer, segment, mask))
        offset += segment.count
    return torch.cat(outputs)


def _attend_segment(
    queries: Tensor,
    pool: KVCachePool,
    layer: int,
    segment: Segment,
    mask: Tensor | Visibility | None,
) -> Tensor:
    start, stop = segment.seen
    keys, values = pool.read(layer, segment.row, stop, start)  # [Hkv, T, D]
    n_kv_heads, length, head_dim = keys.shape
    count = queries.shape[0]
    group = queries.shape[1] // n_kv_heads
    # Query heads that share a key head become extra query positions: no key is repeated in memory.
    grouped = queries.view(count, n_kv_heads, group, head_dim).permute(1, 2, 0, 3)
    grouped = grouped.reshape(1, n_kv_heads, group * count, head_dim)
    if mask is Visibility.ALL:
        mask = None
    elif mask is None and count > 1:
        mask = causal_mask(count, length, queries.device)
    if mask is not None:
        mask = mask.repeat(group, 1) if group > 1 else mask
    attended = F.scaled_dot_product_attention(
        grouped, keys.unsqueeze(0), values.unsqueeze(0), attn_mask=mask
    )
    return (
        attended.view(n_kv_heads, group, count, head_dim)
        .permute(2, 0, 1, 3)
        .reshape(count, n_kv_heads * group, head_dim)
    )


def attend_padded(
    queries: Tensor, pool: KVCachePool, layer: int, segments: Sequence[Segment]
) -> Tensor:
    """One padded call for single positions of several rows. Arguments as :func:`attend`."""
    first = min(segment.seen[0] for segment in segments)
    last = max(segment.seen[1] for segment in segments)
    rows = torch.tensor([segment.row for segment in segments], device=queries.device)
    seen = torch.tensor([segment.seen for segment in segments], device=queries.device)  # [B, 2]
    keys = pool.keys[layer, :, :, first:last].index_select(0, rows)  # [B, Hkv, T, D]
    values = pool.values[layer, :, :, first:last].index_select(0, rows)
    batch, n_kv_heads, _, head_dim = keys.shape
    grouped = queries.view(batch, n_kv_heads, -1, head_dim)
    index = torch.arange(first, last, device=queries.device)
    visible = (index >= seen[:, :1]) & (index < seen[:, 1:])  # [B, T]
    attended = F.scaled_dot_product_attention(
        grouped, keys, values, attn_mask=visible[:, None, None, :]
    )
    return attended.reshape(batch, -1, head_dim)


def causal_mask(count: int, length: int, device: torch.device) -> Tensor:
    """Bool ``[count, length]``: the last ``count`` of ``length`` positions see up to themselves."""
    ones = torch.ones(count, length, dtype=torch.bool, device=device)
    return ones.tril(diagonal=length - count)
