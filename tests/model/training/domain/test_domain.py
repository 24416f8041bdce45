"""The domain as a whole: phrasings, split, vocabulary, no question with two meanings."""

from __future__ import annotations

from random import Random

import pytest

from model.training.domain.domain import (
    GROUP_WEIGHTS,
    INTENTS,
    UnknownIntentError,
    draw_exchanges,
    draw_intent,
    intent_named,
    vocabulary,
)
from model.training.domain.exchange import Exchange, Split, is_right
from model.training.domain.intent import Intent

pytestmark = pytest.mark.unit

PER_INTENT = 80


@pytest.fixture(scope="module")
def drawn() -> dict[Split, list[Exchange]]:
    return {split: list(draw_exchanges(3, split, PER_INTENT)) for split in Split}


@pytest.mark.parametrize("intent", INTENTS, ids=lambda intent: intent.name)
def test_an_intent_has_at_least_twenty_phrasings(intent: Intent) -> None:
    assert intent.name == "sound_alone" or len(intent.phrasings.sentences) >= 20


def test_training_and_evaluation_share_no_sentence(drawn: dict[Split, list[Exchange]]) -> None:
    sentences = {
        split: {exchange.question for exchange in exchanges} - {""}
        for split, exchanges in drawn.items()
    }
    assert not sentences[Split.TRAIN] & sentences[Split.EVAL]
    assert len(sentences[Split.EVAL]) > 500


def test_a_question_belongs_to_one_intent(drawn: dict[Split, list[Exchange]]) -> None:
    owners: dict[str, str] = {}
    for exchange in (*drawn[Split.TRAIN], *drawn[Split.EVAL]):
        owner = owners.setdefault(exchange.question, exchange.intent)
        assert owner == exchange.intent, exchange.question


def test_the_answer_to_learn_is_right_and_spoken(drawn: dict[Split, list[Exchange]]) -> None:
    for exchange in (*drawn[Split.TRAIN], *drawn[Split.EVAL]):
        for answer in (exchange.answer, exchange.reply):
            assert is_right(answer, exchange)
            assert not any(char.isdigit() for char in answer)
            assert answer[0].isupper() and answer[-1] in ".?"
            assert len(answer.split()) <= 16


def test_the_vocabulary_has_its_size_and_the_evaluation_adds_no_word() -> None:
    train = vocabulary(Split.TRAIN, 700)
    assert 400 <= len(train) <= 600
    assert vocabulary(Split.EVAL, 40) <= train


def test_answers_outside_use_words_of_the_domain() -> None:
    assert vocabulary(Split.EVAL, 5, outside=True) > vocabulary(Split.EVAL, 5)


def test_one_seed_gives_the_same_exchanges() -> None:
    assert list(draw_exchanges(9, Split.EVAL, 2)) == list(draw_exchanges(9, Split.EVAL, 2))


def test_every_group_is_drawn_as_often_as_it_weighs() -> None:
    rng = Random(0)
    groups = [draw_intent(rng).group for _ in range(3000)]
    for group, weight in GROUP_WEIGHTS.items():
        assert abs(groups.count(group) / 3000 - weight) < 0.03
    assert sum(GROUP_WEIGHTS.values()) == pytest.approx(1)


def test_intents_are_found_by_name() -> None:
    assert intent_named("see_colour").group == "picture"
    assert len({intent.name for intent in INTENTS}) == len(INTENTS)
    with pytest.raises(UnknownIntentError, match="there are"):
        intent_named("see_sound")
