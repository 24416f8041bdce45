"""The JSON object: what it holds, written and read back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from server.engine.interface import EngineInfo
from server.errors import ConfigurationError
from server.evaluation.call_runner import GREEDY
from server.evaluation.conditions import CONDITIONS
from server.evaluation.measures import MEASURES, Figure
from server.evaluation.report import (
    Report,
    add_figures,
    build_report,
    checkpoint_json,
    read_report,
    settings_json,
    write_report,
)
from tests.server.evaluation.placed_calls import WRONG, answered, planned

pytestmark = pytest.mark.unit

INFO = EngineInfo("pocket", True, "cpu", "float32", 1, 8192, 12_000_000, 1.0)


def sample_report(folder: Path) -> Report:
    """A report of right typed answers and wrong spoken ones."""
    typed, seen = CONDITIONS["typed"], CONDITIONS["seen"]
    calls = {
        typed: [answered(call) for call in planned("typed")],
        seen: [answered(call, WRONG) for call in planned("seen")],
    }
    (folder / "weights").write_bytes(b"12345")
    return build_report(
        checkpoint=checkpoint_json(INFO, folder),
        settings=settings_json([typed, seen], 1, 0, GREEDY, ["clara", "alan", "clara"], 0),
        calls=calls,
    )


def rows(report: Report) -> dict[str, Report]:
    return {row["name"]: row for row in report["measures"]}


def test_a_report_has_all_measures_and_the_scores_of_what_was_asked(tmp_path: Path) -> None:
    report = sample_report(tmp_path)
    assert report["schema"] == "omnicall.evaluation" and report["version"] == 1
    assert report["checkpoint"] == {
        "name": "pocket",
        "trained": True,
        "parameters": 12_000_000,
        "size_bytes": 5,
    }
    assert report["settings"]["voices"] == ["clara", "alan"]
    assert "seed" not in report["settings"]["sampling"]
    assert list(rows(report)) == list(MEASURES)
    assert rows(report)["typed"]["value"] == 100.0 and rows(report)["typed"]["bar_reached"]
    assert rows(report)["seen"]["value"] == 0.0 and rows(report)["seen"]["bar_reached"] is False
    assert rows(report)["unheard"]["value"] is None
    seen = report["conditions"]["seen"]
    assert seen["score"]["n"] == sum(group["n"] for group in seen["groups"].values())
    assert len(seen["wrong"]) == 40 and seen["callers"]
    assert report["conditions"]["typed"]["callers"] == {}


def test_figures_are_added_to_the_table(tmp_path: Path) -> None:
    report = sample_report(tmp_path)
    add_figures(report, {"ready": Figure(4.2, 1)})
    assert rows(report)["ready"]["value"] == 4.2 and rows(report)["ready"]["bar_reached"]
    assert len(report["measures"]) == len(MEASURES)


def test_a_report_is_the_same_when_it_is_read_back(tmp_path: Path) -> None:
    report = sample_report(tmp_path)
    write_report(tmp_path / "e.json", report)
    assert read_report(tmp_path / "e.json") == report


def test_a_condition_without_calls_has_no_figure(tmp_path: Path) -> None:
    report = build_report(checkpoint={}, settings={}, calls={CONDITIONS["typed"]: []})
    assert rows(report)["typed"]["value"] is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "cannot read"),
        ("{", "is not JSON"),
        ("[]", "no evaluation of version 1"),
        (json.dumps({"schema": "omnicall.evaluation", "version": 2}), "no evaluation of version 1"),
    ],
)
def test_what_is_no_report_is_refused(tmp_path: Path, text: str | None, said: str) -> None:
    path = tmp_path / "e.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigurationError, match=said):
        read_report(path)


def test_a_place_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot write"):
        write_report(tmp_path / "absent" / "e.json", sample_report(tmp_path))
