"""A real server process is measured, and ended."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import psutil
import pytest

from server.cli import bench_call, eval_system
from server.cli.bench_measure import FigureTable
from server.cli.eval_system import FIRST_AUDIO, measure_system, median_of, resident_bytes
from server.cli.progress import ProgressLine
from server.evaluation.report import Report, build_report

pytestmark = pytest.mark.integration

GOLDEN = Path(__file__).parents[2] / "golden"


@pytest.fixture(autouse=True)
def short_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_call, "QUESTION_S", 1)
    monkeypatch.setattr(bench_call, "ANSWER_TOKENS", 6)


def measured() -> Report:
    report = build_report(checkpoint={}, settings={}, calls={})
    measure_system(report, str(GOLDEN), ProgressLine(io.StringIO()), turns=1)
    return report


def figures(report: Report) -> dict[str, Any]:
    return {row["name"]: row["value"] for row in report["measures"]}


def test_memory_start_and_first_audio_of_a_server_are_measured() -> None:
    before = set(psutil.Process().children(recursive=True))
    report = measured()
    assert set(psutil.Process().children(recursive=True)) <= before, "the server was ended"
    system = report["system"]
    assert system["memory_bytes"] > 100e6, "gateway and engine, each with an interpreter"
    assert system["ready_s"] > 0 and system["first_audio_ms"] > 0 and system["turns"] == 1
    rows = figures(report)
    assert rows["server_memory"] == round(system["memory_bytes"] / 1e9, 3)
    assert rows["ready"] == system["ready_s"]
    assert rows["first_audio"] == system["first_audio_ms"]
    assert report["not_measured"] == {}


def test_answers_without_speech_leave_the_first_audio_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(eval_system, "measure_call", lambda *arguments: FigureTable("silent"))
    report = measured()
    assert figures(report)["first_audio"] is None and figures(report)["ready"] > 0
    assert "first_audio" in report["not_measured"]


def test_memory_is_that_of_a_process_and_its_children() -> None:
    assert resident_bytes(psutil.Process()) >= psutil.Process().memory_info().rss * 0.5


def test_the_median_is_looked_up_by_name() -> None:
    table = FigureTable("call")
    table.add(FIRST_AUDIO, "ms", [3.0, 1.0, 2.0])
    assert median_of(table, FIRST_AUDIO) == 2.0
    assert median_of(table, "something else") is None
