"""Outside the domain."""

from __future__ import annotations

from random import Random

import pytest

from model.training.domain.exchange import Split, is_right
from model.training.domain.limits import (
    DO_NOT_KNOW,
    LIMITS,
    NO_HELP,
    NOT_KNOWN,
    OUTSIDE,
    PERSONAL,
    TOO_HARD,
    fitting_answer,
)

pytestmark = pytest.mark.unit


def test_every_way_of_saying_so_is_right_and_a_guess_is_not() -> None:
    exchange = LIMITS[0].draw(Random(0), Split.EVAL)
    assert is_right("sorry i do not know", exchange)
    assert not is_right("It is red.", exchange)


def test_the_evaluation_asks_about_things_no_training_pattern_asks() -> None:
    keys = {
        split: {LIMITS[0].draw(Random(seed), split).split_key for seed in range(300)}
        for split in Split
    }
    assert not keys[Split.TRAIN] & keys[Split.EVAL]
    assert len(keys[Split.EVAL]) >= 10
    assert set.union(*keys.values()) <= set(OUTSIDE.patterns)


def test_all_slots_can_be_filled() -> None:
    questions = [LIMITS[0].attempt(Random(seed), ()).question for seed in range(500)]
    assert len(set(questions)) > 300


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("play me some music", NO_HELP),
        ("can you swim", NO_HELP),
        ("what is three hundred times forty", TOO_HARD),
        ("why do birds sing", TOO_HARD),
        ("where are my keys", PERSONAL),
        ("do you like rice", PERSONAL),
        ("how tall is the pope", NOT_KNOWN),
    ],
)
def test_a_question_is_always_answered_in_the_words_that_suit_it(
    question: str, answer: str
) -> None:
    assert fitting_answer(question) == answer


def test_every_way_of_saying_so_is_learnt() -> None:
    replies = [LIMITS[0].attempt(Random(seed), ()).reply for seed in range(300)]
    assert set(replies) == set(DO_NOT_KNOW)
    assert all(replies.count(reply) >= 20 for reply in DO_NOT_KNOW)
