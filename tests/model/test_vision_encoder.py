"""The vision tower."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from model.config import VisionConfig
from model.image_slicing import ImageSlice
from model.vision_encoder import VisionEncoder, position_buckets, position_ids

pytestmark = pytest.mark.unit

PATCH = 4
CONFIG = VisionConfig(
    hidden_size=24,
    num_hidden_layers=2,
    num_attention_heads=3,
    intermediate_size=32,
    patch_size=PATCH,
    image_size=PATCH * 70,
)
shapes = st.tuples(st.integers(1, 6), st.integers(1, 6))


def random_encoder(batch_size: int = 16) -> VisionEncoder:
    torch.manual_seed(7)
    encoder = VisionEncoder(CONFIG, batch_size=batch_size)
    return encoder.requires_grad_(False)


def random_slice(size: tuple[int, int], seed: int) -> ImageSlice:
    generator = torch.Generator().manual_seed(seed)
    width = PATCH * size[0] * size[1]
    return ImageSlice(torch.rand(3, PATCH, width, generator=generator) * 2 - 1, size)


@settings(deadline=None, max_examples=20)
@given(sizes=st.lists(shapes, min_size=1, max_size=6))
def test_slices_encoded_together_equal_slices_encoded_alone(sizes: list[tuple[int, int]]) -> None:
    encoder = random_encoder()
    slices = [random_slice(size, seed) for seed, size in enumerate(sizes)]
    together, lengths = encoder(slices)
    assert lengths == [rows * columns for rows, columns in sizes]
    assert together.shape == (len(sizes), max(lengths), CONFIG.hidden_size)
    for index, image_slice in enumerate(slices):
        alone, (length,) = encoder([image_slice])
        torch.testing.assert_close(together[index, :length], alone[0], atol=2e-6, rtol=0)
        assert not together[index, length:].any()


@settings(deadline=None, max_examples=20)
@given(sizes=st.lists(shapes, min_size=1, max_size=6))
def test_slices_of_one_packed_batch_do_not_see_each_other(sizes: list[tuple[int, int]]) -> None:
    encoder = random_encoder()
    slices = [random_slice(size, seed) for seed, size in enumerate(sizes)]
    lengths = [image_slice.n_patches for image_slice in slices]
    packed = encoder.encoder(encoder.embeddings(slices), lengths)
    for image_slice, ours in zip(slices, packed.split(lengths), strict=True):
        alone = encoder.encoder(encoder.embeddings([image_slice]), [image_slice.n_patches])
        torch.testing.assert_close(ours, alone, atol=2e-6, rtol=0)


def test_fusing_changes_nothing_but_speed() -> None:
    encoder = random_encoder()
    slices = [random_slice((3, 4), 0), random_slice((2, 2), 1)]
    names = encoder.state_dict().keys()
    before, _ = encoder(slices)
    encoder.fuse()
    after, _ = encoder(slices)
    torch.testing.assert_close(after, before, atol=2e-6, rtol=0)
    assert encoder.state_dict().keys() == names


def test_patches_are_embedded_as_by_the_convolution_of_the_checkpoint() -> None:
    encoder = random_encoder()
    rows, columns = 3, 5
    picture = torch.rand(3, rows * PATCH, columns * PATCH)
    strips = picture.view(3, rows, PATCH, columns, PATCH).transpose(1, 2).reshape(3, PATCH, -1)
    embeddings = encoder.embeddings
    ours = embeddings([ImageSlice(strips, (rows, columns))])
    convolution = embeddings.patch_embedding
    expected = F.conv2d(picture, convolution.weight, convolution.bias, stride=PATCH)
    ids = position_ids((rows, columns), embeddings.positions_per_side)
    expected = expected.flatten(1).T + embeddings.position_embedding.weight[ids]
    torch.testing.assert_close(ours, expected, atol=2e-6, rtol=0)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_runs_in_the_dtype_of_its_weights(dtype: torch.dtype) -> None:
    slices = [random_slice((3, 4), 0), random_slice((2, 2), 1)]
    expected, _ = random_encoder()(slices)
    encoder = random_encoder().to(dtype)
    encoder.fuse()
    ours, _ = encoder(slices)
    assert ours.dtype == dtype
    torch.testing.assert_close(ours.float(), expected, atol=0.1, rtol=0)


def test_inputs_follow_the_weights_to_another_device() -> None:
    encoder = random_encoder(batch_size=2).to("meta")
    encoder.fuse()
    slices = [random_slice((2, 2), 0), random_slice((3, 4), 1), random_slice((2, 2), 2)]
    features, lengths = encoder(slices)
    assert features.device.type == "meta"
    assert features.shape == (3, 12, CONFIG.hidden_size)
    assert lengths == [4, 12, 4]


def test_an_empty_list_of_slices_is_refused() -> None:
    with pytest.raises(ValueError, match="skip the call"):
        random_encoder()([])


def test_it_can_be_trained_after_it_was_used_for_inference() -> None:
    encoder = random_encoder().requires_grad_(True)
    image_slice = random_slice((5, 4), 0)
    with torch.inference_mode():
        encoder([image_slice])
    encoder([image_slice])[0].square().sum().backward()
    assert all(parameter.grad is not None for parameter in encoder.parameters())


@settings(deadline=None, max_examples=100)
@given(n_patches=st.integers(1, 3000), side=st.integers(2, 70))
def test_position_buckets_rise_from_the_first_and_stay_in_the_table(
    n_patches: int, side: int
) -> None:
    buckets = position_buckets(n_patches, side)
    exact = np.arange(n_patches) * side // n_patches
    assert buckets[0] == 0
    assert (np.diff(buckets) >= 0).all()
    assert buckets[-1] < side
    assert np.abs(buckets - exact).max() <= 1


def test_float32_rounding_moves_patches_that_start_on_a_boundary() -> None:
    moved = [
        n
        for n in range(1, 97)
        if not np.array_equal(position_buckets(n, 70), np.arange(n) * 70 // n)
    ]
    assert moved == [25, 49, 50, 55, 58, 77, 82, 86, 94]


def test_position_ids_go_row_by_row() -> None:
    assert position_ids((2, 2), 70).tolist() == [0, 35, 35 * 70, 35 * 70 + 35]
