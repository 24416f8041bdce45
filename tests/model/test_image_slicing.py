"""Cutting of images into slices and patches."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from model.config import OmniConfig
from model.image_slicing import (
    MAX_ASPECT_RATIO,
    MAX_IMAGE_PIXELS,
    ImageSlice,
    image_placeholder,
    plan_slices,
    slice_image,
)

pytestmark = pytest.mark.unit

CONFIG = OmniConfig()
PATCH = CONFIG.patch_size
SLICE_PIXELS = CONFIG.image_size**2


def noise(width: int, height: int) -> np.ndarray:
    generator = np.random.default_rng(width * 10_000 + height)
    return generator.integers(0, 256, (height, width, 3), dtype=np.uint8)


def picture_of(image_slice: ImageSlice) -> np.ndarray:
    rows, columns = image_slice.size
    patches = ((image_slice.patches + 1) * 127.5).round().to(torch.uint8)
    grid = patches.view(3, PATCH, rows, columns, PATCH).permute(2, 1, 3, 4, 0)
    return grid.reshape(rows * PATCH, columns * PATCH, 3).numpy()


sides = st.one_of(st.integers(1, 60), st.integers(1, 2500))


@settings(deadline=None, max_examples=200)
@example(width=1, height=2000, max_slices=9)
@example(width=2000, height=1, max_slices=9)
@example(width=448, height=448, max_slices=9)
@example(width=30, height=20_000, max_slices=9)
@given(width=sides, height=sides, max_slices=st.integers(1, 12))
def test_every_size_is_cut_into_whole_patches_and_no_more_slices_than_allowed(
    width: int, height: int, max_slices: int
) -> None:
    plan = plan_slices(width, height, CONFIG, max_slices)
    assert all(side >= PATCH and side % PATCH == 0 for side in plan.overview_size)
    if plan.grid is None:
        assert plan.n_slices == 1
        assert plan.refined_size is None and plan.cell_size is None
        return
    columns, rows = plan.grid
    assert 2 <= columns * rows <= max_slices
    assert plan.n_slices == columns * rows + 1
    assert plan.refined_size is not None and plan.cell_size is not None
    cell_width, cell_height = plan.cell_size
    assert (cell_width * columns, cell_height * rows) == plan.refined_size
    assert cell_width % PATCH == 0 and cell_height % PATCH == 0


@settings(deadline=None, max_examples=100)
@given(width=st.integers(60, 4000), height=st.integers(60, 4000), max_slices=st.integers(1, 9))
def test_every_part_has_about_the_area_of_one_slice(
    width: int, height: int, max_slices: int
) -> None:
    plan = plan_slices(width, height, CONFIG, max_slices)
    for size in (plan.overview_size, plan.cell_size):
        if size is not None and max(size) <= 8 * min(size):
            assert 0.8 * SLICE_PIXELS <= math.prod(size) <= 1.2 * SLICE_PIXELS


@settings(deadline=None, max_examples=15)
@example(width=1, height=2000, max_slices=9)
@example(width=900, height=300, max_slices=4)
@given(width=st.integers(1, 700), height=st.integers(1, 700), max_slices=st.integers(1, 9))
def test_slices_laid_side_by_side_are_the_refined_image(
    width: int, height: int, max_slices: int
) -> None:
    image = noise(width, height)
    sliced = slice_image(image, CONFIG, max_slices)
    resample = Image.Resampling.BICUBIC
    overview = Image.fromarray(image).resize(sliced.plan.overview_size, resample)
    np.testing.assert_array_equal(picture_of(sliced.slices[0]), np.asarray(overview))
    assert len(sliced.slices) == sliced.plan.n_slices
    if sliced.grid is not None:
        columns = sliced.grid[0]
        cells = [picture_of(part) for part in sliced.slices[1:]]
        rows = [np.hstack(cells[i : i + columns]) for i in range(0, len(cells), columns)]
        refined = Image.fromarray(image).resize(sliced.refined_size, resample)
        np.testing.assert_array_equal(np.vstack(rows), np.asarray(refined))


def test_patches_lie_side_by_side_row_by_row() -> None:
    image = noise(448, 448)
    (overview,) = slice_image(image, CONFIG, 1).slices
    assert overview.size == (32, 32)
    assert overview.n_patches == 1024
    assert overview.patches.shape == (3, PATCH, PATCH * 1024)
    assert overview.patches.dtype == torch.float32
    second_of_second_row = overview.patches[:, :, 33 * PATCH : 34 * PATCH]
    expected = image[PATCH : 2 * PATCH, PATCH : 2 * PATCH].transpose(2, 0, 1) / 127.5 - 1
    np.testing.assert_allclose(second_of_second_row.numpy(), expected, atol=1e-6)


def test_sizes_count_rows_before_columns() -> None:
    sliced = slice_image(noise(640, 480), CONFIG, 9)
    assert sliced.grid == (2, 1)
    assert sliced.refined_size == (728, 546)
    assert sliced.sizes == [(28, 37), (39, 26), (39, 26)]


def test_black_is_minus_one_and_white_is_plus_one() -> None:
    image = np.zeros((448, 448, 3), dtype=np.uint8)
    image[:, :, 1] = 255
    patches = slice_image(image, CONFIG, 1).slices[0].patches
    assert patches[0].unique().tolist() == [-1.0]
    assert patches[1].unique().tolist() == [1.0]


@pytest.mark.parametrize("mode", ["L", "RGBA", "P"])
def test_pil_images_of_other_modes_are_converted(mode: str) -> None:
    image = Image.fromarray(noise(50, 40)).convert(mode)
    ours = slice_image(image, CONFIG, 1).slices[0].patches
    theirs = slice_image(np.asarray(image.convert("RGB")), CONFIG, 1).slices[0].patches
    assert torch.equal(ours, theirs)


def test_the_caller_s_pixels_are_left_alone() -> None:
    image = noise(448, 448)
    before = image.copy()
    patches = slice_image(image, CONFIG, 1).slices[0].patches
    patches.zero_()
    np.testing.assert_array_equal(image, before)


def test_without_slice_mode_the_overview_is_all() -> None:
    config = dataclasses.replace(CONFIG, slice_mode=False)
    assert slice_image(noise(900, 600), config, 9).sizes == [(26, 39)]


@pytest.mark.parametrize(
    ("image", "remedy"),
    [
        (np.zeros((0, 10, 3), dtype=np.uint8), "drop the frame"),
        (np.zeros((10, 0, 3), dtype=np.uint8), "drop the frame"),
        (Image.new("RGB", (0, 5)), "drop the frame"),
        (np.zeros((10, 10), dtype=np.uint8), "convert it"),
        (np.zeros((10, 10, 4), dtype=np.uint8), "convert it"),
        (np.zeros((10, 10, 3), dtype=np.float32), "convert it"),
        (np.zeros((1, MAX_ASPECT_RATIO + 1, 3), dtype=np.uint8), "crop it"),
        (np.zeros((MAX_ASPECT_RATIO + 1, 1, 3), dtype=np.uint8), "crop it"),
        # A view: that many pixels, but the memory of one.
        (np.broadcast_to(np.uint8(0), (10_001, MAX_IMAGE_PIXELS // 10_000, 3)), "scale it down"),
    ],
)
def test_images_no_camera_makes_are_refused_with_a_remedy(image: object, remedy: str) -> None:
    with pytest.raises(ValueError, match=remedy):
        slice_image(image, CONFIG, 9)


def test_zero_slices_are_refused() -> None:
    with pytest.raises(ValueError, match="max_slices is 0"):
        slice_image(noise(20, 20), CONFIG, 0)


def test_the_longest_image_allowed_has_twice_the_usual_patches() -> None:
    (rows, columns), *_ = slice_image(noise(1, MAX_ASPECT_RATIO), CONFIG, 9).sizes
    assert rows * columns == 2 * 32 * 32


def test_a_placeholder_has_one_token_per_vector() -> None:
    assert image_placeholder(None, None, 3) == "<image><unk><unk><unk></image>"
    assert image_placeholder(None, 0, 1) == "<image_id>0</image_id><image><unk></image>"


def test_a_sliced_placeholder_has_one_line_per_row_of_the_grid() -> None:
    row = "<slice><unk></slice>" * 3
    assert image_placeholder((3, 2), None, 1) == f"<image><unk></image>{row}\n{row}"
