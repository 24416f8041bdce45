"""Pictures for the vision stage, drawn once and looked at several times."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from pathlib import Path

import numpy as np

from model.training.batches import IGNORED, PictureBatch, TrainingData
from model.training.recipe.folders import training_folder
from model.training.scenes.picture_batches import (
    GRID_QUESTIONS,
    QUESTIONS,
    grids_of,
    picture_batch,
    scenes_of_batch,
)
from model.training.speech_data.speech_batches import BatchesByStep

SIZE = (280, 210)
"""Width and height: a little more than the model looks at."""
BATCH_SIZE = 24
FILE_PICTURES = 480
"""Pictures of one file."""
GAIN = (0.9, 1.1)
"""A picture that is looked at again is a little brighter or darker, channel by channel."""
N_SILHOUETTE_STEPS = 150
"""Shapes are learnt from silhouettes first: among textures and noise they are not found."""
N_MIXED_STEPS = 700
"""Steps over which photographs take the silhouettes' place."""
SPREAD = 0.35
"""Half of the range from which the share of the photograph is drawn."""
SEEN_SHARE = 0.25
"""Below this share of the photograph nobody can tell its colours."""
DARK_SHARE = 0.4
"""Share of silhouettes that are black on white."""
COLOUR_QUESTIONS = frozenset(
    question for question in QUESTIONS if "colour" in question or question.endswith("things")
)


def picture_folder() -> Path:
    """Where the drawn pictures are kept."""
    return training_folder() / "photographs"


def draw_file(seed: int, index: int) -> None:
    """Draw one file of pictures, unless it is there."""
    folder = picture_folder()
    path = folder / f"{seed}-{index:04d}.npz"
    if path.exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    batch = picture_batch(seed, index, batch_size=FILE_PICTURES, size=SIZE)
    labels = np.stack([batch.labels[question] for question in QUESTIONS], axis=1)
    scratch = path.with_suffix(".part")
    with scratch.open("wb") as file:
        np.savez(
            file,
            images=batch.images,
            labels=labels.astype(np.int8),
            silhouettes=np.packbits(batch.silhouettes > 0, axis=-1),  # type: ignore[operator]
        )
    scratch.replace(path)


@dataclass(frozen=True)
class DrawnPictures(BatchesByStep[PictureBatch]):
    """Batches out of the files: all of one file, then of another, in an order of the seed."""

    paths: tuple[Path, ...]
    """Files of :func:`draw_file`."""
    seed: int
    """Of the order and the brightness."""

    def batch(self, step: int) -> PictureBatch:
        """The batch of one step."""
        n_batches = FILE_PICTURES // BATCH_SIZE
        turn, place = divmod(step, n_batches)
        epoch, number = divmod(turn, len(self.paths))
        order = np.random.default_rng([self.seed, epoch]).permutation(len(self.paths))
        images, labels, grids, silhouettes = _read(self.paths[order[number]])
        rng = np.random.default_rng([self.seed, turn, 1])
        chosen = rng.permutation(FILE_PICTURES)[place * BATCH_SIZE :][:BATCH_SIZE]
        outlines = np.unpackbits(silhouettes[chosen], axis=-1, count=images.shape[2]) * 255
        columns = labels[chosen].astype(np.int64)
        batch = PictureBatch(
            images[chosen],
            dict(zip(QUESTIONS, columns.T, strict=True)),
            {question: grid[chosen] for question, grid in grids.items()},
            outlines.astype(np.uint8),
        )
        return _with_silhouettes(batch, step, np.random.default_rng([self.seed, step, 2]))


def _with_silhouettes(batch: PictureBatch, step: int, rng: np.random.Generator) -> PictureBatch:
    """The photographs mixed with the silhouettes as the step wants it; where the colours are gone,
    questions about them are, too."""
    top = (step - N_SILHOUETTE_STEPS) / N_MIXED_STEPS
    count = len(batch.images)
    share = rng.uniform(top - SPREAD, top + SPREAD, count).clip(0, 1)
    gain = rng.uniform(*GAIN, (count, 1, 1, 3))
    assert batch.silhouettes is not None
    is_dark = rng.uniform(size=(count, 1, 1)) < DARK_SHARE
    cut_out = np.where(is_dark, 255 - batch.silhouettes, batch.silhouettes)
    weight = share[:, None, None, None]
    mixed = batch.images * gain * weight + cut_out[..., None] * (1 - weight)
    grey = share < SEEN_SHARE
    labels = {
        question: np.where(grey & (question in COLOUR_QUESTIONS), IGNORED, answers)
        for question, answers in batch.labels.items()
    }
    grids = {
        question: np.where((grey & ("colour" in question))[:, None, None], IGNORED, grid)
        for question, grid in batch.grids.items()
    }
    images = np.clip(mixed, 0, 255).astype(np.uint8)
    return PictureBatch(images, labels, grids, batch.silhouettes)


@lru_cache(maxsize=1)
def _read(path: Path) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray], np.ndarray]:
    seed, index = map(int, path.stem.split("-"))
    grids = grids_of(scenes_of_batch(seed, index, batch_size=FILE_PICTURES))
    with np.load(path) as stored:
        return stored["images"], stored["labels"], grids, stored["silhouettes"]


def drawn_pictures(seed: int) -> TrainingData:
    """The vision stage's data.

    Raises:
        FileNotFoundError: No pictures were drawn.
    """
    paths = tuple(sorted(picture_folder().glob("*.npz")))
    if not paths:
        raise FileNotFoundError(f"no pictures in {picture_folder()}; draw them first")
    return TrainingData(
        DrawnPictures(paths, seed), n_classes=QUESTIONS, n_grid_classes=GRID_QUESTIONS
    )


def held_out_small(seed: int) -> TrainingData:
    """Pictures of the evaluation's generator, of the same size."""

    def source(step: int) -> Iterator[PictureBatch]:
        return (picture_batch(seed, n, held_out=True, size=SIZE) for n in count(step))

    return TrainingData(source, n_classes=QUESTIONS, n_grid_classes=GRID_QUESTIONS)
