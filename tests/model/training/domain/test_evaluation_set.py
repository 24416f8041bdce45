"""The evaluation's questions."""

from __future__ import annotations

from collections import Counter

import pytest

from model.training.domain.domain import INTENTS, draw_exchanges
from model.training.domain.evaluation_set import (
    OUTSIDE_FACTOR,
    PER_INTENT,
    SHORT_PER_INTENT,
    EvaluationCall,
    evaluation_calls,
)
from model.training.domain.exchange import Split, is_right
from model.training.scenes.looks import EVAL_LOOK

pytestmark = pytest.mark.unit


@pytest.fixture(scope="module")
def calls() -> list[EvaluationCall]:
    return evaluation_calls()


def test_there_are_at_least_500_questions_over_all_intents(calls: list[EvaluationCall]) -> None:
    assert len(calls) >= 500
    asked = Counter(call.scored.intent for call in calls)
    assert set(asked) == {intent.name for intent in INTENTS}
    assert min(asked.values()) >= PER_INTENT
    assert asked["outside"] == PER_INTENT * OUTSIDE_FACTOR


def test_nothing_in_it_is_a_sentence_or_look_of_training(calls: list[EvaluationCall]) -> None:
    for call in calls:
        assert call.script.look in (None, EVAL_LOOK)
        assert all(turn.exchange.split is Split.EVAL for turn in call.script.turns)
    taught = {exchange.question for exchange in draw_exchanges(0, Split.TRAIN, 60)} - {""}
    assert not taught & {turn.exchange.question for call in calls for turn in call.script.turns}


def test_it_is_the_same_every_time_and_the_short_form_is_part_of_it(
    calls: list[EvaluationCall],
) -> None:
    short = evaluation_calls(SHORT_PER_INTENT)
    assert short == evaluation_calls(SHORT_PER_INTENT)
    assert all(call in calls for call in short)


def test_typed_and_spoken_sets_ask_the_same(calls: list[EvaluationCall]) -> None:
    by_keys, by_voice = (evaluation_calls(1, manner) for manner in ("typed", "spoken"))
    assert [call.scored for call in by_keys] == [call.scored for call in by_voice]


def test_questions_about_the_talk_come_after_some(calls: list[EvaluationCall]) -> None:
    for call in calls:
        if call.scored.intent == "what_did_i_say":
            before = call.script.turns[-2].exchange.question
            assert is_right(f"You said, {before}.", call.scored)
        if call.scored.intent in ("say_again", "first_question"):
            assert len(call.script.turns) >= 2


def test_most_recall_calls_ask_about_earlier_turns(calls: list[EvaluationCall]) -> None:
    recalls = [call for call in calls[-PER_INTENT:] if call.scored.needs]
    across = [call for call in recalls if call.scored.intent.startswith(("shown", "how_many_sh"))]
    assert len(across) >= PER_INTENT // 3
