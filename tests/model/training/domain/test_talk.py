"""Small talk."""

from __future__ import annotations

from random import Random

import pytest

from model.training.domain.exchange import Split, is_right, normal
from model.training.domain.talk import REPEAT_AFTER_ME, TALK

pytestmark = pytest.mark.unit


def test_what_is_to_be_repeated_is_the_end_of_the_sentence() -> None:
    for seed in range(100):
        exchange = REPEAT_AFTER_ME.draw(Random(seed), Split.TRAIN)
        assert exchange.question.endswith(" " + normal(exchange.answer))


def test_phrases_to_repeat_are_not_shared_between_the_splits() -> None:
    phrases = {
        split: {normal(REPEAT_AFTER_ME.draw(Random(seed), split).answer) for seed in range(150)}
        for split in Split
    }
    assert not phrases[Split.TRAIN] & phrases[Split.EVAL]


def test_an_answer_to_one_intent_is_wrong_for_another() -> None:
    drawn = [intent.draw(Random(0), Split.TRAIN) for intent in TALK]
    for exchange in drawn:
        for other in drawn:
            agrees = exchange.intent == other.intent
            assert any(is_right(answer, exchange) for answer in other.answers) == agrees
