"""The vision stage's batches."""

from __future__ import annotations

from collections import Counter
from random import Random

import numpy as np
import pytest

from model.training.batches import IGNORED
from model.training.scenes.picture_batches import (
    BOXES,
    BOXES_SHARE,
    GRID_COLUMNS,
    GRID_ROWS,
    PICTURE_SIZE,
    QUESTIONS,
    draw_scene,
    grids_of,
    held_out_pictures,
    labels_of,
    picture_batch,
    scenes_of_batch,
    training_pictures,
)
from model.training.scenes.scene import COLOURS, EMPTY, PLACES, SHAPES, Cups, Scene, SceneObject
from model.training.scenes.scene_sampler import ASPECT, crowd

pytestmark = pytest.mark.unit


def thing(colour: str, shape: str, x: float, y: float, extent: float = 0.2) -> SceneObject:
    return SceneObject(colour, shape, x, y, extent)


def test_a_single_thing_answers_every_question_about_things() -> None:
    labels = labels_of(Scene((thing("blue", "star", 0.8, 0.2),)))
    assert labels["count"] == 1
    assert COLOURS[labels["colour of the largest"]] == "blue"
    assert SHAPES[labels["shape of the largest"]] == "star"
    assert PLACES[labels["place of the only thing"]] == "top right"
    assert COLOURS[labels["colour at top right"]] == "blue"
    assert labels["colour at left"] == len(COLOURS)
    assert labels["number of blue things"] == 1 and labels["number of red things"] == 0
    assert labels["lifted cup"] == IGNORED


def test_nothing_is_called_the_largest_that_is_not_clearly_so() -> None:
    near = Scene((thing("red", "circle", 0.2, 0.5, 0.2), thing("blue", "star", 0.8, 0.5, 0.22)))
    clear = Scene((thing("red", "circle", 0.2, 0.5, 0.2), thing("blue", "star", 0.8, 0.5, 0.4)))
    assert labels_of(near)["colour of the largest"] == IGNORED
    assert COLOURS[labels_of(clear)["colour of the largest"]] == "blue"
    assert labels_of(clear)["place of the only thing"] == IGNORED


def test_a_thing_between_two_ninths_answers_for_neither() -> None:
    labels = labels_of(Scene((thing("red", "circle", 0.35, 0.5),)))
    assert labels["colour at left"] == labels["colour at middle"] == IGNORED
    assert labels["colour at right"] == len(COLOURS)


def test_one_thing_is_looked_up_by_what_it_alone_has() -> None:
    pair = Scene((thing("red", "star", 0.2, 0.2), thing("red", "heart", 0.8, 0.5)))
    labels = labels_of(pair)
    assert COLOURS[labels["colour of the star"]] == COLOURS[labels["colour of the heart"]] == "red"
    assert PLACES[labels["place of the star"]] == "top left"
    assert PLACES[labels["place of the heart"]] == "right"
    assert labels["shape in colour red"] == labels["colour of the circle"] == IGNORED
    alone = labels_of(Scene((thing("red", "star", 0.35, 0.2),)))
    assert SHAPES[alone["shape in colour red"]] == "star"
    assert alone["place of the star"] == IGNORED


def test_two_things_in_one_ninth_are_not_asked_for() -> None:
    scene = Scene((thing("red", "circle", 0.15, 0.2, 0.1), thing("blue", "star", 0.25, 0.2, 0.1)))
    assert labels_of(scene)["shape at top left"] == IGNORED


def test_cups_and_empty_pictures_have_their_own_labels() -> None:
    cups = labels_of(Scene(cups=Cups("red", "white", open_cup=2)))
    assert (cups["what there is"], cups["lifted cup"], cups["count"]) == (2, 2, IGNORED)
    assert COLOURS[cups["colour of the ball"]] == "white"
    closed = labels_of(Scene(cups=Cups("red", "white", swap=(0, 2))))
    assert (closed["lifted cup"], closed["swapped cups"]) == (3, 2)
    assert closed["colour of the ball"] == IGNORED
    empty = labels_of(EMPTY)
    assert (empty["what there is"], empty["count"]) == (0, 0)


def test_every_class_of_every_question_occurs_and_none_beyond() -> None:
    rng = Random(0)
    seen = {question: Counter[int]() for question in QUESTIONS}
    for _ in range(12_000):
        for question, label in labels_of(draw_scene(rng)).items():
            seen[question][label] += 1
    for question, labels in seen.items():
        classes = set(labels) - {IGNORED}
        assert classes <= set(range(QUESTIONS[question])), question
        if not question.startswith("number of"):
            assert classes == set(range(QUESTIONS[question])), question


