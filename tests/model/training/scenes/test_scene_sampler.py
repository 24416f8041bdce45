"""Sampled scenes are what was asked for, within the picture and without overlap."""

from __future__ import annotations

from itertools import combinations
from random import Random

import pytest

from model.training.scenes import scene_sampler
from model.training.scenes.scene import PLACES, RELATIONS, SIZES, Scene, relation_of
from model.training.scenes.scene_sampler import ASPECT, CHANGES, ChangeKind, SceneSpaceError

pytestmark = pytest.mark.unit
SEEDS = range(40)


def assert_drawable(scene: Scene) -> None:
    for thing in scene.objects:
        half = thing.extent / 2
        assert half / ASPECT <= thing.x <= 1 - half / ASPECT
        assert half <= thing.y <= 1 - half
    for first, second in combinations(scene.objects, 2):
        dx, dy = (first.x - second.x) * ASPECT, first.y - second.y
        assert (dx * dx + dy * dy) ** 0.5 > (first.extent + second.extent) / 2


@pytest.mark.parametrize("place", PLACES)
def test_a_single_thing_is_where_it_was_asked_for(place: str) -> None:
    for seed in SEEDS:
        scene = scene_sampler.single(Random(seed), colour="red", place=place)
        assert_drawable(scene)
        assert scene.objects[0].place == place
        assert scene.objects[0].colour == "red"


@pytest.mark.parametrize("size", SIZES)
def test_a_single_thing_has_the_size_asked_for(size: str) -> None:
    for seed in SEEDS:
        scene = scene_sampler.single(Random(seed), size=size)
        assert_drawable(scene)
        assert scene.objects[0].size == size


@pytest.mark.parametrize("count", range(1, 6))
def test_several_things_do_not_overlap(count: int) -> None:
    for seed in SEEDS:
        for scene in (
            scene_sampler.alike(Random(seed), count),
            scene_sampler.mixed(Random(seed), count),
        ):
            assert len(scene.objects) == count
            assert_drawable(scene)


def test_things_alike_share_their_name() -> None:
    assert len({thing.name for thing in scene_sampler.alike(Random(1), 5).objects}) == 1


def test_a_layout_that_is_too_full_is_refused() -> None:
    with pytest.raises(SceneSpaceError, match="fewer"):
        scene_sampler.alike(Random(0), 60)


@pytest.mark.parametrize("relation", RELATIONS)
def test_a_pair_has_the_relation_asked_for(relation: str) -> None:
    for seed in SEEDS:
        scene = scene_sampler.pair(Random(seed), relation)
        assert_drawable(scene)
        first, second = scene.objects
        assert relation_of(first, second) == relation
        assert first.colour != second.colour
        assert first.shape != second.shape


def test_the_first_of_a_sized_pair_is_bigger_on_either_side() -> None:
    sides = set()
    for seed in SEEDS:
        scene = scene_sampler.sized_pair(Random(seed))
        assert_drawable(scene)
        first, second = scene.objects
        assert first.extent > 1.9 * second.extent
        sides.add(first.x < second.x)
    assert sides == {True, False}


@pytest.mark.parametrize("kind", CHANGES)
def test_a_change_is_the_only_difference(kind: ChangeKind) -> None:
    for seed in SEEDS:
        change = scene_sampler.change(Random(seed), kind)
        assert_drawable(change.before)
        assert_drawable(change.after)
        before, after = change.before.objects, change.after.objects
        differs = {
            "colour": before[0].colour != after[0].colour,
            "shape": before[0].shape != after[0].shape,
            "size": before[0].size != after[0].size,
            "place": before[0].place != after[0].place and kind != "size",
            "added": len(after) > len(before),
            "removed": len(after) < len(before),
        }
        if kind in ("added", "removed"):
            differs |= dict.fromkeys(("size", "place"), False)
        assert [name for name, yes in differs.items() if yes] == ([] if kind == "none" else [kind])


def test_a_parade_shows_different_colours_and_shapes() -> None:
    scenes = scene_sampler.parade(Random(3), 5)
    things = [scene.objects[0] for scene in scenes]
    assert len({thing.colour for thing in things}) == len({thing.shape for thing in things}) == 5


def test_the_ball_of_a_cup_game_follows_the_swaps() -> None:
    ends = set()
    for seed in SEEDS:
        game = scene_sampler.cup_game(Random(seed), 4)
        row = ["", "", ""]
        row[game.start] = "ball"
        for scene in game.scenes:
            assert scene.cups is not None
            if scene.cups.swap:
                first, second = scene.cups.swap
                row[first], row[second] = row[second], row[first]
        assert row[game.end] == "ball"
        first_cups = game.scenes[0].cups
        assert first_cups is not None and first_cups.open_cup == game.start
        ends.add(game.end)
    assert ends == {0, 1, 2}


def test_one_seed_gives_one_scene() -> None:
    assert scene_sampler.mixed(Random(7), 4) == scene_sampler.mixed(Random(7), 4)
