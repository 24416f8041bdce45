"""Things seen, in words."""

from __future__ import annotations

from random import Random

import pytest

from model.training.domain.wording import (
    NOTHING,
    counted,
    descriptions,
    listed,
    place_phrase,
    plural,
    relation_answers,
    sentence,
    with_article,
)
from model.training.scenes import scene_sampler
from model.training.scenes.scene import EMPTY, Scene, SceneObject

pytestmark = pytest.mark.unit


def test_articles_and_plurals() -> None:
    assert with_article("orange star") == "an orange star"
    assert with_article("red circle") == "a red circle"
    assert plural("red cross") == "red crosses"
    assert counted("red circle", 1) == "a red circle"
    assert counted("red circle", 3) == "three red circles"


def test_places_and_lists_are_spoken_english() -> None:
    assert place_phrase("middle") == "in the middle"
    assert place_phrase("left") == "on the left"
    assert place_phrase("top left") == "at the top left"
    assert listed(["a", "b", "c"]) == "a, b and c"
    assert sentence("red") == "Red."


def test_a_pair_may_be_named_in_either_order() -> None:
    scene = Scene(
        (SceneObject("red", "circle", 0.2, 0.5, 0.2), SceneObject("blue", "star", 0.8, 0.5, 0.2))
    )
    assert set(descriptions(scene)) == {
        "I see a red circle and a blue star.",
        "A red circle and a blue star.",
        "I see a blue star and a red circle.",
        "A blue star and a red circle.",
    }
    mirrored = Scene(tuple(reversed(scene.objects)))
    left_first = "I see a red circle and a blue star."
    assert descriptions(scene)[0] == descriptions(mirrored)[0] == left_first
    assert relation_answers(*scene.objects, "left of")[0] == "It is left of the blue star."


def test_nothing_and_cups_have_their_own_words() -> None:
    assert descriptions(EMPTY) == NOTHING
    assert "Three cups." in descriptions(scene_sampler.cup_game(Random(0), 1).scenes[-1])


def test_too_many_kinds_of_things_are_not_listed() -> None:
    things = tuple(
        SceneObject(colour, "circle", 0.5, 0.5, 0.1) for colour in ("red", "blue", "green", "pink")
    )
    with pytest.raises(ValueError, match="too many"):
        descriptions(Scene(things))
