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
)
from model.training.scenes.picture_batches import QUESTIONS

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
    stored = [
        tuple(int(n) for n in row) for path in few.glob("*.npz") for row in np.load(path)["labels"]
    ]
    assert sorted(labels) == sorted(stored)
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
