"""Processes that train together learn as one that has the batches of all."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from model.training.__main__ import main
from model.training.peers import Peers, joined
from model.training.run_log import RunLog
from model.training.trainer import RunSummary, Trainer, TrainingSettings

pytestmark = pytest.mark.unit

STEPS = 6


class LineStage:
    """Fits a line, and a second one that only every other batch tells something of."""

    name = "line"
    prefixes = ()

    def __init__(self, rank: int = 0) -> None:
        torch.manual_seed(rank)
        self.module = nn.ModuleDict({"always": nn.Linear(4, 1), "sometimes": nn.Linear(4, 1)})

    def begin(self, batch: Tensor) -> None:
        pass

    def losses(self, batch: Tensor) -> dict[str, Tensor]:
        loss = (self.module["always"](batch) - batch.sum(-1, keepdim=True)).square().mean()
        for rows in batch.split(8):
            if rows[0, 0] > 0:
                share = len(rows) / len(batch)
                loss = loss + share * self.module["sometimes"](rows).square().mean()
        return {"loss": loss}


def batch_of(number: int) -> Tensor:
    return torch.randn(8, 4, generator=torch.Generator().manual_seed(number))


def one_by_one(step: int) -> Iterator[Tensor]:
    while True:
        yield batch_of(step)
        step += 1


def in_pairs(step: int) -> Iterator[Tensor]:
    while True:
        yield torch.cat([batch_of(2 * step), batch_of(2 * step + 1)])
        step += 1


def train(peers: Peers, folder: Path, source: Any = one_by_one) -> tuple[LineStage, RunSummary]:
    stage = LineStage(peers.rank)
    settings = TrainingSettings(steps=STEPS, learning_rate=0.05, warmup_steps=2)
    return stage, Trainer(stage, settings, folder, peers=peers).run(source)


def give_up(peers: Peers) -> None:
    raise RuntimeError(f"process {peers.rank} gives up")


def test_two_learn_as_one_with_the_batches_of_both(tmp_path: Path) -> None:
    with joined(2, train, tmp_path / "both") as peers:
        both, summary = train(peers, tmp_path / "both")
    alone, _ = train(Peers(), tmp_path / "alone", in_pairs)
    for ours, theirs in zip(both.module.parameters(), alone.module.parameters(), strict=True):
        assert torch.allclose(ours, theirs, atol=1e-6)
    assert summary.finished and summary.step == STEPS
    events = RunLog(tmp_path / "both" / "log.jsonl").read()
    assert [event["workers"] for event in events if event.get("event") == "start"] == [2]


def test_a_run_ends_where_one_of_them_does(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), joined(2, give_up) as peers:
        train(peers, tmp_path)


def test_workers_are_for_the_processor(tmp_path: Path) -> None:
    command = ["codec", "--from", str(tmp_path), "--data", "nothing", "--out", str(tmp_path)]
    with pytest.raises(SystemExit, match="leave it out for --device cuda"):
        main([*command, "--workers", "2", "--device", "cuda"])
