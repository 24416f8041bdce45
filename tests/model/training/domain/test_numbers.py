"""Numbers as words."""

from __future__ import annotations

import pytest

from model.training.domain.numbers import word_of

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "zero"),
        (13, "thirteen"),
        (20, "twenty"),
        (24, "twenty four"),
        (100, "one hundred"),
        (365, "three hundred sixty five"),
        (1984, "one nine eight four"),
    ],
)
def test_numbers_are_read_as_words(number: int, words: str) -> None:
    assert word_of(number) == words
