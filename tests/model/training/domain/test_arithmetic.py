"""Sums."""

from __future__ import annotations

from random import Random

import pytest

from model.training.domain.arithmetic import SUMS
from model.training.domain.exchange import Split, is_right
from model.training.domain.numbers import word_of

pytestmark = pytest.mark.unit

NUMBERS = {word_of(number): number for number in range(11)}
SIGNS = {
    "plus": lambda a, b: a + b,
    "minus": lambda a, b: a - b,
    "times": lambda a, b: a * b,
}


@pytest.mark.parametrize("intent", SUMS, ids=lambda intent: intent.name)
def test_sums_are_right_and_never_negative(intent) -> None:
    for seed in range(150):
        exchange = intent.draw(Random(seed), Split.TRAIN)
        words = exchange.question.split()
        at = next(i for i in range(1, len(words)) if words[i] in SIGNS and words[i - 1] in NUMBERS)
        result = SIGNS[words[at]](NUMBERS[words[at - 1]], NUMBERS[words[at + 1]])
        assert 0 <= result <= 25
        assert is_right(str(result), exchange)
        assert not is_right(str(result + 1), exchange)
