"""An answer looks at the thing that tells its words."""

from __future__ import annotations

import pytest

from model.training.batches import SeenWord
from model.training.domain.exchange import Exchange
from model.training.named_numbers import ALL_THINGS, FIRST_COLOUR, FIRST_SHAPE
from model.training.recipe.looking import looks, words_seen
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


def counting(intent: str, question: str, answer: str) -> Exchange:
    return Exchange(question, (answer,), answer, intent, "numbers")


COLOURED = Scene((STAR, HEART, SceneObject("blue", "star", 0.8, 0.8, 0.2)))


def test_how_many_there_are_is_told_by_the_vector_that_names_it() -> None:
    asked = counting("see_count", "how many things do you see", "There are three.")
    assert looks(asked, asked.reply, [COLOURED]) == (SeenWord(10, 15, ALL_THINGS),)
    assert looks(asked, "How many things do you see?", [COLOURED]) == ()


@pytest.mark.parametrize(
    ("things", "vector"),
    [("blue things", FIRST_COLOUR + 1), ("red things", FIRST_COLOUR), ("stars", FIRST_SHAPE)],
)
def test_how_many_of_a_kind_by_the_one_that_names_the_kind(things: str, vector: int) -> None:
    asked = counting("see_count_of", f"how many {things} are there", "There are two.")
    assert looks(asked, asked.reply, [COLOURED]) == (SeenWord(10, 13, vector),)
    word = things.split()[0]
    assert looks(asked, f"How many {things}?", [COLOURED]) == (SeenWord(9, 9 + len(word), vector),)


def test_of_what_is_not_there_nothing_tells_a_number() -> None:
    asked = counting("see_count_of", "how many green things are there", "There are none.")
    assert looks(asked, asked.reply, [COLOURED]) == ()
    assert looks(asked, "How many green things are there?", [COLOURED]) == ()
    nothing = counting("see_count", "how many things", "I see nothing.")
    assert looks(nothing, nothing.reply, [EMPTY]) == looks(nothing, nothing.reply, []) == ()


def test_all_else_is_looked_up_where_it_is() -> None:
    asked = counting("see_colour_of", "which colour is the heart", "The heart is blue.")
    assert looks(asked, asked.reply, [COLOURED]) == words_seen(asked.reply, [COLOURED])
    assert looks(asked, asked.reply, [COLOURED])


def listing(answer: str) -> Exchange:
    return Exchange("what do you see", (answer,), answer, "see_all", "the picture")


RED, STARS = FIRST_COLOUR, FIRST_SHAPE
OTHER_STAR = SceneObject("red", "star", 0.8, 0.8, 0.2)


def test_several_things_that_are_alike_are_told_by_the_vectors_that_name_their_kinds() -> None:
    asked = listing("I see two red stars and a blue heart.")
    assert looks(asked, asked.reply, [Scene((STAR, OTHER_STAR, HEART))]) == (
        SeenWord(26, 30, RIGHT),
        SeenWord(31, 36, RIGHT),
        SeenWord(6, 9, RED),
        SeenWord(10, 13, RED),
        SeenWord(14, 19, STARS),
    )


def test_their_number_is_looked_up_where_it_is_theirs() -> None:
    red_heart = SceneObject("red", "heart", 0.2, 0.8, 0.2)
    asked = listing("I see two red stars and a red heart.")
    several = looks(asked, asked.reply, [Scene((STAR, OTHER_STAR, red_heart))])[-3:]
    assert [word.vector for word in several] == [STARS, RED, STARS], "of three red things"
    blue_star = SceneObject("blue", "star", 0.5, 0.5, 0.2)
    asked = listing("I see two red stars, a red heart and a blue star.")
    several = looks(asked, asked.reply, [Scene((STAR, OTHER_STAR, red_heart, blue_star))])[-2:]
    assert [word.vector for word in several] == [RED, STARS], "three are red, three are stars"


def test_in_no_picture_nothing_is_looked_up() -> None:
    asked = listing("I see two red stars.")
    assert looks(asked, asked.reply, []) == ()
