"""Words are cut out of what was heard, and put together again."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from model.training.recipe.word_bank import Utterance, WordBank, units_of

pytestmark = pytest.mark.unit

QUIET = -1.0


def utterance(text: str, caller: int) -> Utterance:
    """Every vector tells which caller says which letter; a letter is heard for two, and before and
    after the words it is quiet for ten."""
    vectors = [np.array([caller, ord(letter)]) for letter in text for _ in range(2)]
    quiet = [np.full(2, QUIET)] * 10
    ends = (10 + 2 * np.arange(1, len(text) + 1)) / 25
    return Utterance(text, np.stack([*quiet, *vectors, *quiet]), np.stack([ends - 0.08, ends], 1))


BANK = WordBank([utterance("what is red", 1), utterance("is blue red", 2)])


def test_it_knows_the_words_that_were_heard() -> None:
    assert BANK.knows("blue is what") and not BANK.knows("blue is green")


def test_a_sentence_is_heard_as_its_words_were_and_when_it_says() -> None:
    callers = set()
    for number in range(20):
        said = BANK.say("red is what", Random(number))
        letters = {(int(v[0]), chr(int(v[1]))) for v in said.vectors if v[0] != QUIET}
        assert {letter for _, letter in letters} == set("rediswhat")
        assert {caller for caller, letter in letters if letter in "wha"} == {1}
        callers |= {caller for caller, letter in letters if letter == "r"}
        assert said.heard_s.shape == (len("red is what"), 2)
        for (begins_s, ends_s), letter in zip(said.heard_s, said.text, strict=True):
            heard = said.vectors[round(begins_s * 25) : round(ends_s * 25), 1]
            assert {chr(int(each)) for each in heard} == ({letter} if letter != " " else set())
        assert said.vectors[0, 0] == said.vectors[-1, 0] == QUIET
    assert callers == {1, 2}


def test_units_are_seconds() -> None:
    vectors = np.arange(120).reshape(60, 2)
    units = units_of(vectors)
    assert [len(unit) for unit in units] == [25, 25, 10]
    assert np.array_equal(np.concatenate(units), vectors)
