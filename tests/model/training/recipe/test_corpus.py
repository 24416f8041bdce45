"""The corpus is training's sentences and what the server itself says to the model."""

from __future__ import annotations

import pytest

from model.training.domain.exchange import Split, normal, split_of
from model.training.recipe.corpus import corpus, question_texts, replies_said, reply_texts

pytestmark = pytest.mark.unit


def test_the_corpus_has_system_prompts_and_no_sentence_of_the_evaluation() -> None:
    sentences = corpus(20)
    assert any(sentence.startswith("You are a helpful assistant.") for sentence in sentences)
    assert any(sentence.startswith("As an assistant, you will speak") for sentence in sentences)
    assert all(sentences) and len(set(sentences)) > 60


def test_answers_and_questions_come_once_each_and_the_same_every_time() -> None:
    replies = reply_texts(50)
    assert replies == reply_texts(50) and len(set(replies)) == 50
    questions = question_texts(50)
    assert len(set(questions)) == 50 and all(text == normal(text) for text in questions)
    asked = [text for text in questions if split_of(text) is Split.TRAIN]
    assert len(asked) > 40  # of "repeat after me" the phrase alone decides


def test_what_calls_say_is_counted_and_every_question_has_one_answer() -> None:
    said = replies_said(400)
    assert said.total() == 400 and len(said) < 200
    assert said["I am Pocket."] > 1 and "My name is Pocket." not in said
