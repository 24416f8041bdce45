"""Pictures with what is to be told from each: the vision stage's batches, made from a seed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import count
from random import Random

import numpy as np

from model.training.batches import IGNORED, PictureBatch, TrainingData
from model.training.scenes import scene_sampler
from model.training.scenes.looks import EVAL_LOOK, TRAIN_LOOKS
from model.training.scenes.renderers import photograph_of
from model.training.scenes.scene import (
    COLOURS,
    EMPTY,
    MAX_OBJECTS,
    PLACES,
    SHAPES,
    SIZES,
    Scene,
    SceneObject,
)
from model.training.scenes.scene_sampler import ASPECT, SWAPS

BATCH_SIZE = 32
PICTURE_SIZE = (448, 336)
"""Width and height: the proportions of a camera at the resolution the model looks at."""
CLEARLY_LARGER = 1.3
"""How much larger the largest thing has to be to be called that."""
BOXES = ("square", "rectangle")
BOXES_SHARE = 0.25
"""Of all scenes, those whose things are all boxes. Where they were as rare as other shapes, one in
two rectangles was taken for a square after 61 minutes, and hardly anything else was mistaken."""
_KIND_WEIGHTS = {
    "single": 30,
    "alike": 36,
    "mixed": 70,
    "pair": 14,
    "sizes": 8,
    "cups": 7,
    "empty": 3,
    "crowd": 30,
}
NUMBER_QUESTIONS = "number of "
"""How the names of the questions begin whose class is how many there are of a kind."""


def number_question(kind: str) -> str:
    """The question how many things are of a colour, or of a shape."""
    return f"{NUMBER_QUESTIONS}{kind} {'things' if kind in COLOURS else 'shapes'}"


QUESTIONS: dict[str, int] = {
    "what there is": 3,
    "count": MAX_OBJECTS + 1,
    "colour of the largest": len(COLOURS),
    "shape of the largest": len(SHAPES),
    "place of the only thing": len(PLACES),
    "size of the only thing": len(SIZES),
    **{number_question(kind): MAX_OBJECTS + 1 for kind in (*COLOURS, *SHAPES)},
    **{f"colour at {place}": len(COLOURS) + 1 for place in PLACES},
    **{f"shape at {place}": len(SHAPES) + 1 for place in PLACES},
    **{f"colour of the {shape}": len(COLOURS) for shape in SHAPES},
    **{f"place of the {shape}": len(PLACES) for shape in SHAPES},
    **{f"shape in colour {colour}": len(SHAPES) for colour in COLOURS},
    "colour of the cups": len(COLOURS),
    "lifted cup": 4,
    "colour of the ball": len(COLOURS),
    "swapped cups": len(SWAPS) + 1,
}
"""Number of classes of each question. At a place the last class is nothing; the cup's and the
swap's last class is none."""
_NOTHING, _THINGS, _CUPS = range(3)
GRID_QUESTIONS: dict[str, int] = {
    "shape here": len(SHAPES) + 1,
    "colour here": len(COLOURS) + 1,
}
"""Number of classes of each question about every place; the last class is nothing."""
GRID_ROWS, GRID_COLUMNS = 42, 56


def labels_of(scene: Scene) -> dict[str, int]:
    """The right class of every question about a scene, ``IGNORED`` where it does not apply."""
    labels = dict.fromkeys(QUESTIONS, IGNORED)
    if scene.cups is not None:
        return labels | _cup_labels(scene)
    things = scene.objects
    if len(things) > MAX_OBJECTS:
        return labels
    labels["what there is"] = _THINGS if things else _NOTHING
    labels["count"] = len(things)
    for kind in (*COLOURS, *SHAPES):
        such = [thing for thing in things if kind in (thing.colour, thing.shape)]
        labels[number_question(kind)] = len(such)
    labels |= _place_labels(things) | _look_up_labels(things)
    by_extent = sorted(things, key=lambda thing: -thing.extent)
    if by_extent and all(
        by_extent[0].extent >= CLEARLY_LARGER * other.extent for other in by_extent[1:]
    ):
        labels["colour of the largest"] = COLOURS.index(by_extent[0].colour)
        labels["shape of the largest"] = SHAPES.index(by_extent[0].shape)
    if len(things) == 1:
        place, size = things[0].place, things[0].size
        labels["place of the only thing"] = PLACES.index(place) if place else IGNORED
        labels["size of the only thing"] = SIZES.index(size) if size else IGNORED
    return labels


def answers_about(scenes: Sequence[Scene]) -> dict[str, np.ndarray]:
    """The right class of every question, int64 ``[B]`` over the scenes."""
    answers = [labels_of(scene) for scene in scenes]
    return {
        question: np.array([answer[question] for answer in answers], dtype=np.int64)
        for question in QUESTIONS
    }


def _cup_labels(scene: Scene) -> dict[str, int]:
    cups = scene.cups
    assert cups is not None
    is_open = cups.open_cup is not None
    return {
        "what there is": _CUPS,
        "colour of the cups": COLOURS.index(cups.colour),
        "lifted cup": 3 if cups.open_cup is None else cups.open_cup,
        "colour of the ball": COLOURS.index(cups.ball_colour) if is_open else IGNORED,
        "swapped cups": len(SWAPS) if cups.swap is None else SWAPS.index(cups.swap),
    }


def _look_up_labels(things: tuple[SceneObject, ...]) -> dict[str, int]:
    """What is asked of one thing by what else is known of it, where it is the only such thing."""
    labels: dict[str, int] = {}
    for shape in SHAPES:
        such = [thing for thing in things if thing.shape == shape]
        if len(such) == 1:
            labels[f"colour of the {shape}"] = COLOURS.index(such[0].colour)
            if such[0].place:
                labels[f"place of the {shape}"] = PLACES.index(such[0].place)
    for colour in COLOURS:
        such = [thing for thing in things if thing.colour == colour]
        if len(such) == 1:
            labels[f"shape in colour {colour}"] = SHAPES.index(such[0].shape)
    return labels


