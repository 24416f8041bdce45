"""Names, sizes, places and relations of what a picture shows."""

from __future__ import annotations

import pytest

from model.training.scenes.scene import EMPTY, PLACES, Cups, Scene, SceneObject, relation_of

pytestmark = pytest.mark.unit


def thing(x: float = 0.5, y: float = 0.5, extent: float = 0.2) -> SceneObject:
    return SceneObject("red", "circle", x, y, extent)


def test_a_thing_is_called_by_colour_and_shape() -> None:
    assert thing().name == "red circle"


@pytest.mark.parametrize(("extent", "size"), [(0.2, "small"), (0.5, "big"), (0.35, None)])
def test_size_is_named_only_where_people_agree(extent: float, size: str | None) -> None:
    assert thing(extent=extent).size == size


def test_places_are_ninths_with_doubt_between_them() -> None:
    centres = [thing(x, y).place for y in (0.2, 0.5, 0.8) for x in (0.2, 0.5, 0.8)]
    assert centres == list(PLACES)
    assert thing(x=0.35).place is None


def test_the_larger_distance_decides_the_relation() -> None:
    assert relation_of(thing(0.2, 0.4), thing(0.8, 0.5)) == "left of"
    assert relation_of(thing(0.8, 0.4), thing(0.2, 0.5)) == "right of"
    assert relation_of(thing(0.5, 0.2), thing(0.6, 0.8)) == "above"
    assert relation_of(thing(0.5, 0.8), thing(0.6, 0.2)) == "below"


def test_a_hidden_ball_counts_among_the_colours() -> None:
    assert Scene((thing(), thing())).colours == {"red"}
    assert Scene(cups=Cups("red", "white")).colours == {"red", "white"}
    assert EMPTY.colours == frozenset()


def test_only_a_scene_without_objects_and_cups_is_empty() -> None:
    assert EMPTY.is_empty
    assert not Scene((thing(),)).is_empty
    assert not Scene(cups=Cups("red", "white")).is_empty
