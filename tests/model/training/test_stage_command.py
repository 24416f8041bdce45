"""A stage's command hands its options to the run, and who only follows keeps quiet."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from model.training import stage_command
from model.training.__main__ import parser
from model.training.batches import TrainingData
from model.training.peers import Peers
from model.training.trainer import RunSummary

pytestmark = pytest.mark.unit

LINE = "codec --from a --data b --out c --steps 3 --held-out d --bf16 --learning-rate 0.5"


@pytest.mark.parametrize("rank", [0, 1])
def test_the_leader_judges_and_reports(
    rank: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ran: list[tuple[tuple[Any, ...], dict[str, Any]]] = []

    def run_stage(*given: Any, **named: Any) -> RunSummary:
        ran.append((given, named))
        return RunSummary(3, True, 1.0, {})

    monkeypatch.setattr(stage_command, "run_stage", run_stage)
    data = TrainingData(lambda step: iter(range(step, step + 20)))
    monkeypatch.setattr(stage_command, "open_data", lambda where, seed: data)
    with caplog.at_level(logging.INFO, "omnicall.training"):
        stage_command._train_with(Peers(rank, 2), "codec", parser().parse_args(LINE.split()))
    (((stage, start, source, settings, out), named),) = ran
    assert (stage, start, source, out) == ("codec", Path("a"), data, Path("c"))
    assert (settings.steps, settings.bf16, settings.learning_rate) == (3, True, 0.5)
    assert named["held_out"] == (list(range(8)) if rank == 0 else [])
    assert named["peers"].rank == rank
    assert ("finished after 3 steps" in caplog.text) is (rank == 0)
