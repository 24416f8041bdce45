"""What training alone asks outside the domain."""

from __future__ import annotations

from random import Random

import pytest

from model.training.domain.domain import INTENTS, draw_exchanges
from model.training.domain.exchange import Split, normal
from model.training.domain.limits import LIMITS, OUTSIDE
from model.training.domain.more_outside import MORE_OUTSIDE, more_outside

pytestmark = pytest.mark.unit

ASKED = [more_outside(Random(seed)) for seed in range(4000)]


def test_every_slot_is_filled_with_plain_words() -> None:
    assert all(question == normal(question) for question in ASKED)
    assert len(set(ASKED)) > 1500


def test_no_pattern_is_one_of_those_that_may_be_evaluated() -> None:
    assert not set(MORE_OUTSIDE.sentences) & set(OUTSIDE.sentences)
    assert len(set(MORE_OUTSIDE.patterns)) == len(MORE_OUTSIDE.patterns)


def test_nothing_outside_is_a_question_of_the_domain() -> None:
    inside = {
        exchange.question
        for split in Split
        for exchange in draw_exchanges(5, split, 60)
        if exchange.intent != "outside"
    }
    assert not inside & set(ASKED)
    written = {
        sentence
        for intent in INTENTS
        if intent.group != "limits"
        for sentence in intent.phrasings.sentences
    }
    assert not written & set(MORE_OUTSIDE.sentences)


def test_training_asks_both_and_the_evaluation_only_its_own() -> None:
    asked = {
        split: {LIMITS[0].draw(Random(seed), split).question for seed in range(300)}
        for split in Split
    }
    assert any(question.startswith("remind me") for question in asked[Split.TRAIN])
    assert any(question.startswith("will it") for question in asked[Split.TRAIN])
    assert not asked[Split.EVAL] & set(ASKED)
