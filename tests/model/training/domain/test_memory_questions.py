"""Questions about the past."""

from __future__ import annotations

from random import Random

import pytest

from model.training.domain.domain import intent_named
from model.training.domain.exchange import Exchange, Split, answered, is_right
from model.training.domain.memory_questions import SLOW_RATE, change_answers
from model.training.domain.numbers import word_of
from model.training.scenes import scene_sampler
from model.training.scenes.scene import CUPS, Scene

pytestmark = pytest.mark.unit
SEEDS = range(120)


def said(question: str, answer: str, topic: str, is_question: bool = True) -> Exchange:
    return answered(
        Random(0),
        question,
        (answer, "Another right answer."),
        intent="test",
        topic=topic,
        is_question=is_question,
    )


def draw(name: str, seed: int, history: tuple[Exchange, ...] = ()) -> Exchange:
    return intent_named(name).draw(Random(seed), Split.TRAIN, history)


def things_in_turn(exchange: Exchange) -> list[Scene]:
    assert exchange.needs is not None
    shown: list[Scene] = []
    for scene in exchange.needs.before:
        if not scene.is_empty and (not shown or scene != shown[-1]):
            shown.append(scene)
    return shown


def test_the_first_second_and_last_thing_shown_are_remembered() -> None:
    orders = set()
    for seed in SEEDS:
        exchange = draw("shown_colour", seed)
        shown = things_in_turn(exchange)
        order = next(o for o in ("first", "second", "last") if o in exchange.question.split())
        thing = shown[{"first": 0, "second": 1, "last": -1}[order]].objects[0]
        assert is_right(thing.colour, exchange)
        orders.add(order)
    assert orders == {"first", "second", "last"}


def test_things_shown_for_two_seconds_count_once() -> None:
    for seed in SEEDS:
        exchange = draw("how_many_shown", seed)
        assert is_right(word_of(len(things_in_turn(exchange))), exchange)


def test_the_ball_is_where_the_swaps_took_it() -> None:
    for seed in SEEDS:
        exchange = draw("ball_under_cup", seed)
        assert exchange.needs is not None
        row = [False] * 3
        for scene in (*exchange.needs.before, exchange.needs.scene):
            assert scene.cups is not None
            if scene.cups.open_cup is not None:
                row[scene.cups.open_cup] = True
            if scene.cups.swap:
                first, second = scene.cups.swap
                row[first], row[second] = row[second], row[first]
        for place, here in zip(CUPS, row, strict=True):
            assert is_right(f"under the {place} cup", exchange) == here


def test_changes_are_told_by_their_outcome() -> None:
    rng = Random(1)
    colour = scene_sampler.change(rng, "colour")
    assert f"It is {colour.after.objects[0].colour} now." in change_answers(colour)
    removed = scene_sampler.change(rng, "removed")
    assert change_answers(removed)[0] == f"The {removed.before.objects[1].name} is gone."
    added = scene_sampler.change(rng, "added")
    assert added.after.objects[1].name in change_answers(added)[0]
    size = scene_sampler.change(rng, "size")
    bigger = size.after.objects[0].extent > size.before.objects[0].extent
    assert ("bigger" in change_answers(size)[0]) == bigger
    place = scene_sampler.change(rng, "place")
    assert (place.after.objects[0].place or "?") in change_answers(place)[0]
    shape = scene_sampler.change(rng, "shape")
    assert shape.after.objects[0].shape in change_answers(shape)[0]
    assert "Nothing changed." in change_answers(scene_sampler.change(rng, "none"))


def test_the_last_answer_is_said_again_word_for_word_and_slower_when_asked() -> None:
    history = (said("what colour is it", "It is red.", "colours"),)
    again, slower = draw("say_again", 0, history), draw("slower", 0, history)
    assert again.answer == slower.answer == history[-1].answer
    assert again.reply == slower.reply == history[-1].reply
    assert (again.speech_rate, slower.speech_rate) == (1.0, SLOW_RATE)
    assert is_right("I said nothing.", draw("say_again", 1))


def test_the_last_words_and_the_first_question_are_remembered() -> None:
    history = (
        said("hello there", "Hello.", "hello", is_question=False),
        said("what is one plus one", "Two.", "numbers"),
        said("which day comes after monday", "Tuesday.", "days"),
    )
    assert is_right("You said: Which day comes after Monday?", draw("what_did_i_say", 0, history))
    assert is_right("It was about numbers.", draw("first_question", 0, history))
    assert not is_right("It was about days.", draw("first_question", 0, history))


def test_a_call_that_just_began_has_no_past() -> None:
    assert is_right("You said nothing.", draw("what_did_i_say", 0))
    assert is_right("You did not ask a question.", draw("first_question", 0))
