"""Rotary positions."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from model.rotary import RotaryTable, rotate

pytestmark = pytest.mark.unit

HEAD_DIM = 16
N_POSITIONS = 8192
TABLES = {
    theta: RotaryTable(head_dim=HEAD_DIM, theta=theta, n_positions=N_POSITIONS)
    for theta in (10_000.0, 1_000_000.0)
}
ANGLE_ATOL = 2e-3
"""Angles are float32, as in the reference: at position 8000 they are rounded by up to 2.4e-4."""
tables = st.sampled_from(list(TABLES.values()))
positions = st.integers(0, N_POSITIONS - 1)


def vectors(count: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, 1, HEAD_DIM, generator=torch.Generator().manual_seed(seed))


def rotated(table: RotaryTable, x: torch.Tensor, position: int) -> torch.Tensor:
    return rotate(x, *table.rows(torch.full((len(x),), position), x.dtype))


@settings(deadline=None, max_examples=25)
@given(table=tables, position=positions)
def test_channel_pairs_turn_as_complex_numbers(table: RotaryTable, position: int) -> None:
    x = vectors(3)
    half = HEAD_DIM // 2
    turned = torch.complex(x[..., :half].double(), x[..., half:].double())
    turned = turned * torch.exp(1j * position * table.inverse_frequency.double())
    expected = torch.cat([turned.real, turned.imag], dim=-1).float()
    torch.testing.assert_close(rotated(table, x, position), expected, atol=ANGLE_ATOL, rtol=0)


def test_position_zero_changes_nothing() -> None:
    table = TABLES[10_000.0]
    assert torch.equal(rotated(table, vectors(4), 0), vectors(4))


@settings(deadline=None, max_examples=25)
@given(table=tables, query=positions, key=positions, shift=positions)
def test_scores_depend_on_the_distance_alone(
    table: RotaryTable, query: int, key: int, shift: int
) -> None:
    shift = min(shift, query, key)
    q, k = vectors(3, 1), vectors(3, 2)
    here = (rotated(table, q, query) * rotated(table, k, key)).sum(-1)
    there = (rotated(table, q, query - shift) * rotated(table, k, key - shift)).sum(-1)
    torch.testing.assert_close(here, there, atol=HEAD_DIM * ANGLE_ATOL, rtol=0)


@settings(deadline=None, max_examples=25)
@given(table=tables, start=positions, count=st.integers(1, 50), shift=positions)
def test_turning_back_equals_rotating_at_the_new_position(
    table: RotaryTable, start: int, count: int, shift: int
) -> None:
    count, shift = min(count, N_POSITIONS - start), min(shift, start)
    x = vectors(count, start)
    old, new = (torch.arange(first, first + count) for first in (start, start - shift))
    cos, sin = table.turn_back(start, start + count, shift)
    moved = rotate(rotate(x, *table.rows(old, x.dtype)), cos.unsqueeze(1), sin.unsqueeze(1))
    expected = rotate(x, *table.rows(new, x.dtype))
    torch.testing.assert_close(moved, expected, atol=2e-6, rtol=0)


def test_rows_have_the_dtype_asked_for() -> None:
    cos, sin = TABLES[1_000_000.0].rows(torch.tensor([3, 1, 4]), torch.bfloat16)
    assert cos.shape == sin.shape == (3, 1, HEAD_DIM)
    assert cos.dtype == sin.dtype == torch.bfloat16
