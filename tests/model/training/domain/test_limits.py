"""Outside the domain."""

from __future__ import annotations

from random import Random

import pytest

from model.training.domain.exchange import Split, is_right
from model.training.domain.limits import LIMITS, OUTSIDE

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