def _place_labels(things: tuple[SceneObject, ...]) -> dict[str, int]:
    inside: dict[str, list[SceneObject]] = {place: [] for place in PLACES}
    doubtful: set[str] = set()
    for thing in things:
        spots = thing.ninths
        if len(spots) > 1:
            doubtful.update(spots)
        else:
            inside[spots[0]].append(thing)
    labels: dict[str, int] = {}
    for place, there in inside.items():
        known = place not in doubtful and len(there) <= 1
        colour = COLOURS.index(there[0].colour) if there else len(COLOURS)
        shape = SHAPES.index(there[0].shape) if there else len(SHAPES)
        labels[f"colour at {place}"] = colour if known else IGNORED
        labels[f"shape at {place}"] = shape if known else IGNORED
    return labels


def grids_of(scenes: Sequence[Scene]) -> dict[str, np.ndarray]:
    """What is at every place of each picture, int8 ``[B, R, C]``: things as their bounding boxes,
    cups unknown."""
    rows = (np.arange(GRID_ROWS) + 0.5) / GRID_ROWS
    columns = (np.arange(GRID_COLUMNS) + 0.5) / GRID_COLUMNS
    shapes = np.full((len(scenes), GRID_ROWS, GRID_COLUMNS), len(SHAPES), np.int8)
    colours = np.full_like(shapes, len(COLOURS))
    for index, scene in enumerate(scenes):
        if scene.cups is not None:
            shapes[index], colours[index] = IGNORED, IGNORED
        for thing in scene.objects:
            in_row = np.abs(rows - thing.y) < thing.extent / 2
            in_column = np.abs(columns - thing.x) * ASPECT < thing.extent / 2
            here = np.ix_([index], in_row, in_column)
            shapes[here] = SHAPES.index(thing.shape)
            colours[here] = COLOURS.index(thing.colour)
    return {"shape here": shapes, "colour here": colours}


def draw_scene(rng: Random) -> Scene:
    """A scene of any kind the domain shows; in many of them all things are boxes."""
    scene = _any_scene(rng)
    return _of_boxes(rng, scene) if rng.random() < BOXES_SHARE else scene


def _of_boxes(rng: Random, scene: Scene) -> Scene:
    """The same scene, but for the shapes of its things: a square or a rectangle each."""
    things = tuple(replace(thing, shape=rng.choice(BOXES)) for thing in scene.objects)
    return replace(scene, objects=things)


def _any_scene(rng: Random) -> Scene:
    kind = rng.choices(list(_KIND_WEIGHTS), list(_KIND_WEIGHTS.values()))[0]
    if kind == "single":
        return scene_sampler.single(rng)
    if kind == "alike":
        return scene_sampler.alike(rng, rng.randint(2, MAX_OBJECTS))
    if kind == "mixed":
        return scene_sampler.mixed(rng, rng.randint(2, MAX_OBJECTS))
    if kind == "pair":
        return scene_sampler.pair(rng)
    if kind == "sizes":
        return scene_sampler.sized_pair(rng)
    if kind == "cups":
        return rng.choice(scene_sampler.cup_game(rng, 3).scenes)
    if kind == "crowd":
        return scene_sampler.crowd(rng)
    return EMPTY


def picture_batch(
    seed: int,
    step: int,
    *,
    held_out: bool = False,
    batch_size: int = BATCH_SIZE,
    size: tuple[int, int] = PICTURE_SIZE,
) -> PictureBatch:
    """One batch; the same for the same seed and step.

    Args:
        seed: Of all batches.
        step: Number of this one.
        held_out: Whether it is drawn with the evaluation's look and seeds.
        batch_size: Pictures in it.
        size: Width and height of each.
    """
    rng = _rng(seed, step, held_out)
    scenes = [draw_scene(rng) for _ in range(batch_size)]
    photographs = []
    for scene in scenes:
        look = EVAL_LOOK if held_out else rng.choice(TRAIN_LOOKS)
        style_seed = 2 * rng.getrandbits(48) + held_out
        # In a call the background suits things that are not in view now, too.
        others = rng.sample(COLOURS, rng.randint(0, 3))
        colours = sorted({*scene.colours, *others})
        photographs.append(photograph_of(scene, look, style_seed, colours=colours, size=size))
    images = np.stack([each.frame for each in photographs])
    silhouettes = np.stack([each.silhouette for each in photographs])
    return PictureBatch(images, answers_about(scenes), grids_of(scenes), silhouettes)


def scenes_of_batch(
    seed: int, step: int, *, held_out: bool = False, batch_size: int = BATCH_SIZE
) -> list[Scene]:
    """What the pictures of a batch show."""
    rng = _rng(seed, step, held_out)
    return [draw_scene(rng) for _ in range(batch_size)]


def _rng(seed: int, step: int, held_out: bool) -> Random:
    return Random(f"pictures {seed} {step} {held_out}")


def training_pictures(seed: int) -> TrainingData:
    """The vision stage's endless batches."""
    return _data(seed, held_out=False)


def held_out_pictures(seed: int) -> TrainingData:
    """Batches to evaluate with: another generator, other seeds."""
    return _data(seed, held_out=True)


def _data(seed: int, *, held_out: bool) -> TrainingData:
    def source(step: int) -> Iterator[PictureBatch]:
        return (picture_batch(seed, number, held_out=held_out) for number in count(step))

    return TrainingData(source, n_classes=QUESTIONS, n_grid_classes=GRID_QUESTIONS)