def test_in_many_pictures_everything_is_a_square_or_a_rectangle() -> None:
    scenes = [draw_scene(Random(seed)) for seed in range(400)]
    several = [scene for scene in scenes if len(scene.objects) > 1]
    of_boxes = [s for s in several if {thing.shape for thing in s.objects} <= set(BOXES)]
    assert abs(len(of_boxes) / len(several) - BOXES_SHARE) < 0.12
    assert {thing.shape for scene in of_boxes for thing in scene.objects} == set(BOXES)


def test_a_batch_depends_on_seed_and_step_alone() -> None:
    batch = picture_batch(1, 5, batch_size=3, size=(80, 60))
    again = picture_batch(1, 5, batch_size=3, size=(80, 60))
    other = picture_batch(1, 6, batch_size=3, size=(80, 60))
    np.testing.assert_array_equal(batch.images, again.images)
    assert (batch.images != other.images).any()
    assert batch.images.shape == (3, 60, 80, 3) and batch.images.dtype == np.uint8
    assert all(
        labels.shape == (3,) and labels.dtype == np.int64 for labels in batch.labels.values()
    )


def test_training_and_evaluation_get_other_pictures_and_the_same_questions() -> None:
    train, held_out = training_pictures(0), held_out_pictures(0)
    assert train.n_classes == held_out.n_classes == QUESTIONS
    first = next(iter(train.source(2)))
    assert first.images.shape[1:3] == PICTURE_SIZE[::-1]
    np.testing.assert_array_equal(first.images, picture_batch(0, 2).images)
    scene_free = picture_batch(0, 2, held_out=True, batch_size=2, size=(80, 60))
    assert (scene_free.images != picture_batch(0, 2, batch_size=2, size=(80, 60)).images).any()


def test_a_grid_says_what_is_at_every_place() -> None:
    thing = SceneObject("red", "star", 0.25, 0.5, 0.4)
    grids = grids_of([Scene((thing,)), EMPTY, Scene(cups=Cups("red", "blue"))])
    shapes, colours = grids["shape here"], grids["colour here"]
    assert shapes.shape == colours.shape == (3, GRID_ROWS, GRID_COLUMNS)
    star, nothing = SHAPES.index("star"), len(SHAPES)
    assert shapes[0, GRID_ROWS // 2, GRID_COLUMNS // 4] == star
    assert colours[0, GRID_ROWS // 2, GRID_COLUMNS // 4] == COLOURS.index("red")
    assert shapes[0, 0, 0] == nothing == shapes[1].max() == shapes[1].min()
    # As wide as it is high, in a picture that is not.
    rows, columns = (shapes[0] == star).any(axis=1).sum(), (shapes[0] == star).any(axis=0).sum()
    assert abs(rows / GRID_ROWS - columns / GRID_COLUMNS * ASPECT) < 0.05
    assert (shapes[2] == IGNORED).all()


def test_a_batch_shows_the_scenes_of_its_seed() -> None:
    batch = picture_batch(3, 1, batch_size=4, size=(56, 42))
    scenes = scenes_of_batch(3, 1, batch_size=4)
    for question, grid in grids_of(scenes).items():
        assert np.array_equal(batch.grids[question], grid)


def test_silhouettes_are_where_the_things_are() -> None:
    batch = picture_batch(5, 0, batch_size=12, size=(112, 84))
    assert batch.silhouettes is not None and batch.silhouettes.shape == (12, 84, 112)
    assert set(np.unique(batch.silhouettes)) <= {0, 255}
    n_inside = n_found = 0
    for outline, grid in zip(batch.silhouettes, batch.grids["shape here"], strict=True):
        here = (grid != IGNORED) & (grid != len(SHAPES))
        inside = outline[::2, ::2][: here.shape[0], : here.shape[1]] > 0
        if here.any():
            n_inside, n_found = n_inside + inside.sum(), n_found + (inside & here).sum()
            assert (inside & here).sum() > 0.75 * inside.sum()
    assert n_found > 0.9 * n_inside, "bounding boxes hold their things, but for the camera's turn"


def test_a_crowd_teaches_what_is_where_and_nothing_else() -> None:
    scene = crowd(Random(1))
    assert len(scene.objects) >= 6
    assert set(labels_of(scene).values()) == {IGNORED}
    assert len(np.unique(grids_of([scene])["colour here"])) > 3
