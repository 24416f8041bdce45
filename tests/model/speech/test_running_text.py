"""The running text: tokens that no later text changes."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.speech.running_text import RunningText, SpeechToken
from model.speech.text import Language
from tests.model.speech.scripted_speech import cut, tiny_tokenizer

pytestmark = pytest.mark.unit

TEXTS = st.text("abeHlo  .,!*?你好23é\u0301\u200b[]\n", max_size=40)


def running(*texts: str, finish: bool = True, language: Language | None = None) -> RunningText:
    text = RunningText(tiny_tokenizer(), language)
    for part in texts:
        text.push(part)
    if finish:
        text.finish()
    return text


def ids_of(text: RunningText) -> list[int]:
    return [token.id for token in text.tokens]


@given(TEXTS, st.lists(st.integers(0, 60), max_size=10))
@settings(deadline=None, max_examples=300)
def test_tokens_do_not_depend_on_how_the_text_is_cut(text: str, places: list[int]) -> None:
    assert running(*cut(text, places)).tokens == running(text).tokens


@given(TEXTS, TEXTS)
@settings(deadline=None, max_examples=200)
def test_tokens_once_there_never_change(text: str, more: str) -> None:
    before = running(text, finish=False).tokens
    assert running(text, more).tokens[: len(before)] == before


@given(TEXTS)
@settings(deadline=None, max_examples=200)
def test_text_ends_grow_and_stay_within_the_text(text: str) -> None:
    ends = [token.text_end for token in running(text).tokens]
    assert ends == sorted(ends)
    assert all(0 < end <= len(text) for end in ends)


@given(st.text("ab cd.,你好", max_size=40))
@settings(deadline=None, max_examples=100)
def test_tokens_are_those_of_the_whole_text(text: str) -> None:
    assert ids_of(running(text)) == tiny_tokenizer().encode(text)


def test_a_word_is_held_until_it_is_complete() -> None:
    text = running("help", finish=False)
    assert text.tokens == []
    text.push("ful ")
    assert ids_of(text) == tiny_tokenizer().encode("helpful")


def test_a_number_is_held_until_it_is_complete() -> None:
    text = running("in 20", finish=False)
    assert ids_of(text) == tiny_tokenizer().encode("in")
    text.push("24 and")
    assert ids_of(text) == tiny_tokenizer().encode("in two zero two four")


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("I have 23 books", "I have two three books"),
        ("我有2个苹果", "我有二个苹果"),
        ("3 apples", "three apples"),
        ("2. 你好", "二. 你好"),
        ("a **bo**ld *1*2*", "a bold one two"),
        ("ab 一二三四五 1", "ab 一二三四五 一"),
        ("ab 1 一二三四五", "ab one 一二三四五"),
    ],
)
def test_numbers_are_said_in_the_language_of_the_text_so_far(text: str, spoken: str) -> None:
    assert ids_of(running(text)) == tiny_tokenizer().encode(spoken)


def test_a_text_of_digits_alone_is_said_in_the_language_of_the_session() -> None:
    assert ids_of(running("42", language="en")) == tiny_tokenizer().encode("four two")
    assert ids_of(running("42")) == tiny_tokenizer().encode("四二")


def test_digits_before_the_first_letter_wait_for_it() -> None:
    text = running("12, ", finish=False)
    assert text.tokens == []
    text.push("a")
    assert ids_of(text) == tiny_tokenizer().encode("one two,")


@pytest.mark.parametrize("text", ["", "***", " \n\t", "* * *", "...", "?!", "\u200b"])
def test_text_without_letters_or_digits_is_not_speakable(text: str) -> None:
    assert not any(token.speakable for token in running(text).tokens)


def marks(text: str) -> list[tuple[bool, bool]]:
    return [(token.ends_sentence, token.closes_sentence) for token in running(text).tokens]


def test_a_dot_behind_a_digit_ends_no_sentence() -> None:
    *_, number, dot = running("it is 3.").tokens
    assert number.speakable and not dot.ends_sentence and dot.closes_sentence
    assert marks("a.") == [(False, False), (True, True)]
    assert marks("a*.") == [(False, False), (True, True)]


def test_closing_marks_belong_to_the_sentence_before() -> None:
    assert marks("好！”") == [(False, False), (True, True), (False, True)]


def test_each_digit_says_how_far_the_text_is() -> None:
    tokens: list[SpeechToken] = running("我2*4年").tokens
    assert [token.text_end for token in tokens] == [1, 2, 4, 5]


def test_a_finished_text_takes_no_more() -> None:
    text = running("a")
    text.finish()
    with pytest.raises(RuntimeError, match="finished"):
        text.push("b")
    assert text.n_chars == 1
