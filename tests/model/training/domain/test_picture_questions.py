"""Questions about the picture."""

from __future__ import annotations

from random import Random

import pytest

from model.training.domain.domain import intent_named
from model.training.domain.exchange import Exchange, SceneNeed, Split, is_right
from model.training.domain.numbers import word_of
from model.training.domain.picture_questions import PICTURE
from model.training.domain.wording import NO_PICTURE, NOTHING
from model.training.scenes.scene import COLOURS, SHAPES, relation_of

pytestmark = pytest.mark.unit


def drawn(name: str, count: int = 120) -> list[tuple[Exchange, SceneNeed]]:
    """Exchanges that show something."""
    exchanges = [intent_named(name).draw(Random(seed), Split.TRAIN) for seed in range(count)]
    return [(e, e.needs) for e in exchanges if e.needs and not e.needs.scene.is_empty]


def test_the_colour_in_view_is_the_only_right_one() -> None:
    for exchange, need in drawn("see_colour"):
        for colour in COLOURS:
            right = colour == need.scene.objects[0].colour
            assert is_right(f"It is {colour}", exchange) == right


def test_the_shape_in_view_is_the_only_right_one() -> None:
    for exchange, need in drawn("see_shape"):
        for shape in SHAPES:
            assert is_right(f"a {shape}", exchange) == (shape == need.scene.objects[0].shape)


def test_the_colour_asked_for_is_that_of_the_named_shape() -> None:
    for exchange, need in drawn("see_colour_of"):
        thing = next(t for t in need.scene.objects if t.shape in exchange.question.split())
        assert is_right(thing.colour, exchange)


def test_things_are_counted() -> None:
    seen = set()
    for exchange, need in drawn("see_count"):
        count = len(need.scene.objects)
        assert is_right(word_of(count), exchange)
        assert not is_right(word_of(count + 1), exchange)
        seen.add(count)
    assert seen == {1, 2, 3, 4, 5}


def test_only_what_was_asked_for_is_counted() -> None:
    for exchange, need in drawn("see_count_of"):
        words = exchange.question.split()
        count = sum(
            f"{thing.colour} things" in exchange.question
            or f"{thing.shape}s" in words
            or f"{thing.shape}es" in words
            for thing in need.scene.objects
        )
        assert is_right(word_of(count) if count else "none", exchange), exchange


def test_places_and_sizes_are_those_of_the_thing() -> None:
    for exchange, need in drawn("see_place"):
        assert (need.scene.objects[0].place or "?") in exchange.answers[0]
    for exchange, need in drawn("see_size"):
        assert is_right(f"it is {need.scene.objects[0].size}", exchange)


def test_yes_means_that_the_whole_name_is_in_view() -> None:
    said = []
    for exchange, need in drawn("see_there", 300):
        there = any(thing.name in exchange.question for thing in need.scene.objects)
        assert is_right("Yes.", exchange) == there
        assert is_right("No.", exchange) != there
        said.append(there)
    assert 0.35 < sum(said) / len(said) < 0.75


def test_relations_are_seen_from_the_second_thing() -> None:
    for name in ("see_relation", "see_is_related", "see_neighbour"):
        for exchange, need in drawn(name):
            first, second = need.scene.objects
            if name == "see_neighbour":
                asked = second if second.name in exchange.question else first
                other = first if asked is second else second
                assert relation_of(other, asked) in exchange.question
                assert is_right(f"the {other.name}", exchange)
            elif name == "see_relation":
                answers = {f"it is {relation_of(first, second)} the {second.name}"}
                answers.add(f"it is {relation_of(second, first)} the {first.name}")
                assert sum(is_right(answer, exchange) for answer in answers) == 1


def test_the_bigger_one_is_the_bigger_one() -> None:
    for exchange, need in drawn("see_bigger"):
        big, small = need.scene.objects
        assert is_right(f"the {big.name}", exchange) == ("bigger" in exchange.question)
        assert is_right(f"the {small.name}", exchange) == ("smaller" in exchange.question)


def test_an_empty_picture_and_no_picture_have_their_answers() -> None:
    kinds = set()
    for seed in range(400):
        exchange = intent_named("see_colour").draw(Random(seed), Split.TRAIN)
        if exchange.needs is None:
            assert exchange.answers == NO_PICTURE
            kinds.add("no picture")
        elif exchange.needs.scene.is_empty:
            assert exchange.answers == NOTHING
            kinds.add("nothing")
    assert kinds == {"no picture", "nothing"}


@pytest.mark.parametrize("intent", PICTURE, ids=lambda intent: intent.name)
def test_every_intent_has_sentences_in_both_splits(intent) -> None:
    for split in Split:
        assert len({intent.draw(Random(seed), split).question for seed in range(60)}) >= 5
