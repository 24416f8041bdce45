"""Pictures are drawn once, and an epoch looks at each of them once."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from model.training.batches import IGNORED
from model.training.recipe import pictures
from model.training.recipe.folders import TRAINING_DIR_VARIABLE
from model.training.recipe.pictures import (
    COLOUR_QUESTIONS,
    draw_file,
    drawn_pictures,
    held_out_small,
    photographs,
)
from model.training.scenes.picture_batches import QUESTIONS, answers_about, scenes_of_batch

pytestmark = pytest.mark.unit


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Files of four small pictures, two a batch."""
    monkeypatch.setenv(TRAINING_DIR_VARIABLE, str(tmp_path))
    monkeypatch.setattr(pictures, "FILE_PICTURES", 4)
    monkeypatch.setattr(pictures, "BATCH_SIZE", 2)
    monkeypatch.setattr(pictures, "SIZE", (56, 42))
    return tmp_path / "photographs"


def test_an_epoch_is_every_picture_once(few: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "N_SILHOUETTE_STEPS", -10_000)  # photographs from the start
    for index in range(2):
        draw_file(0, index)
    data = drawn_pictures(1)
    epoch = list(islice(data.source(0), 4))
    labels = [
        tuple(int(batch.labels[q][row]) for q in QUESTIONS) for batch in epoch for row in range(2)
    ]
    of_files = [answers_about(scenes_of_batch(0, index, batch_size=4)) for index in range(2)]
    asked = [tuple(int(of[q][row]) for q in QUESTIONS) for of in of_files for row in range(4)]
    assert sorted(labels) == sorted(asked)
    again = next(iter(data.source(3)))
    assert np.array_equal(again.images, epoch[3].images)


def test_silhouettes_come_first_and_nobody_is_asked_for_their_colours(few: Path) -> None:
    draw_file(0, 0)
    source = drawn_pictures(0).source
    first, late = next(iter(source(0))), next(iter(source(10_000)))
    assert set(np.unique(first.images)) <= {0, 255} and len(np.unique(late.images)) > 20
    assert first.silhouettes is not None
    black_on_white = 255 - first.silhouettes
    for image, outline, inverse in zip(
        first.images, first.silhouettes, black_on_white, strict=True
    ):
        assert any(np.array_equal(image[..., 0], each) for each in (outline, inverse))
    assert (first.labels["colour of the largest"] == IGNORED).all()
    assert (first.grids["colour here"] == IGNORED).all()
    assert not (first.grids["shape here"] == IGNORED).all()
    assert {"number of red things", "colour at top"} <= COLOUR_QUESTIONS
    assert not {"count", "number of star shapes"} & COLOUR_QUESTIONS


def test_a_file_that_is_there_is_not_drawn_again(few: Path) -> None:
    draw_file(0, 0)
    before = (few / "0-0000.npz").stat().st_mtime_ns
    draw_file(0, 0)
    assert (few / "0-0000.npz").stat().st_mtime_ns == before


def test_without_pictures_it_is_said_what_to_do(few: Path) -> None:
    with pytest.raises(FileNotFoundError, match="draw them first"):
        drawn_pictures(0)


def test_held_out_pictures_are_of_the_same_size(few: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = next(iter(held_out_small(0).source(0)))
    assert batch.images.shape[1:] == (42, 56, 3)


def test_a_tower_that_knows_shapes_sees_photographs_at_once(few: Path) -> None:
    draw_file(0, 0)
    first = next(iter(photographs(0).source(0)))
    assert len(np.unique(first.images)) > 20


def test_what_is_held_into_the_camera_stays_where_it_is(
    few: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw_file(0, 0)
    batches = {}
    for share in (0.0, 1.0):
        monkeypatch.setattr(pictures, "HELD_UP_SHARE", share)
        monkeypatch.setattr(pictures, "GAIN", (1.0, 1.0))
        batches[share] = next(iter(photographs(0).source(0)))
    flat, held = batches[0.0], batches[1.0]
    assert not np.array_equal(flat.images, held.images)
    assert flat.silhouettes is not None and held.silhouettes is not None
    moved = (flat.silhouettes > 127) != (held.silhouettes > 127)
    assert 0 < moved.mean() < 0.1
