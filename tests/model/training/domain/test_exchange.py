"""Normal form, split and judge."""

from __future__ import annotations

from random import Random

import pytest

from model.training.domain.exchange import Split, answered, is_right, normal, split_of

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("What is 3 + 4?", "what is three plus four"),
        ("3+4", "three plus four"),
        ("10 - 2", "ten minus two"),
        ("What COLOR is it?!", "what colour is it"),
        ("What’s up", "what's up"),
        ("  Hello,   there. ", "hello there"),
        ("24 hours", "twenty four hours"),
        ("", ""),
    ],
)
def test_writing_does_not_matter(written: str, words: str) -> None:
    assert normal(written) == words


def test_every_writing_of_a_sentence_is_in_one_split() -> None:
    assert split_of("What is 3 + 4?") is split_of("what is three plus four")


def test_about_one_sentence_in_five_is_kept_for_the_evaluation() -> None:
    kept = sum(split_of(f"sentence {index}") is Split.EVAL for index in range(900))
    assert 120 < kept < 240


def test_the_judge_takes_every_right_answer_and_nothing_else() -> None:
    exchange = answered(
        Random(0), "What is 1 + 1?", ("Two.", "It is two."), intent="plus", topic="numbers"
    )
    assert exchange.question == "what is one plus one"
    assert is_right("it is 2", exchange)
    assert is_right("Two!", exchange)
    for wrong in ("", "three", "it is two or three", "two two", "is two"):
        assert not is_right(wrong, exchange)


def test_the_same_question_is_always_answered_in_the_same_words() -> None:
    answers = ("Two.", "It is two.", "One and one is two.")
    drawn = [
        answered(Random(seed), "what is one plus one", answers, intent="plus", topic="numbers")
        for seed in range(30)
    ]
    assert {exchange.reply for exchange in drawn} == {"Two."}
    assert {exchange.answer for exchange in drawn} == set(answers)


def test_the_split_key_decides_before_the_question() -> None:
    keys = {split_of(key): key for key in ("a", "b", "c", "d", "e", "f", "g", "h", "i")}
    for split, key in keys.items():
        exchange = answered(Random(0), "x", ("y",), intent="i", topic="t", split_key=key)
        assert exchange.split is split
