"""Cuts an image into an overview and slices of patches, as the vision tower was trained on.

An image larger than a slice is seen twice: whole, at low resolution, and as a grid of slices at
high resolution. Every part has about the area of one square of ``config.image_size`` pixels, so
each costs about the same number of patches and exactly ``config.query_num`` tokens.

Source: openbmb/MiniCPM-o-2_6, the image half of its processor.
Differs: patches are cut straight from the resized pixels; sizes no camera makes are refused.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from model.config import OmniConfig

Size: TypeAlias = tuple[int, int]

MAX_IMAGE_PIXELS = 100_000_000
"""Larger images are refused; a frame of 8K video has a third of it."""
MAX_ASPECT_RATIO = 4096
"""Longer side over shorter side. A part of that shape has twice the patches of a square one."""
PLACEHOLDER = "<unk>"
"""The token one vector of a slice takes the place of."""

PIXEL_MEAN = 0.5
"""Mean the pixels (0 .. 1) are normalised by, the same for every colour."""
PIXEL_STD = 0.5
"""Standard deviation the pixels (0 .. 1) are normalised by."""


@dataclass(frozen=True, slots=True)
class ImageSlice:
    """One part of an image, ready for the vision tower."""

    patches: Tensor
    """``[3, P, P * N]`` float32 in -1 .. 1: N = rows * columns patches of P x P pixels side by
    side, row by row of the grid."""
    size: Size
    """(rows, columns) in patches."""

    @property
    def n_patches(self) -> int:
        """Patches in the slice."""
        return self.size[0] * self.size[1]


@dataclass(frozen=True, slots=True)
class SlicePlan:
    """How an image of some size is cut. Sizes are (width, height) in pixels."""

    overview_size: Size
    """The whole image is resized to this."""
    grid: Size | None
    """(columns, rows) of slices, or None where the overview is all."""
    refined_size: Size | None
    """The image is resized to this before it is cut by the grid."""

    @property
    def cell_size(self) -> Size | None:
        """One slice of the grid."""
        if self.grid is None or self.refined_size is None:
            return None
        return self.refined_size[0] // self.grid[0], self.refined_size[1] // self.grid[1]

    @property
    def n_slices(self) -> int:
        """Parts the image becomes, overview included."""
        return 1 if self.grid is None else 1 + self.grid[0] * self.grid[1]


@dataclass(frozen=True, slots=True)
class SlicedImage:
    """An image as the model sees it."""

    slices: list[ImageSlice]
    """Overview first, then the grid row by row."""
    plan: SlicePlan
    """How it was cut."""

    @property
    def grid(self) -> Size | None:
        """(columns, rows) of slices, or None where the overview is all."""
        return self.plan.grid

    @property
    def refined_size(self) -> Size | None:
        """(width, height) in pixels that was cut by the grid."""
        return self.plan.refined_size

    @property
    def sizes(self) -> list[Size]:
        """(rows, columns) in patches of every slice."""
        return [image_slice.size for image_slice in self.slices]


def slice_image(
    image: np.ndarray | Image.Image, config: OmniConfig, max_slices: int
) -> SlicedImage:
    """Resize, cut and normalise an image.

    Args:
        image: ``[H, W, 3]`` uint8 RGB, or a PIL image of any mode.
        config: Slice and patch size.
        max_slices: Slices of the grid at most; 1 gives the overview alone.

    Raises:
        ValueError: The image is empty, of another type, or of a size no camera makes.
    """
    picture = _as_picture(image)
    plan = plan_slices(*picture.size, config, max_slices)
    patch = config.patch_size
    slices = [_cut_patches(_resize(picture, plan.overview_size), patch)]
    if plan.grid is not None and plan.refined_size is not None and plan.cell_size is not None:
        refined = _resize(picture, plan.refined_size)
        width, height = plan.cell_size
        for top in range(0, plan.refined_size[1], height):
            for left in range(0, plan.refined_size[0], width):
                cell = refined[top : top + height, left : left + width]
                slices.append(_cut_patches(cell, patch))
    return SlicedImage(slices, plan)


def plan_slices(width: int, height: int, config: OmniConfig, max_slices: int) -> SlicePlan:
    """Decide how an image of ``width`` x ``height`` pixels is cut; needs no pixels.

    Args:
        width: In pixels.
        height: In pixels.
        config: Slice and patch size; without ``slice_mode`` the overview is all.
        max_slices: Slices of the grid at most; 1 gives the overview alone.

    Raises:
        ValueError: The size is refused, or ``max_slices`` is below 1.
    """
    _check_size(width, height)
    if max_slices < 1:
        raise ValueError(f"max_slices is {max_slices}; 1 (the overview alone) is the least")
    side, patch = config.image_size, config.patch_size
    grid = _choose_grid(width, height, side, max_slices) if config.slice_mode else None
    overview = _fit(width, height, side, patch, upscale=grid is None)
    if grid is None:
        return SlicePlan(overview, None, None)
    columns, rows = grid
    cell_width, cell_height = _fit(
        _round_to_multiple(width, columns) / columns,
        _round_to_multiple(height, rows) / rows,
        side,
        patch,
        upscale=True,
    )
    return SlicePlan(overview, grid, (cell_width * columns, cell_height * rows))


def image_placeholder(grid: Size | None, index: int | None, query_num: int) -> str:
    """The prompt text an image stands for; every ``<unk>`` is overwritten by one vector.

    Args:
        grid: (columns, rows) of the sliced image, None where there is only the overview.
        index: Number of the image within the conversation for ``<image_id>``; None leaves it out.
        query_num: Vectors per slice.
    """
    vectors = PLACEHOLDER * query_num
    text = f"<image>{vectors}</image>"
    if index is not None:
        text = f"<image_id>{index}</image_id>{text}"
    if grid is not None:
        columns, rows = grid
        text += "\n".join([f"<slice>{vectors}</slice>" * columns] * rows)
    return text


def _choose_grid(width: int, height: int, side: int, max_slices: int) -> Size | None:
    """The grid whose shape is nearest to the image's, among those with about enough slices."""
    wanted = min(math.ceil(width * height / side**2), max_slices)
    if wanted <= 1:
        return None
    log_shape = math.log(width / height)
    counts = [n for n in (wanted - 1, wanted, wanted + 1) if 1 < n <= max_slices]
    grids = [(c, n // c) for n in counts for c in range(1, n + 1) if n % c == 0]
    return min(grids, key=lambda grid: abs(log_shape - math.log(grid[0] / grid[1])))


def _fit(width: float, height: float, side: int, patch: int, *, upscale: bool) -> Size:
    """The size in whole patches with the same shape and at most (or about) ``side``² pixels."""
    if upscale or width * height > side**2:
        shape = width / height
        height = int(side / math.sqrt(shape))
        width = int(height * shape)
    return _round_to_multiple(width, patch), _round_to_multiple(height, patch)


def _round_to_multiple(length: float, unit: int) -> int:
    return max(round(length / unit) * unit, unit)


def _as_picture(image: np.ndarray | Image.Image) -> Image.Image:
    """The image as RGB, once its size is known to be harmless."""
    if isinstance(image, Image.Image):
        _check_size(*image.size)
        return image if image.mode == "RGB" else image.convert("RGB")
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(
            f"an image is a uint8 array [height, width, 3] in RGB, got {image.dtype} "
            f"{list(image.shape)}; convert it, for example by PIL's Image.convert('RGB')"
        )
    _check_size(image.shape[1], image.shape[0])
    return Image.fromarray(image)


def _check_size(width: int, height: int) -> None:
    if width < 1 or height < 1:
        raise ValueError(f"the image is empty ({width} x {height} pixels); drop the frame")
    if width * height > MAX_IMAGE_PIXELS:
        raise ValueError(
            f"the image has {width} x {height} pixels, more than {MAX_IMAGE_PIXELS}; "
            "scale it down before sending it"
        )
    if max(width, height) > MAX_ASPECT_RATIO * min(width, height):
        raise ValueError(
            f"the image is {width} x {height} pixels, its long side more than "
            f"{MAX_ASPECT_RATIO} times its short one; crop it into pieces of a usual shape"
        )


def _resize(picture: Image.Image, size: Size) -> np.ndarray:
    """Pixels ``[H, W, 3]`` uint8 at ``size`` = (width, height)."""
    if picture.size != size:
        picture = picture.resize(size, Image.Resampling.BICUBIC)
    return np.asarray(picture)


def _cut_patches(pixels: np.ndarray, patch: int) -> ImageSlice:
    """Lay the patches of ``[H, W, 3]`` uint8 side by side, normalised."""
    rows, columns = pixels.shape[0] // patch, pixels.shape[1] // patch
    strips = pixels.reshape(rows, patch, columns, patch, 3).transpose(4, 1, 0, 2, 3)
    strips = strips.astype(np.float32, order="C").reshape(3, patch, -1)  # [3, P, P*N]
    strips /= 255
    strips -= PIXEL_MEAN
    strips /= PIXEL_STD
    return ImageSlice(torch.from_numpy(strips), (rows, columns))
