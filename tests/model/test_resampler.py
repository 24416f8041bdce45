"""The resampler."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from model.resampler import CACHED_SIZES, FIRST_TABLE_SIDE, Resampler

pytestmark = pytest.mark.unit

SIZE, VISION_SIZE, N_QUERIES = 256, 24, 5
CPU = torch.device("cpu")
shapes = st.tuples(st.integers(1, 6), st.integers(1, 6))


def random_resampler() -> Resampler:
    generator = torch.Generator().manual_seed(11)
    resampler = Resampler(n_queries=N_QUERIES, vision_size=VISION_SIZE, size=SIZE)
    with torch.no_grad():
        for parameter in resampler.parameters():
            parameter.normal_(std=0.1, generator=generator)
    return resampler.requires_grad_(False)


def random_features(sizes: list[tuple[int, int]]) -> torch.Tensor:
    """Features with noise, not zeros, past each slice's patches."""
    generator = torch.Generator().manual_seed(len(sizes))
    longest = max(rows * columns for rows, columns in sizes)
    return torch.randn(len(sizes), longest, VISION_SIZE, generator=generator)


@settings(deadline=None, max_examples=20)
@given(sizes=st.lists(shapes, min_size=1, max_size=6))
def test_slices_resampled_together_equal_slices_resampled_alone(
    sizes: list[tuple[int, int]],
) -> None:
    resampler = random_resampler()
    features = random_features(sizes)
    together = resampler(features, sizes)
    assert together.shape == (len(sizes), N_QUERIES, SIZE)
    for index, (rows, columns) in enumerate(sizes):
        alone = resampler(features[index : index + 1, : rows * columns], [(rows, columns)])
        torch.testing.assert_close(together[index : index + 1], alone, atol=2e-5, rtol=0)


def test_slices_of_one_length_and_two_shapes_keep_their_own_positions() -> None:
    resampler = random_resampler()
    features = random_features([(2, 6)]).expand(2, -1, -1)
    wide, tall = resampler(features, [(2, 6), (6, 2)])
    assert not torch.allclose(wide, tall, atol=1e-3)


def test_keys_carry_positions_and_values_do_not() -> None:
    resampler = random_resampler()
    with torch.no_grad():
        resampler.attn.in_proj_weight[SIZE : 2 * SIZE] = 0
    features = random_features([(3, 4)])
    # With keys that say nothing attention is the mean of the values, wherever their patches were.
    ours, theirs = resampler(features, [(3, 4)]), resampler(features, [(1, 12)])
    torch.testing.assert_close(ours, theirs, atol=2e-5, rtol=0)


def test_fusing_changes_nothing_but_speed() -> None:
    resampler = random_resampler()
    sizes = [(3, 4), (2, 2)]
    features = random_features(sizes)
    names = resampler.state_dict().keys()
    before = resampler(features, sizes)
    resampler.fuse()
    torch.testing.assert_close(resampler(features, sizes), before, atol=2e-5, rtol=0)
    assert resampler.state_dict().keys() == names


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_runs_in_the_dtype_of_its_weights(dtype: torch.dtype) -> None:
    sizes = [(3, 4), (2, 2)]
    features = random_features(sizes)
    expected = random_resampler()(features, sizes)
    resampler = random_resampler().to(dtype)
    resampler.fuse()
    ours = resampler(features.to(dtype), sizes)
    assert ours.dtype == dtype
    scale = expected.abs().max()
    torch.testing.assert_close(ours.float() / scale, expected / scale, atol=0.05, rtol=0)


def test_positions_and_masks_follow_the_weights_to_another_device() -> None:
    resampler = random_resampler().to("meta")
    resampler.fuse()
    output = resampler(torch.empty(2, 12, VISION_SIZE, device="meta"), [(3, 4), (2, 2)])
    assert output.device.type == "meta"
    assert output.shape == (2, N_QUERIES, SIZE)


def test_half_of_the_channels_encode_the_column_and_half_the_row() -> None:
    table = random_resampler().positions((3, 5), CPU, torch.float32).view(3, 5, SIZE)
    half = SIZE // 2
    assert torch.equal(table[0, :, :half], table[2, :, :half])
    assert torch.equal(table[:, 0, half:], table[:, 4, half:])
    assert torch.equal(table[1, 0, half:], table[0, 1, :half])
    quarter = SIZE // 4
    angle = 2 * 10_000 ** (-3 / quarter)
    assert table[0, 2, 3].item() == pytest.approx(math.sin(angle), abs=1e-6)
    assert table[0, 2, quarter + 3].item() == pytest.approx(math.cos(angle), abs=1e-6)


def test_the_table_grows_for_long_slices_and_small_ones_do_not_change() -> None:
    resampler = random_resampler()
    before = resampler.positions((2, FIRST_TABLE_SIDE), CPU, torch.float32)
    long = resampler.positions((2, 2048), CPU, torch.float32).view(2, 2048, SIZE)
    assert torch.equal(long[:, :FIRST_TABLE_SIDE].flatten(0, 1), before)
    assert long[0, 2047, 0].item() == pytest.approx(math.sin(2047), abs=1e-4)


def test_positions_are_kept_for_a_few_sizes_only() -> None:
    resampler = random_resampler()
    for columns in range(1, 3 * CACHED_SIZES):
        resampler.positions((1, columns), CPU, torch.float32)
    assert len(resampler._positions) == CACHED_SIZES
    newest = resampler.positions((1, 3 * CACHED_SIZES - 1), CPU, torch.float32)
    assert resampler.positions((1, 3 * CACHED_SIZES - 1), CPU, torch.float32) is newest


def test_it_can_be_trained_after_it_was_used_for_inference() -> None:
    resampler = random_resampler().requires_grad_(True)
    sizes = [(2, 3), (1, 3)]
    with torch.inference_mode():
        resampler(random_features(sizes), sizes)
    resampler(random_features(sizes), sizes).square().sum().backward()
    assert all(parameter.grad is not None for parameter in resampler.parameters())
