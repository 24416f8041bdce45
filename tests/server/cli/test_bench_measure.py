"""Figures, their table and their file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from server.cli.bench_measure import FigureTable, measure, write_json

pytestmark = pytest.mark.unit


def test_the_first_run_does_not_count_and_things_are_put_back_after_every_run() -> None:
    log: list[str] = []
    values = measure(lambda: log.append("run"), 3, lambda: log.append("back"))
    assert len(values) == 3
    assert log == ["run", "back"] * 4


def test_a_table_shows_median_and_range_per_column(tmp_path: Path) -> None:
    table = FigureTable("title")
    table.add("text token", "0 units", [3.0, 1.0, 2.0])
    table.add("text token", "30 units", [4.0])
    table.add("real-time factor", "30 units", [0.5], unit="×")
    title, header, token, factor = table.rows()
    assert title == "title"
    assert header.split() == ["0", "units", "30", "units"]
    assert "2.0 (1.0-3.0)" in token and "4.0 (4.0-4.0)" in token
    assert factor.split() == ["real-time", "factor", "0.50", "(0.50-0.50)"]
    table.add("first audio", "0 units", [])
    assert table.rows()[-1].split() == ["first", "audio", "none"]
    write_json(tmp_path / "figures.json", [table])
    written = json.loads((tmp_path / "figures.json").read_text(encoding="utf-8"))
    first = written["tables"][0]["figures"][0]
    assert (first["median"], first["min"], first["max"], first["repeats"]) == (2.0, 1.0, 3.0, 3)
    last = written["tables"][0]["figures"][-1]
    assert (last["median"], last["repeats"]) == (None, 0), "an answer may be without sound"
