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
    found = words_seen("The star is red, the heart blue.", [Scene((STAR, HEART))])
    assert found == (
        SeenWord(4, 8, TOP_LEFT),
        SeenWord(12, 15, TOP_LEFT),
        SeenWord(21, 26, RIGHT),
        SeenWord(27, 31, RIGHT),
    )


def test_what_two_things_share_or_none_has_is_nowhere() -> None:
    twins = Scene((STAR, SceneObject("red", "heart", 0.8, 0.8, 0.2)))
    assert words_seen("Red.", [twins]) == ()
    assert words_seen("No, there is no green star.", [EMPTY]) == ()
    assert [word.vector for word in words_seen("The star.", [twins])] == [TOP_LEFT]


def test_a_thing_on_the_border_of_two_ninths_is_nowhere() -> None:
    def at(x: float) -> Scene:
        return Scene((SceneObject("red", "star", x, 0.2, 0.2),))

    assert words_seen("It is red.", [at(0.35)]) == ()
    assert [word.vector for word in words_seen("It is red.", [at(0.3)])] == [TOP_LEFT]


def test_what_is_gone_is_looked_up_in_the_newest_picture_that_has_it() -> None:
    shown = [EMPTY, Scene((HEART,)), Scene((STAR, HEART)), Scene((STAR,))]
    assert words_seen("The red star is gone.", shown) == (
        SeenWord(4, 7, TOP_LEFT, 2),
        SeenWord(8, 12, TOP_LEFT, 2),
    )
    assert words_seen("Blue.", shown) == (SeenWord(0, 4, RIGHT, 1),)
