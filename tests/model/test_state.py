"""Cache pools: rows, limits and eviction."""

from __future__ import annotations

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import Tensor

from model.rotary import RotaryTable, rotate
from model.state import KVCachePool, RowFullError, Segment

pytestmark = pytest.mark.unit

N_LAYERS, N_HEADS, HEAD_DIM = 2, 3, 16
CAPACITY = 4000
ROTARY = RotaryTable(head_dim=HEAD_DIM, theta=1_000_000.0, n_positions=CAPACITY)
ROW, OTHER_ROW = 1, 0


def new_pool(capacity: int = CAPACITY, dtype: torch.dtype = torch.float32) -> KVCachePool:
    return KVCachePool(
        n_layers=N_LAYERS,
        n_rows=2,
        capacity=capacity,
        n_kv_heads=N_HEADS,
        head_dim=HEAD_DIM,
        dtype=dtype,
    )


def random(count: int, seed: int) -> Tensor:
    """``[layers, count, heads, head dim]``."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(N_LAYERS, count, N_HEADS, HEAD_DIM, generator=generator)


def turned(keys: Tensor) -> Tensor:
    """Un-rotated keys ``[layers, T, heads, head dim]`` rotated at 0 .. T."""
    return rotate(keys, *ROTARY.rows(torch.arange(keys.shape[1]), keys.dtype))


def append(pool: KVCachePool, row: int, keys: Tensor, values: Tensor) -> None:
    segments = pool.segments([row], [keys.shape[1]])
    for layer in range(N_LAYERS):
        pool.write(layer, segments[0], keys[layer], values[layer])
    pool.advance(segments)


def held(pool: KVCachePool, row: int) -> tuple[Tensor, Tensor]:
    """Keys and values ``[layers, T, heads, head dim]`` of a row."""
    layers = [pool.read(layer, row, pool.lengths[row]) for layer in range(N_LAYERS)]
    keys, values = zip(*layers, strict=True)
    return torch.stack(keys).transpose(1, 2), torch.stack(values).transpose(1, 2)


def filled(length: int, dtype: torch.dtype = torch.float32) -> tuple[KVCachePool, Tensor, Tensor]:
    """A pool whose row holds ``length`` positions, and its un-rotated keys and its values."""
    pool = new_pool(dtype=dtype)
    keys, values = random(length, 1), random(length, 2)
    append(pool, ROW, turned(keys).to(dtype), values.to(dtype))
    append(pool, OTHER_ROW, random(length, 3).to(dtype), random(length, 4).to(dtype))
    return pool, keys, values


@settings(deadline=None, max_examples=20)
@given(counts=st.lists(st.integers(1, 20), min_size=1, max_size=8))
def test_a_row_reads_back_what_was_appended_in_order(counts: list[int]) -> None:
    pool = new_pool()
    keys, values = random(sum(counts), 1), random(sum(counts), 2)
    for new_keys, new_values in zip(keys.split(counts, 1), values.split(counts, 1), strict=True):
        append(pool, ROW, new_keys, new_values)
    assert pool.lengths == [0, sum(counts)]
    assert torch.equal(held(pool, ROW)[0], keys)
    assert torch.equal(held(pool, ROW)[1], values)
    assert not pool.keys[:, OTHER_ROW].any()


def test_reading_copies_nothing() -> None:
    pool, _, _ = filled(10)
    keys, values = pool.read(1, ROW, 7)
    assert keys.shape == values.shape == (N_HEADS, 7, HEAD_DIM)
    assert keys.data_ptr() == pool.keys[1, ROW].data_ptr()
    assert values.data_ptr() == pool.values[1, ROW].data_ptr()
    later = pool.read(1, ROW, 7, start=3)
    assert torch.equal(later[0], keys[:, 3:])
    assert torch.equal(later[1], values[:, 3:])


def test_segments_append_after_what_each_row_holds() -> None:
    pool, _, _ = filled(10)
    pool.truncate(OTHER_ROW, 4)
    assert pool.segments([ROW, OTHER_ROW], [2, 3]) == [
        Segment(ROW, start=10, count=2),
        Segment(OTHER_ROW, start=4, count=3),
    ]
    segment = Segment(ROW, start=10, count=2)
    assert segment.stop == 12
    assert segment.seen == (0, 12)
    assert Segment(ROW, start=10, count=1, window=(4, 20)).seen == (4, 20)


def test_a_full_row_refuses_and_nothing_changes() -> None:
    pool = new_pool(capacity=10)
    append(pool, ROW, random(8, 1), random(8, 2))
    keys, lengths = pool.keys.clone(), list(pool.lengths)
    with pytest.raises(RowFullError, match="row 1 holds 8 of 10 positions; 3 more do not fit"):
        pool.segments([OTHER_ROW, ROW], [1, 3])
    assert pool.lengths == lengths
    assert torch.equal(pool.keys, keys)
    assert pool.segments([ROW], [2])[0].stop == pool.capacity


def test_truncating_forgets_the_end_only() -> None:
    pool, _, _ = filled(10)
    keys, values = held(pool, ROW)
    pool.truncate(ROW, 6)
    assert pool.lengths == [10, 6]
    assert torch.equal(held(pool, ROW)[0], keys[:, :6])
    assert torch.equal(held(pool, ROW)[1], values[:, :6])
    pool.clear(ROW)
    assert pool.lengths == [10, 0]


@pytest.mark.parametrize("length", [-1, 11])
def test_truncating_to_what_a_row_does_not_hold_is_an_error(length: int) -> None:
    pool, _, _ = filled(10)
    with pytest.raises(ValueError, match="holds 10 positions"):
        pool.truncate(ROW, length)
    assert pool.lengths == [10, 10]


def test_a_copied_row_is_independent_of_its_source() -> None:
    pool, _, _ = filled(10)
    pool.truncate(ROW, 7)
    source = held(pool, ROW)
    pool.copy_row(ROW, OTHER_ROW)
    append(pool, ROW, random(1, 8), random(1, 9))
    copied = held(pool, OTHER_ROW)
    assert pool.lengths == [7, 8]
    assert torch.equal(copied[0], source[0])
    assert torch.equal(copied[1], source[1])


def test_bytes_per_row_counts_keys_and_values() -> None:
    pool = new_pool(dtype=torch.bfloat16)
    assert pool.bytes_per_row() == 2 * N_LAYERS * N_HEADS * CAPACITY * HEAD_DIM * 2
    assert (pool.n_layers, pool.n_rows) == (N_LAYERS, 2)


@st.composite
def evictions(draw: st.DrawFn) -> tuple[int, int, int]:
    length = draw(st.integers(1, 60) | st.integers(CAPACITY - 60, CAPACITY))
    start = draw(st.integers(0, length))
    return length, start, draw(st.integers(start, length))


@settings(deadline=None, max_examples=40)
@given(eviction=evictions())
@example(eviction=(CAPACITY, 0, CAPACITY))
@example(eviction=(CAPACITY, 40, 2500))
def test_evicting_leaves_a_row_as_if_the_rest_had_been_rotated_where_it_now_is(
    eviction: tuple[int, int, int],
) -> None:
    length, start, stop = eviction
    pool, keys, values = filled(length)
    before, other = held(pool, ROW), held(pool, OTHER_ROW)
    pool.evict(ROW, start, stop, ROTARY)
    after = held(pool, ROW)

    kept = [*range(start), *range(stop, length)]
    assert pool.lengths == [length, len(kept)]
    torch.testing.assert_close(after[0], turned(keys[:, kept]), atol=1e-5, rtol=0)
    assert torch.equal(after[1], values[:, kept])
    assert torch.equal(after[0][:, :start], before[0][:, :start])
    for ours, theirs in zip(held(pool, OTHER_ROW), other, strict=True):
        assert torch.equal(ours, theirs)


def test_without_rotation_kept_keys_are_moved_to_the_bit() -> None:
    pool, _, _ = filled(20)
    keys, values = held(pool, ROW)
    pool.evict(ROW, 5, 12, None)
    kept = [*range(5), *range(12, 20)]
    assert torch.equal(held(pool, ROW)[0], keys[:, kept])
    assert torch.equal(held(pool, ROW)[1], values[:, kept])


@pytest.mark.parametrize(("start", "stop"), [(-1, 3), (5, 4), (3, 21), (21, 21)])
def test_evicting_what_a_row_does_not_hold_is_an_error(start: int, stop: int) -> None:
    pool, _, _ = filled(20)
    keys = pool.keys.clone()
    with pytest.raises(ValueError, match="cannot evict"):
        pool.evict(ROW, start, stop, ROTARY)
    assert pool.lengths == [20, 20]
    assert torch.equal(pool.keys, keys)


@pytest.mark.parametrize(
    ("dtype", "tolerance"),
    # One rounding to bfloat16 is up to 0.004 of a value. A turn smaller than that is lost, so that
    # many small evictions cost more than the random walk of their roundings.
    [(torch.float32, 1e-6), (torch.bfloat16, 0.02)],
)
def test_a_key_moved_many_times_does_not_drift(dtype: torch.dtype, tolerance: float) -> None:
    """The oldest kept position of a long call is moved once for every eviction it survives."""
    prompt, unit, n_units = 40, 28, 20
    pool, keys, values = filled(prompt + unit * n_units, dtype)
    prompt_keys = held(pool, ROW)[0][:, :prompt]
    for _ in range(n_units - 1):
        pool.evict(ROW, prompt, prompt + unit, ROTARY)
    last_unit = slice(prompt + unit * (n_units - 1), None)
    after = held(pool, ROW)
    expected = turned(torch.cat([keys[:, :prompt], keys[:, last_unit]], dim=1))[:, prompt:]
    drift = (after[0][:, prompt:].float() - expected).norm() / expected.norm()
    assert drift < tolerance
    assert torch.equal(after[0][:, :prompt], prompt_keys)
    assert torch.equal(after[1][:, prompt:], values[:, last_unit].to(dtype))
