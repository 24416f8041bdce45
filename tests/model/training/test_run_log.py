"""The log of a run survives crashes and continuations."""

from __future__ import annotations

from pathlib import Path

import pytest

from model.training.run_log import RunLog

pytestmark = pytest.mark.unit


def test_records_come_back_in_order(tmp_path: Path) -> None:
    log = RunLog(tmp_path / "log.jsonl")
    assert list(log.read()) == []
    for step in range(3):
        log.append({"step": step, "loss": 1.0 / (step + 1)})
    assert [record["step"] for record in log.read()] == [0, 1, 2]


def test_a_line_cut_by_a_crash_is_left_out(tmp_path: Path) -> None:
    log = RunLog(tmp_path / "log.jsonl")
    log.append({"step": 1})
    with log.path.open("a") as file:
        file.write('{"step": 2, "lo')
    assert list(log.read()) == [{"step": 1}]


def test_steps_to_be_made_again_are_forgotten_and_events_kept(tmp_path: Path) -> None:
    log = RunLog(tmp_path / "log.jsonl")
    log.append({"event": "start"})
    for step in (1, 2, 3):
        log.append({"step": step})
    log.forget_after(2)
    assert list(log.read()) == [{"event": "start"}, {"step": 1}, {"step": 2}]
