"""Attention of packed batches over cache rows."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from model.attention import (
    Masks,
    Visibility,
    attend,
    attend_by_segment,
    attend_padded,
    causal_mask,
)
from model.state import KVCachePool, Segment

pytestmark = pytest.mark.unit

N_ROWS, N_KV_HEADS, HEAD_DIM, CAPACITY = 4, 2, 8, 40
LAYER = 1
CPU = torch.device("cpu")


def stale_pool(seed: int = 0) -> KVCachePool:
    """A pool full of numbers everywhere: what a longer call left behind must not be seen."""
    pool = KVCachePool(
        n_layers=2, n_rows=N_ROWS, capacity=CAPACITY, n_kv_heads=N_KV_HEADS, head_dim=HEAD_DIM
    )
    generator = torch.Generator().manual_seed(seed)
    pool.keys.normal_(generator=generator)
    pool.values.normal_(generator=generator)
    return pool


def random_queries(count: int, group: int) -> Tensor:
    generator = torch.Generator().manual_seed(count)
    return torch.randn(count, N_KV_HEADS * group, HEAD_DIM, generator=generator)


def written_out(queries: Tensor, pool: KVCachePool, segment: Segment, visible: Tensor) -> Tensor:
    """Attention of one segment, head by head and position by position."""
    start, stop = segment.seen
    keys, values = pool.read(LAYER, segment.row, stop, start)
    group = queries.shape[1] // N_KV_HEADS
    output = torch.empty_like(queries)
    for head in range(queries.shape[1]):
        for position in range(queries.shape[0]):
            seen = visible[position]
            scores = keys[head // group][seen] @ queries[position, head] / HEAD_DIM**0.5
            output[position, head] = scores.softmax(0) @ values[head // group][seen]
    return output


@st.composite
def packed_segments(draw: st.DrawFn, max_count: int = 6) -> list[Segment]:
    rows = draw(st.permutations(range(N_ROWS)))[: draw(st.integers(1, N_ROWS))]
    segments = []
    for row in rows:
        start = draw(st.integers(0, CAPACITY - max_count))
        count = draw(st.integers(1, max_count))
        window = None
        if draw(st.booleans()):
            last = draw(st.integers(start + 1, CAPACITY)) if count == 1 else start + count
            window = (draw(st.integers(0, start)), last)
        segments.append(Segment(row, start, count, window))
    return segments


def assert_close(ours: Tensor, theirs: Tensor) -> None:
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)


@settings(deadline=None, max_examples=25)
@given(segments=packed_segments(), group=st.integers(1, 3), seed=st.integers(0, 9))
def test_each_segment_sees_its_own_row_as_its_mask_says(
    segments: list[Segment], group: int, seed: int
) -> None:
    pool = stale_pool(seed)
    counts = [segment.count for segment in segments]
    queries = random_queries(sum(counts), group)
    generator = torch.Generator().manual_seed(seed)
    masks: list[Tensor | Visibility | None] = []
    visible = []
    for index, segment in enumerate(segments):
        shape = (segment.count, segment.seen[1] - segment.seen[0])
        random_mask = torch.rand(shape, generator=generator) < 0.5
        random_mask[:, 0] = True
        mask, seen = (
            (None, causal_mask(*shape, CPU)),
            (Visibility.ALL, torch.ones(shape, dtype=torch.bool)),
            (random_mask, random_mask),
        )[index % 3]
        masks.append(mask)
        visible.append(seen)
    parts = zip(queries.split(counts), segments, visible, strict=True)
    expected = torch.cat([written_out(part, pool, segment, seen) for part, segment, seen in parts])
    assert_close(attend(queries, pool, LAYER, segments, masks), expected)


@settings(deadline=None, max_examples=25)
@given(segments=packed_segments(max_count=1), group=st.integers(1, 3))
def test_the_padded_call_equals_segment_by_segment(segments: list[Segment], group: int) -> None:
    pool = stale_pool()
    queries = random_queries(len(segments), group)
    padded = attend_padded(queries, pool, LAYER, segments)
    assert padded.shape == queries.shape
    assert_close(padded, attend_by_segment(queries, pool, LAYER, segments))


@pytest.mark.parametrize("masks", [None, [Visibility.ALL]])
def test_positions_past_the_segment_are_never_seen(masks: Masks | None) -> None:
    pool = stale_pool()
    segments = [Segment(2, start=7, count=3)]
    queries = random_queries(3, 2)
    before = attend(queries, pool, LAYER, segments, masks)
    pool.keys[:, :, :, 10:] = 1e4
    pool.values[:, :, :, 10:] = 1e4
    assert torch.equal(attend(queries, pool, LAYER, segments, masks), before)


def test_the_causal_mask_ends_at_the_diagonal_of_the_last_positions() -> None:
    assert causal_mask(3, 5, CPU).int().tolist() == [
        [1, 1, 1, 0, 0],
        [1, 1, 1, 1, 0],
        [1, 1, 1, 1, 1],
    ]
