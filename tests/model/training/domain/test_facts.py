"""Everyday facts."""

from __future__ import annotations

from random import Random

import pytest

from model.training.domain.exchange import Split, is_right
from model.training.domain.facts import BUILDERS, FACTS, N_FACTS

pytestmark = pytest.mark.unit


def fact(name: str, x: str) -> tuple[str, ...]:
    _, build, _ = BUILDERS[name]
    return next(tuple(answers) for slots, answers in build() if slots["x"] == x)


@pytest.mark.parametrize(
    ("name", "x", "answer"),
    [
        ("day_after", "sunday", "Monday."),
        ("day_before", "monday", "Sunday."),
        ("month_after", "december", "January."),
        ("month_before", "january", "December."),
        ("season_after", "winter", "Spring."),
        ("opposite", "cold", "Hot."),
        ("animal_sound", "an owl", "Hoot."),
        ("animal_of_sound", "moo", "A cow."),
        ("how_many_fact", "legs does a spider have", "Eight."),
        ("colour_fact", "snow", "White."),
    ],
)
def test_facts_are_true(name: str, x: str, answer: str) -> None:
    assert fact(name, x)[0] == answer


def test_there_are_enough_facts_and_no_question_has_two_answers() -> None:
    assert N_FACTS >= 40
    for _, build, _ in BUILDERS.values():
        asked = [slots["x"] for slots, _ in build()]
        assert len(asked) == len(set(asked))


def test_every_fact_of_the_evaluation_is_taught_in_other_words() -> None:
    for intent in FACTS:
        rng = Random(1)
        taught = {intent.draw(rng, Split.TRAIN).answers for _ in range(600)}
        asked = {intent.draw(rng, Split.EVAL).answers for _ in range(60)}
        assert asked <= taught


def test_another_fact_is_a_wrong_answer() -> None:
    exchange = next(
        drawn
        for seed in range(100)
        if "monday" in (drawn := FACTS[0].draw(Random(seed), Split.TRAIN)).question
    )
    assert is_right("tuesday", exchange)
    assert not is_right("wednesday", exchange)
    assert not is_right("wednesday comes after monday", exchange)
