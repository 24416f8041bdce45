"""The vision tower learns to tell pictures apart."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from model.pocket_checkpoint import POCKET_FOLDER
from model.training.batches import IGNORED, PictureBatch
from model.training.export import load_for_training
from model.training.place_losses import NOTHING_WEIGHT
from model.training.scenes.picture_batches import QUESTIONS, picture_batch
from model.training.vision_encoder_stage import VisionEncoderStage, sample_grid
from tests.model.training.tiny_training import first_loss, fresh_model, train

pytestmark = pytest.mark.unit


def pictures() -> PictureBatch:
    """A coloured square at the left or at the right."""
    images = np.full((6, 56, 84, 3), 40, np.uint8)
    colours, sides = np.arange(6) % 3, np.arange(6) // 3
    for image, colour, side in zip(images, colours, sides, strict=True):
        image[14:42, 14 + 42 * side : 34 + 42 * side, colour] = 230
    sides = sides.copy()
    sides[0] = IGNORED
    return PictureBatch(images, {"which colour?": colours, "where is it?": sides})


def test_it_overfits_a_batch(tmp_path: Path) -> None:
    stage = VisionEncoderStage(fresh_model(), {"which colour?": 3, "where is it?": 2})
    summary = train(stage, [pictures()], tmp_path, 30, learning_rate=2e-3)
    assert summary.losses["loss"] < first_loss(tmp_path) / 5
    assert summary.losses["accuracy"] == 1.0


def test_a_batch_without_any_answer_is_refused() -> None:
    stage = VisionEncoderStage(fresh_model(), {"count": 2})
    nothing = PictureBatch(pictures().images, {"count": np.full(6, IGNORED)})
    with pytest.raises(ValueError, match="no question"):
        stage.losses(nothing)


def test_the_few_kinds_there_are_count_as_much_as_the_many_there_are_none_of() -> None:
    counts = np.array([2, 0, 0, 0, 0, IGNORED])
    losses = {}
    for question in ("number of red things", "count"):
        stage = VisionEncoderStage(fresh_model(), {question: 3})
        (head,) = stage.module["reader"].heads
        head.weight.data.zero_()
        head.bias.data.copy_(torch.tensor([2.0, 0.0, 1.0]))
        made = stage.losses(PictureBatch(pictures().images, {question: counts}))
        losses[question] = made["loss"].item()
    none, two = (-torch.tensor([2.0, 0.0, 1.0]).log_softmax(0)[[0, 2]]).tolist()
    assert losses["number of red things"] == pytest.approx(two + NOTHING_WEIGHT * none, rel=1e-4)
    assert losses["count"] == pytest.approx((two + 4 * none) / 5, rel=1e-4)


def test_what_is_where_is_learnt_from_a_grid_of_any_fineness(tmp_path: Path) -> None:
    batch = pictures()
    grid = np.full((6, 4, 6), 3, np.int8)
    for index in range(6):
        side = index // 3
        grid[index, 1:3, 3 * side + 1 : 3 * side + 2] = index % 3
    batch = replace(batch, grids={"colour here": grid})
    stage = VisionEncoderStage(
        fresh_model(), {"which colour?": 3, "where is it?": 2}, {"colour here": 4}
    )
    summary = train(stage, [batch], tmp_path, 60, learning_rate=2e-3)
    assert summary.losses["place_accuracy"] == 1.0 and summary.losses["places"] < 0.1


def test_outlines_are_learnt_patch_by_patch(tmp_path: Path) -> None:
    images = pictures().images
    outlines = (images.max(axis=3) > 100).astype(np.uint8) * 255
    batch = replace(pictures(), silhouettes=outlines)
    stage = VisionEncoderStage(
        fresh_model(), {"which colour?": 3, "where is it?": 2}, {"colour here": 4}
    )
    summary = train(stage, [batch], tmp_path, 150, learning_rate=2e-3)
    assert summary.losses["outlines"] < 0.15


def test_where_every_place_is_asked_for_the_first_vectors_are_to_name_it() -> None:
    model = load_for_training(POCKET_FOLDER)
    batch = replace(picture_batch(0, 0, batch_size=4, size=(56, 42)), grids={})
    losses = VisionEncoderStage(model, QUESTIONS).losses(batch)
    losses["names"].backward()
    gradient = model.resampler.proj.grad
    assert gradient is not None and gradient.abs().max() > 0
    embedded = model.llm.model.embed_tokens.weight.grad
    assert embedded is None  # the words stay what they are
    assert "names" not in VisionEncoderStage(fresh_model(), QUESTIONS).losses(batch)


def test_a_grid_is_read_at_the_middle_of_every_cell() -> None:
    grid = np.arange(24).reshape(1, 4, 6)
    assert sample_grid(grid, 2, 3).tolist() == [[[7, 9, 11], [19, 21, 23]]]
    assert np.array_equal(sample_grid(grid, 4, 6), grid)
