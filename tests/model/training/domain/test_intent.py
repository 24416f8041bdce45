"""Drawing from one split."""

from __future__ import annotations

from random import Random

import pytest

from model.training.domain.exchange import Exchange, History, Split, answered
from model.training.domain.intent import EmptySplitError, Intent
from model.training.domain.phrasings import Phrasings

pytestmark = pytest.mark.unit


def intent_of(sentences: list[str]) -> Intent:
    def attempt(rng: Random, history: History) -> Exchange:
        return answered(rng, rng.choice(sentences), ("Yes.",), intent="test", topic="tests")

    return Intent("test", "talk", Phrasings(*sentences), attempt)


def test_what_is_drawn_belongs_to_the_split_asked_for() -> None:
    intent = intent_of([f"sentence {letter}" for letter in "abcdefghijklmnopqrstuvwxyz"])
    for split in Split:
        assert {intent.draw(Random(seed), split).split for seed in range(20)} == {split}


def test_an_intent_without_sentences_in_a_split_says_so() -> None:
    sentence = "hello"
    intent = intent_of([sentence])
    present = intent.attempt(Random(0), ()).split
    missing = Split.EVAL if present is Split.TRAIN else Split.TRAIN
    with pytest.raises(EmptySplitError, match="add phrasings"):
        intent.draw(Random(0), missing)
