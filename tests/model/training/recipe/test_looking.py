"""An answer looks at the thing that tells its words."""

from __future__ import annotations

import pytest

from model.training.batches import SeenWord
from model.training.recipe.looking import words_seen
from model.training.scenes.scene import EMPTY, PLACES, Scene, SceneObject

pytestmark = pytest.mark.unit

STAR = SceneObject("red", "star", 0.2, 0.2, 0.2)
HEART = SceneObject("blue", "heart", 0.8, 0.5, 0.2)
TOP_LEFT, RIGHT = PLACES.index("top left"), PLACES.index("right")


def test_colours_and_shapes_are_looked_up_where_they_are() -> None:
    found = words_seen("The star is red, the heart blue.", Scene((STAR, HEART)))
    assert found == (
        SeenWord(4, 8, TOP_LEFT),
        SeenWord(12, 15, TOP_LEFT),
        SeenWord(21, 26, RIGHT),
        SeenWord(27, 31, RIGHT),
    )


def test_what_two_things_share_or_none_has_is_nowhere() -> None:
    twins = Scene((STAR, SceneObject("red", "heart", 0.8, 0.8, 0.2)))
    assert words_seen("Red.", twins) == ()
    assert words_seen("No, there is no green star.", EMPTY) == ()
    assert [word.vector for word in words_seen("The star.", twins)] == [TOP_LEFT]


def test_a_thing_between_two_ninths_is_nowhere() -> None:
    between = SceneObject("red", "star", 0.35, 0.2, 0.2)
    assert words_seen("It is red.", Scene((between,))) == ()
