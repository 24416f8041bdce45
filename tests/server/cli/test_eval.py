"""``omnicall eval pocket`` from options to table, JSON and card."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from model.training.domain import evaluation_set
from server.cli import eval as eval_command
from server.cli import eval_system
from server.cli.main import app
from server.engine.interface import SamplingSpec
from server.errors import ConfigurationError
from server.evaluation import call_runner, evaluation
from server.evaluation.evaluation import EvaluationOptions
from server.evaluation.model_card import model_card
from server.evaluation.report import Report, read_report

pytestmark = pytest.mark.integration

GOLDEN = Path(__file__).parents[2] / "golden"


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["eval", "pocket", *arguments], catch_exceptions=False)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[EvaluationOptions]:
    """Options of evaluations that are not run."""
    from tests.server.evaluation.test_report import sample_report

    seen: list[EvaluationOptions] = []

    class FakeEvaluation:
        def __init__(self, options: EvaluationOptions, progress: Any) -> None:
            seen.append(options)

        def run(self) -> Report:
            return sample_report(tmp_path)

    monkeypatch.setattr(evaluation, "Evaluation", FakeEvaluation)
    return seen


def test_a_quick_evaluation_prints_the_table_and_writes_json_and_card(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(call_runner, "ANSWER_TOKENS", 2)
    monkeypatch.setattr(evaluation, "missing_voices", lambda engines: "none are installed")
    result = run(
        *("--checkpoint", str(GOLDEN), "--conditions", "outside", "--per-intent", "1"),
        *("--speech", "0", "--no-system", "--threads", "1"),
        *("--json", str(tmp_path / "e.json"), "--card", str(tmp_path / "card.md")),
    )
    assert result.exit_code == 0, result.output
    assert "outside the domain: says so (n = 5)" in result.stdout
    report = read_report(tmp_path / "e.json")
    assert report["conditions"]["outside"]["score"]["n"] == 5
    assert (tmp_path / "card.md").read_text(encoding="utf-8") == model_card(report)


def test_options_are_passed_on(asked: list[EvaluationOptions], tmp_path: Path) -> None:
    result = run(
        *("--checkpoint", str(GOLDEN), "--conditions", "seen,typed", "--per-intent", "3"),
        *("--speech", "7", "--seed", "5", "--sessions", "2", "--sampled", "--no-system"),
        "--no-table",
    )
    assert result.exit_code == 0 and result.stdout == ""
    (options,) = asked
    assert options.checkpoint == GOLDEN
    assert [condition.name for condition in options.conditions] == ["seen", "typed"]
    assert not options.skips_what_is_missing
    assert (options.per_intent, options.n_spoken, options.seed, options.n_sessions) == (3, 7, 5, 2)
    assert options.sampling == SamplingSpec(), "as calls are answered by default"


def test_by_default_everything_is_measured_that_can_be(
    asked: list[EvaluationOptions], monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[str] = []
    monkeypatch.setattr(
        eval_system, "measure_system", lambda report, name, progress: measured.append(name)
    )
    assert run("--checkpoint", str(GOLDEN)).exit_code == 0
    (options,) = asked
    assert len(options.conditions) == 8 and options.skips_what_is_missing
    assert options.per_intent == eval_command.PER_INTENT == evaluation_set.PER_INTENT
    assert options.n_spoken == eval_command.N_SPOKEN
    assert options.sampling.temperature == 0.0
    assert measured == [str(GOLDEN)]


def test_an_unknown_checkpoint_and_a_card_nobody_can_write_are_said(
    asked: list[EvaluationOptions], tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError, match="is not a folder"):
        run("--checkpoint", str(tmp_path / "absent"))
    with pytest.raises(ConfigurationError, match="cannot write"):
        run(
            *("--checkpoint", str(GOLDEN), "--no-system", "--no-table"),
            *("--card", str(tmp_path / "absent" / "card.md")),
        )
