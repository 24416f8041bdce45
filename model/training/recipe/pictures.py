"""Pictures for the vision stage, drawn once and looked at several times."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from pathlib import Path

import numpy as np
from PIL import Image

from model.training.batches import IGNORED, PictureBatch, TrainingData
from model.training.recipe.folders import training_folder
from model.training.scenes.picture_batches import (
    GRID_QUESTIONS,
    QUESTIONS,
    answers_about,
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
HELD_UP_SHARE = 0.4
"""Of the pictures, those held into the camera: what they show is where it was, but for a little."""
HELD_UP_REACH = (-0.015, 0.05)
"""How far a corner then is from the picture's border, as a fraction of its sides; what is behind
shows where that is above 0."""
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
    scratch = path.with_suffix(".part")
    with scratch.open("wb") as file:
        np.savez(
            file,
            images=batch.images,
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
    silhouettes_first: bool = True
    """Whether shapes are still to be learnt."""

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
        held_up = _held_up(images[chosen], outlines, np.random.default_rng([self.seed, step, 3]))
        batch = PictureBatch(
            held_up[0],
            {question: answers[chosen] for question, answers in labels.items()},
            {question: grid[chosen] for question, grid in grids.items()},
            held_up[1],
        )
        if not self.silhouettes_first:
            step += N_SILHOUETTE_STEPS + 2 * N_MIXED_STEPS
        return _with_silhouettes(batch, step, np.random.default_rng([self.seed, step, 2]))


def _held_up(
    images: np.ndarray, silhouettes: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Some of the pictures as sheets before a camera, and their silhouettes; behind each there is
    what is left of another picture out of focus."""
    images, silhouettes = images.copy(), silhouettes.copy()
    height, width = images.shape[1:3]
    size = width, height
    outward = np.array([[-1, -1], [-1, 1], [1, 1], [1, -1]])  # Pillow's order of corners
    corners = np.array([[0, 0], [0, height], [width, height], [width, 0]])
    for index in np.flatnonzero(rng.uniform(size=len(images)) < HELD_UP_SHARE):
        behind = Image.fromarray(images[rng.integers(len(images))]).rotate(180)
        behind = behind.resize((8, 6), Image.Resampling.BOX).resize(size, Image.Resampling.BILINEAR)
        held = corners + outward * rng.uniform(*HELD_UP_REACH, (4, 2)) * size
        sheet = _seen_from(held, Image.new("L", size, 255))
        picture, outline = (
            _seen_from(held, Image.fromarray(part[index])) for part in (images, silhouettes)
        )
        images[index] = np.asarray(Image.composite(picture, behind, sheet))
        silhouettes[index] = np.asarray(outline)
    return images, silhouettes


def _seen_from(corners: np.ndarray, picture: Image.Image) -> Image.Image:
    """What of the picture is within the corners ``[4, 2]``, as large as the picture."""
    quad, smooth = Image.Transform.QUAD, Image.Resampling.BILINEAR
    return picture.transform(picture.size, quad, tuple(corners.flatten()), smooth)


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
def _read(
    path: Path,
) -> tuple[np.ndarray, dict[str, np.ndarray], dict[str, np.ndarray], np.ndarray]:
    seed, index = map(int, path.stem.split("-"))
    scenes = scenes_of_batch(seed, index, batch_size=FILE_PICTURES)
    with np.load(path) as stored:
        return stored["images"], answers_about(scenes), grids_of(scenes), stored["silhouettes"]


def drawn_pictures(seed: int) -> TrainingData:
    """The vision stage's data.

    Raises:
        FileNotFoundError: No pictures were drawn.
    """
    return _data(DrawnPictures(_files(), seed))


def photographs(seed: int) -> TrainingData:
    """The same for a tower that knows shapes: no silhouettes.

    Raises:
        FileNotFoundError: No pictures were drawn.
    """
    return _data(DrawnPictures(_files(), seed, silhouettes_first=False))


def _files() -> tuple[Path, ...]:
    paths = tuple(sorted(picture_folder().glob("*.npz")))
    if not paths:
        raise FileNotFoundError(f"no pictures in {picture_folder()}; draw them first")
    return paths


def _data(source: Callable[[int], Iterable[PictureBatch]]) -> TrainingData:
    return TrainingData(source, n_classes=QUESTIONS, n_grid_classes=GRID_QUESTIONS)


def held_out_small(seed: int) -> TrainingData:
    """Pictures of the evaluation's generator, of the same size."""

    def source(step: int) -> Iterator[PictureBatch]:
        return (picture_batch(seed, n, held_out=True, size=SIZE) for n in count(step))

    return _data(source)
