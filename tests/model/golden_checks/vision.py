"""Images to slices to embeddings: fixtures a and b."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import torch

from model.image_slicing import ImageSlice, SlicedImage, image_placeholder, slice_image
from model.resampler import Resampler
from model.vision_encoder import VisionEncoder, position_buckets
from tests.model.golden_checks.registry import (
    VALUES_ATOL,
    Comparison,
    GoldenSet,
    golden_check,
)

MAX_GRID = 16
"""No recorded image is cut into more slices."""


def _image(golden: GoldenSet, size: Any, seed: int, compare: Comparison) -> np.ndarray:
    """A synthetic image, its digest checked where the set lists it."""
    width, height = (int(side) for side in size)
    image = golden.inputs.synth_image(width, height, int(seed))
    name = f"image({width}x{height},seed={int(seed)})"
    digests = golden.json("inputs_sha256.json") if golden.has("inputs_sha256.json") else {}
    if name in digests:
        compare.equal(f"digest of {name}", golden.inputs.sha(image), digests[name])
    return image


def _bytes_of(image_slice: ImageSlice) -> np.ndarray:
    """The uint8 pixels ``[3, P, P*N]`` behind normalised patches."""
    return np.rint((image_slice.patches.numpy() * 0.5 + 0.5) * 255).astype(np.uint8)


def _pixels_of(image_slice: ImageSlice) -> np.ndarray:
    """The uint8 picture ``[H, W, 3]`` behind normalised patches."""
    rows, columns = image_slice.size
    strips = _bytes_of(image_slice)
    patch = strips.shape[1]
    grid = strips.reshape(3, patch, rows, columns, patch).transpose(2, 1, 3, 4, 0)
    return grid.reshape(rows * patch, columns * patch, 3)


@golden_check("a image preprocessing", "a_image_preprocess.json", "a_image_pixels.npz")
def check_preprocessing(golden: GoldenSet, compare: Comparison) -> None:
    """Geometry, digests of every slice, placeholders and sampled pixels."""
    pixels = dict(golden.npz("a_image_pixels.npz"))
    for case in golden.json("a_image_preprocess.json"):
        max_slices = case["max_slice_nums"]
        image = _image(golden, case["size"], case["seed"], compare)
        sliced = slice_image(image, golden.config, max_slices)
        name = f"{case['size']} at most {max_slices}"
        _compare_geometry(name, sliced, case, compare)
        _compare_placeholders(name, sliced, case, golden.config.query_num, compare)
        digests = [golden.inputs.sha(_pixels_of(part)) for part in sliced.slices]
        compare.equal(f"{name}: digests", digests, case["sha256_uint8"])
        means = [float(part.patches.double().mean()) for part in sliced.slices]
        compare.close(f"{name}: means", means, case["mean"], VALUES_ATOL)
        key = f"{case['seed'] - golden.seed}_{max_slices}"
        _compare_pixels(name, key, sliced, pixels, compare)
    compare.equal("recorded pixels nobody compared", sorted(pixels), [])


def _compare_geometry(
    name: str, sliced: SlicedImage, case: dict[str, Any], compare: Comparison
) -> None:
    grid = None if sliced.grid is None else list(sliced.grid)
    refined = None if sliced.refined_size is None else list(sliced.refined_size)
    compare.equal(f"{name}: grid", grid, case["grid"])
    compare.equal(f"{name}: refined size", refined, case["refine_size"])
    compare.equal(f"{name}: sizes", [list(size) for size in sliced.sizes], case["tgt_sizes"])
    shapes = [list(part.patches.shape) for part in sliced.slices]
    compare.equal(f"{name}: shapes", shapes, case["pixel_shapes"])
    pictures = [_pixels_of(part) for part in sliced.slices]
    sizes = [[picture.shape[1], picture.shape[0]] for picture in pictures]
    compare.equal(f"{name}: slice sizes", sizes, case["slice_sizes"])
    plan = sliced.plan
    planned = [plan.overview_size] + [plan.cell_size] * (plan.n_slices - 1)
    compare.equal(f"{name}: plan", [list(size) for size in planned], case["slice_sizes"])


def _compare_placeholders(
    name: str, sliced: SlicedImage, case: dict[str, Any], query_num: int, compare: Comparison
) -> None:
    for key in ("placeholder_with_id", "placeholder_no_id"):
        recorded = re.sub(r"\{UNK(\d+)\}", lambda m: "<unk>" * int(m.group(1)), case[key])
        image_id = re.search(r"<image_id>(\d+)</image_id>", recorded)
        index = int(image_id.group(1)) if image_id else None
        compare.equal(f"{name}: {key}", image_placeholder(sliced.grid, index, query_num), recorded)


def _compare_pixels(
    name: str, key: str, sliced: SlicedImage, pixels: dict[str, np.ndarray], compare: Comparison
) -> None:
    """Compare what is recorded of an image and take it out of ``pixels``."""
    for recorded in [k for k in pixels if k.startswith((f"pv_{key}_", f"pv_full_{key}"))]:
        if sample := re.fullmatch(rf"pv_{key}_(\d+)_stride(\d+)", recorded):
            index, stride = int(sample.group(1)), int(sample.group(2))
            ours = sliced.slices[index].patches.flatten()[::stride]
            compare.close(f"{name}: {recorded}", ours, pixels.pop(recorded), VALUES_ATOL)
        elif recorded == f"pv_full_{key}":
            ours = _bytes_of(sliced.slices[0])
            compare.equal(f"{name}: {recorded}", ours, pixels.pop(recorded))


@golden_check("b vision tower and resampler", "b_vision.npz", "model.safetensors")
def check_vision(golden: GoldenSet, compare: Comparison) -> None:
    """Slices of several images, batched and one by one."""
    recorded = golden.npz("b_vision.npz")
    slices = _recorded_slices(golden, recorded, compare)
    sizes = [part.size for part in slices]
    encoder = VisionEncoder(golden.config.vision)
    encoder.load_state_dict(golden.part("vpm."), strict=True)
    resampler = Resampler(
        n_queries=golden.config.query_num,
        vision_size=golden.config.vision.hidden_size,
        size=golden.config.language.hidden_size,
    )
    resampler.load_state_dict(golden.part("resampler."), strict=True)
    encoder.fuse()
    resampler.fuse()

    features, lengths = encoder(slices)
    compare.equal("patches", lengths, recorded["patch_mask_lens"])
    compare.equal("longest", features.shape[1], int(recorded["vpm_len"]))
    widest = max(part.patches.shape[2] for part in slices)
    batch_shape = [len(slices), *slices[0].patches.shape[:2], widest]
    compare.equal("batch shape", batch_shape, recorded["padded_input_shape"])
    key = next(key for key in recorded if key.startswith("vpm_last_hidden_stride"))
    stride = int(key.removeprefix("vpm_last_hidden_stride"))
    for index, length in enumerate(lengths):
        ours = features[index, :length:stride]
        theirs = recorded[key][index, : len(ours)]
        compare.close(f"tower, slice {index}", ours, theirs, VALUES_ATOL)
    compare.close("resampled", resampler(features, sizes), recorded["resampler_out"], VALUES_ATOL)
    alone = torch.cat([resampler(encoder([part])[0], [part.size]) for part in slices])
    compare.close("resampled one by one", alone, recorded["resampler_out_alone"], VALUES_ATOL)


def _recorded_slices(
    golden: GoldenSet, recorded: dict[str, np.ndarray], compare: Comparison
) -> list[ImageSlice]:
    """The slices of the fixture's images.

    The set does not say how many slices were allowed; the recorded sizes tell.
    """
    pairs = zip(recorded["sizes"], recorded["seeds"], strict=True)
    images = [_image(golden, size, seed, compare) for size, seed in pairs]
    sizes: list[list[int]] = []
    for max_slices in range(1, MAX_GRID + 1):
        cut = [slice_image(image, golden.config, max_slices) for image in images]
        sizes = [list(size) for sliced in cut for size in sliced.sizes]
        if sizes == recorded["tgt_sizes"].tolist():
            break
    compare.equal("sizes in patches", sizes, recorded["tgt_sizes"])
    return [part for sliced in cut for part in sliced.slices]


@golden_check("b position buckets", "b_position_buckets.npz")
def check_position_buckets(golden: GoldenSet, compare: Comparison) -> None:
    """The float32 rule, for every recorded number of patches."""
    side = golden.config.vision.positions_per_side
    for key, theirs in golden.npz("b_position_buckets.npz").items():
        compare.equal(key, position_buckets(int(key.removeprefix("n")), side), theirs)


@golden_check("b resampler positions", "b_resampler_pos_embed.npz")
def check_resampler_positions(golden: GoldenSet, compare: Comparison) -> None:
    """Corners of the 2-D table, and its width."""
    recorded = golden.npz("b_resampler_pos_embed.npz")
    size = golden.config.language.hidden_size
    compare.equal("kv_pos_dim", size, int(recorded["kv_pos_dim"]))
    resampler = Resampler(n_queries=1, vision_size=1, size=size)
    for key, theirs in recorded.items():
        if match := re.fullmatch(r"pos_embed_(\d+)x(\d+)", key):
            rows, columns = int(match.group(1)), int(match.group(2))
            table = resampler.positions((rows, columns), torch.device("cpu"), torch.float32)
            compare.close(key, table.view(rows, columns, -1), theirs, VALUES_ATOL)
        elif match := re.fullmatch(r"pos_embed_(\d+)_(\d+)", key):
            corner = int(match.group(1)) + 1, int(match.group(2)) + 1
            table = resampler.positions(corner, torch.device("cpu"), torch.float32)
            compare.close(key, table[-1], theirs, VALUES_ATOL)
