"""The card states what was measured, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from model.pocket_checkpoint import POCKET_FOLDER
from server.evaluation.measures import Figure
from server.evaluation.model_card import CARD_NAME, REPORT_NAME, model_card
from server.evaluation.report import add_figures, read_report
from server.evaluation.transcripts import transcript_json
from tests.server.evaluation.placed_calls import WRONG, answered, planned
from tests.server.evaluation.test_report import sample_report

pytestmark = pytest.mark.unit

SCORE = {"n": 2, "right": 2, "percent": 100.0, "low_95": 34.2, "high_95": 100.0}


def test_the_card_has_every_figure_with_its_bar_and_says_what_was_not_measured(
    tmp_path: Path,
) -> None:
    report = sample_report(tmp_path)
    add_figures(report, {"pesq": Figure(3.31, 24)})
    card = model_card(report)
    assert "| right answer, typed | 100.0 % | 8" in card
    assert "| vocoder resynthesis, PESQ-wb | 3.31 MOS |  | 24 | ≥ 3.2 | ≥ 3.8 | yes |" in card
    assert "≥ 95 | ≥ 99 | NO |" in card
    assert "Not measured:\n\n- right answer, spoken by unheard voices" in card
    assert "| spoken by seen voices | 0.0 |" in card
    for title in ("How it was trained", "Data", "Limits", "Licence"):
        assert f"\n## {title}\n" in card
    assert "Apache-2.0" in card and "12.0 M parameters" in card
    assert "## Calls" not in card


def test_the_card_tells_calls_and_what_the_judges_heard(tmp_path: Path) -> None:
    report = sample_report(tmp_path)
    call = next(c for c in planned("seen") if c.call.group == "picture")
    report["transcripts"] = [transcript_json(answered(call, WRONG, voice="clara"), "heard words")]
    report["speech"] = {
        "intelligibility": {"n": 2, "reply_wer": 20.0, "teacher_wer": 15.5},
        "right_voice": {"judge_on_teachers": SCORE},
        "resynthesis": {"codec_and_vocoder": {"pesq": 2.5, "stoi": 0.91}},
    }
    card = model_card(report)
    assert "misheard 20.0 %" in card and "15.5 %" in card
    assert "names 2 of 2" in card
    assert "PESQ-wb 2.50, STOI 0.910" in card
    assert f"“{call.call.scored.question}” *(shown: " in card
    assert f"“{WRONG}” **(wrong)**" in card
    assert "a recogniser heard: “heard words”" in card


def test_speech_that_could_not_be_judged_leaves_its_sentences_out(tmp_path: Path) -> None:
    report = sample_report(tmp_path)
    report["speech"] = {
        "intelligibility": {"n": 0},
        "right_voice": {"judge_on_teachers": SCORE},
        "resynthesis": {"codec_and_vocoder": None},
    }
    card = model_card(report)
    assert "misheard" not in card and "Through codec" not in card
    report["conditions"] = {}
    assert "right answers, %" not in model_card(report)
    report["checkpoint"]["trained"] = False
    assert "# pocket (untrained)" in model_card(report)


def test_the_shipped_card_states_the_figures_committed_beside_it() -> None:
    card = (POCKET_FOLDER / CARD_NAME).read_text(encoding="utf-8")
    assert card == model_card(read_report(POCKET_FOLDER / REPORT_NAME)), (
        "write it again: omnicall eval pocket --json model/pocket/evaluation.json "
        "--card model/pocket/MODEL_CARD.md"
    )
