"""Right answers, counted; and how sure one can be of the share."""

from __future__ import annotations

import pytest

from server.evaluation.scoring import (
    Score,
    caller_of,
    group_of,
    intent_of,
    score_of,
    scores_by,
    wrong_answers,
)
from tests.server.evaluation.placed_calls import WRONG, answered, planned

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("n", "right", "low", "high"),
    # R: binom::binom.wilson
    [(10, 8, 49.02, 94.33), (500, 490, 96.36, 98.91), (20, 20, 83.89, 100.0), (20, 0, 0.0, 16.11)],
)
def test_intervals_are_wilsons(n: int, right: int, low: float, high: float) -> None:
    assert Score(n, right).interval == pytest.approx((low, high), abs=0.01)


def test_nothing_asked_is_neither_right_nor_wrong() -> None:
    empty = Score(0, 0).as_json()
    assert empty == {"n": 0, "right": 0, "percent": None, "low_95": 0.0, "high_95": 100.0}


def test_only_the_last_turn_of_a_call_counts_word_for_word() -> None:
    calls = [answered(call) for call in planned("typed")]
    assert score_of(calls) == Score(len(calls), len(calls))
    exchange = calls[0].scored.turn.exchange
    spelled_otherwise = answered(calls[0].planned, exchange.answers[-1].upper() + "!!")
    assert spelled_otherwise.scored.right
    longer = answered(calls[0].planned, exchange.answers[0] + " And more.")
    assert score_of([longer, spelled_otherwise]) == Score(2, 1)


def test_scores_are_kept_apart_by_what_is_asked_and_by_whom() -> None:
    calls = [answered(call, None if i % 2 else WRONG) for i, call in enumerate(planned("seen", 2))]
    for key in (group_of, intent_of, caller_of):
        scores = scores_by(calls, key)
        assert sum(score.n for score in scores.values()) == len(calls)
        assert sum(score.right for score in scores.values()) == score_of(calls).right
    assert scores_by(calls, group_of)["sum"].n == 6
    assert scores_by(calls, intent_of)["greeting"] == Score(2, 1)
    assert "flite/awb" in scores_by(calls, caller_of)


def test_wrong_answers_show_every_intent_before_any_twice() -> None:
    calls = [answered(call, WRONG) for call in planned("typed", 3)]
    intents = list(dict.fromkeys(intent_of(call) for call in calls))
    shown = wrong_answers(calls, len(intents) + 2)
    assert [entry["intent"] for entry in shown[: len(intents)]] == intents
    assert len(shown) == len(intents) + 2
    first = calls[0].scored.turn.exchange
    assert shown[0]["got"] == WRONG and shown[0]["expected"] == first.answers[0]
    assert wrong_answers([answered(call) for call in planned("typed")], 5) == []


def test_a_sound_alone_is_shown_as_what_was_asked() -> None:
    sounds = [c for c in planned("seen", 6) if not c.call.scored.question]
    assert sounds and answered(sounds[0]).scored.asked == f"[{sounds[0].call.scored.heard}]"
