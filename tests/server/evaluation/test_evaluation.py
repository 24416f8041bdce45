"""A whole evaluation on the tiny golden checkpoint, and what happens where something is missing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from model.training.domain.domain import INTENTS
from server.evaluation import call_runner, evaluation, speech_judging
from server.evaluation.conditions import CONDITIONS
from server.evaluation.evaluation import Evaluation, EvaluationOptions, plan_spoken_calls
from server.evaluation.judge_packages import JudgeMissingError
from server.evaluation.scoring import PlacedCall
from server.evaluation.speech_material import SpeechMaterial, SynthesizerMissingError
from tests.server.evaluation.test_speech_material import ToySynthesizer, toy

__all__ = ["toy"]

pytestmark = pytest.mark.integration

GOLDEN = Path(__file__).parents[2] / "golden"
MISSING = "flite is not installed"


@pytest.fixture(autouse=True)
def short_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call_runner, "ANSWER_TOKENS", 2)


def options(*names: str, **chosen: Any) -> EvaluationOptions:
    conditions = tuple(CONDITIONS[name] for name in names)
    return EvaluationOptions(GOLDEN, conditions, per_intent=1, threads=1, **chosen)


def test_answers_are_scored_and_progress_is_told(toy: ToySynthesizer) -> None:
    told: list[str] = []
    report = Evaluation(options("outside", "typed"), told.append).run()
    assert list(report["conditions"]) == ["outside", "typed"]
    assert report["conditions"]["typed"]["score"]["right"] == 0
    assert report["checkpoint"]["trained"] is True and report["checkpoint"]["size_bytes"] > 0
    assert report["settings"]["voices"] == ["clara", "alan"]
    assert "speech" in report["not_measured"]
    assert told[-1].startswith("typed: ") and "speech: synthesising the questions" in told


def test_replies_are_spoken_and_given_to_the_judges(
    toy: ToySynthesizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[list[PlacedCall]] = []

    def judge(report: Any, spoken: list[PlacedCall], speech: SpeechMaterial, *rest: Any) -> None:
        given.append(spoken)

    monkeypatch.setattr(speech_judging, "judge_speech", judge)
    report = Evaluation(options(n_spoken=2)).run()
    ((first, second),) = given
    assert (first.voice, second.voice) == ("clara", "alan")
    assert first.planned.caller.voice.startswith(("flite/", "espeak/"))
    assert report["settings"]["spoken_replies"] == 2
    assert report["not_measured"] == {}


def test_spoken_calls_go_through_all_intents_by_turns() -> None:
    assert plan_spoken_calls(0, 0) == []
    once = plan_spoken_calls(len(INTENTS), 0)
    assert len(once) == len(INTENTS)
    assert len({call.call.scored.intent for call in once}) == len(INTENTS)
    assert plan_spoken_calls(60, 0)[: len(once)] == once and len(plan_spoken_calls(60, 0)) == 60


def test_what_was_chosen_and_cannot_be_done_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "missing_voices", lambda engines: MISSING)
    with pytest.raises(SynthesizerMissingError, match=f"'seen': {MISSING}"):
        Evaluation(options("typed", "seen")).run()
    monkeypatch.setattr(evaluation, "missing_voices", lambda engines: None)
    monkeypatch.setattr(evaluation, "missing_judges", lambda: "not installed: pesq; pip install")
    with pytest.raises(JudgeMissingError, match="--speech 0"):
        Evaluation(options("typed", n_spoken=1)).run()


def test_what_cannot_be_done_is_left_out_and_said_where_nobody_chose_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(evaluation, "missing_voices", lambda engines: MISSING)
    chosen = options("outside", "seen", n_spoken=3)
    report = Evaluation(replace(chosen, skips_what_is_missing=True)).run()
    assert list(report["conditions"]) == ["outside"]
    assert report["settings"]["voices"] == []
    assert report["not_measured"] == {
        "seen": MISSING,
        "speech": MISSING,
        "reference voices": MISSING,
    }
