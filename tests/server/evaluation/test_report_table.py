"""The terminal's table."""

from __future__ import annotations

from pathlib import Path

import pytest

from server.evaluation.measures import Figure
from server.evaluation.report import add_figures
from server.evaluation.report_table import measure_rows, report_rows
from tests.server.evaluation.placed_calls import WRONG
from tests.server.evaluation.test_report import sample_report

pytestmark = pytest.mark.unit


def line(rows: list[str], start: str) -> str:
    return next(row for row in rows if row.startswith(start))


def test_every_figure_stands_beside_its_bars(tmp_path: Path) -> None:
    report = sample_report(tmp_path)
    add_figures(report, {"pesq": Figure(3.3, 24), "first_audio": Figure(400.0, 10)})
    rows = measure_rows(report)
    typed = line(rows, "right answer, typed")
    assert "100.0 %" in typed and "≥ 98" in typed and "≥ 99.5" in typed and "(n = 2" in typed
    assert typed.endswith("stretch")
    assert line(rows, "right answer, spoken by seen").endswith("NO")
    assert line(rows, "vocoder resynthesis, PESQ").endswith("yes")
    late = line(rows, "end of turn decision")
    assert "400 ms" in late and "≤ 350" in late and late.endswith("NO")
    assert "-" in line(rows, "start to ready") and "≤ 10" in line(rows, "start to ready")


def test_what_has_neither_figure_nor_bar_is_left_out(tmp_path: Path) -> None:
    rows = measure_rows(sample_report(tmp_path))
    assert not any("noise" in row for row in rows)


def test_the_report_shows_scores_wrong_answers_and_what_was_left_out(tmp_path: Path) -> None:
    report = sample_report(tmp_path)
    report["not_measured"]["speech"] = "no judge"
    text = "\n".join(report_rows(report))
    assert text.startswith("pocket, 12.0 M parameters")
    assert "spoken by seen voices" in text and "greeting 0" in text
    assert f"-> {WRONG!r}, not" in text
    assert "wrong, seen (8 of " in text and "wrong, typed" not in text
    assert "not measured: speech: no judge" in text
    report["checkpoint"]["trained"] = False
    assert report_rows(report)[0].startswith("pocket (untrained)")
