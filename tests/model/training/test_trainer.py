"""A run: it learns, stops at its budget, and continues to the bit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from model.training.optimizers import OptimizerName
from model.training.run_log import RunLog
from model.training.trainer import (
    NATIVE_BF16,
    BatchSource,
    ResumeError,
    Trainer,
    TrainingSettings,
    learning_rate,
    repeated,
)

pytestmark = pytest.mark.unit


class LineStage:
    """Fits a noisy line; draws random numbers in every step, as real stages do."""

    name = "line"
    prefixes = ()

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.module = nn.Sequential(nn.Linear(4, 16), nn.Dropout(0.2), nn.Linear(16, 1))
        self.n_begun = 0

    def begin(self, batch: Tensor) -> None:
        self.n_begun += 1

    def losses(self, batch: Tensor) -> dict[str, Tensor]:
        error = self.module(batch) - batch.sum(-1, keepdim=True)
        return {"loss": error.square().mean() + 0 * torch.rand(()), "abs": error.abs().mean()}


def source(step: int) -> Iterator[Tensor]:
    while True:
        yield torch.randn(8, 4, generator=torch.Generator().manual_seed(step))
        step += 1


def a_second_a_batch() -> tuple[BatchSource, Callable[[], float]]:
    """The source, and a clock on which each of its batches takes a second."""
    now = [0.0]

    def timed(step: int) -> Iterator[Tensor]:
        for batch in source(step):
            now[0] += 1.0
            yield batch

    return timed, lambda: now[0]


def settings(steps: int | None = 30, **more: object) -> TrainingSettings:
    return TrainingSettings(steps=steps, warmup_steps=5, log_every_steps=1, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_a_continued_run_is_the_uninterrupted_one_to_the_bit(
    tmp_path: Path, optimizer: OptimizerName
) -> None:
    whole = LineStage()
    Trainer(whole, settings(optimizer=optimizer), tmp_path / "whole").run(source)
    ticks = iter(range(10_000))
    first = LineStage()
    stopped = Trainer(
        first,
        settings(budget_s=12, optimizer=optimizer),
        tmp_path / "parts",
        clock=lambda: next(ticks) / 2,
    ).run(source)
    assert not stopped.finished and 0 < stopped.step < 30
    second = LineStage()
    finished = Trainer(second, settings(optimizer=optimizer), tmp_path / "parts").run(source)
    assert finished.finished and finished.step == 30
    for ours, theirs in zip(second.module.parameters(), whole.module.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    steps = [r["step"] for r in RunLog(tmp_path / "parts/log.jsonl").read() if "step" in r]
    assert steps == list(range(1, 31))
    assert (first.n_begun, second.n_begun) == (1, 1)


def test_a_crash_after_a_checkpoint_costs_the_steps_since(tmp_path: Path) -> None:
    def crashing(step: int) -> Iterator[Tensor]:
        for index, batch in enumerate(source(step)):
            if index == 17:
                raise OSError("power cut")
            yield batch

    with pytest.raises(OSError, match="power cut"):
        Trainer(LineStage(), settings(save_every_steps=10), tmp_path).run(crashing)
    stage = LineStage()
    trainer = Trainer(stage, settings(save_every_steps=10), tmp_path)
    assert trainer.step == 10
    trainer.run(source)
    whole = LineStage()
    Trainer(whole, settings(), tmp_path / "whole").run(source)
    assert torch.equal(stage.module[0].weight, whole.module[0].weight)


def test_the_schedule_is_fitted_to_the_budget(tmp_path: Path) -> None:
    timed, clock = a_second_a_batch()
    trainer = Trainer(LineStage(), settings(steps=None, budget_s=40.0), tmp_path, clock=clock)
    summary = trainer.run(timed)
    assert 38 <= summary.step <= 40
    events = [r for r in RunLog(tmp_path / "log.jsonl").read() if r.get("event") == "steps"]
    assert 38 <= events[0]["total_steps"] <= 40
    assert (tmp_path / "curves.png").exists()


def test_held_out_batches_are_judged_and_change_nothing(tmp_path: Path) -> None:
    plain, judged = LineStage(), LineStage()
    Trainer(plain, settings(save_every_steps=10), tmp_path / "plain").run(source)
    held_out = [torch.ones(8, 4), torch.zeros(8, 4)]
    Trainer(judged, settings(save_every_steps=10), tmp_path / "judged").run(source, held_out)
    for ours, theirs in zip(judged.module.parameters(), plain.module.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    records = [r for r in RunLog(tmp_path / "judged/log.jsonl").read() if "held_out_loss" in r]
    assert [r["step"] for r in records] == [10, 20, 30, 30]
    assert records[-1]["held_out_loss"] < records[0]["held_out_loss"]


def test_a_run_with_other_settings_or_of_another_stage_is_not_continued(tmp_path: Path) -> None:
    Trainer(LineStage(), settings(steps=2), tmp_path).run(source)
    with pytest.raises(ResumeError, match="learning_rate"):
        Trainer(LineStage(), settings(steps=2, learning_rate=0.1), tmp_path)
    other = LineStage()
    other.name = "curve"
    with pytest.raises(ResumeError, match="'line'"):
        Trainer(other, settings(steps=2), tmp_path)


def test_a_run_takes_over_weights_and_step_of_another_with_settings_of_its_own(
    tmp_path: Path,
) -> None:
    first = LineStage()
    Trainer(first, settings(steps=10), tmp_path / "first").run(source)
    second = LineStage()
    options = settings(steps=30, optimizer="muon", learning_rate=0.01)
    trainer = Trainer(second, options, tmp_path / "second", take_over=tmp_path / "first")
    assert trainer.step == 10
    for ours, theirs in zip(second.module.parameters(), first.module.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    trainer.run(source)
    records = [r for r in RunLog(tmp_path / "second/log.jsonl").read() if "learning_rate" in r]
    assert [r["step"] for r in records] == list(range(11, 31))
    rates = [r["learning_rate"] for r in records]
    assert rates[:5] == pytest.approx([0.002, 0.004, 0.006, 0.008, 0.01]), "warmed up anew"
    assert rates[-1] < 0.001
    # Continued by the same command, it goes on where it was, not where the other one ended.
    assert (
        Trainer(LineStage(), options, tmp_path / "second", take_over=tmp_path / "first").step == 30
    )


def test_a_run_that_took_another_over_fits_its_own_budget(tmp_path: Path) -> None:
    Trainer(LineStage(), settings(steps=10), tmp_path / "first").run(source)
    timed, clock = a_second_a_batch()
    trainer = Trainer(
        LineStage(),
        settings(steps=None, budget_s=40.0),
        tmp_path / "second",
        clock=clock,
        take_over=tmp_path / "first",
    )
    assert 48 <= trainer.run(timed).step <= 50


def test_only_a_run_of_the_same_stage_is_taken_over(tmp_path: Path) -> None:
    Trainer(LineStage(), settings(steps=2), tmp_path / "first").run(source)
    other = LineStage()
    other.name = "curve"
    with pytest.raises(ResumeError, match="only its own"):
        Trainer(other, settings(), tmp_path / "second", take_over=tmp_path / "first")
    with pytest.raises(ResumeError, match="no run"):
        Trainer(LineStage(), settings(), tmp_path / "third", take_over=tmp_path / "nowhere")


def test_a_run_without_any_limit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="budget"):
        Trainer(LineStage(), TrainingSettings(), tmp_path)


def test_a_step_that_is_not_a_number_changes_nothing(tmp_path: Path) -> None:
    stage = LineStage()
    before = [parameter.clone() for parameter in stage.module.parameters()]
    Trainer(stage, settings(steps=1), tmp_path).run(repeated([torch.full((8, 4), torch.inf)]))
    for parameter, old in zip(stage.module.parameters(), before, strict=True):
        assert torch.equal(parameter, old)


@pytest.mark.parametrize("feature", [*NATIVE_BF16, None])
def test_bfloat16_is_used_where_the_processor_has_it(
    feature: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    capabilities = {} if feature is None else {feature: True}
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    stage, seen = LineStage(), []
    plain = stage.losses

    def losses(batch: Tensor) -> dict[str, Tensor]:
        seen.append(torch.is_autocast_enabled("cpu"))
        return plain(batch)

    monkeypatch.setattr(stage, "losses", losses)
    Trainer(stage, settings(steps=2, bf16=True), tmp_path).run(source, held_out=[torch.ones(8, 4)])
    assert set(seen) == {feature is not None}


def test_the_rate_rises_and_falls() -> None:
    options = settings(learning_rate=1.0, final_share=0.1)
    rates = [learning_rate(step, options, 30) for step in range(31)]
    assert rates[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert all(a >= b for a, b in pairwise(rates[5:]))
    assert rates[30] == pytest.approx(0.1)
    assert learning_rate(1000, options, None) == 1.0


def test_repeated_batches_continue_where_they_were() -> None:
    batches = repeated(["a", "b", "c"])
    assert [x for x, _ in zip(batches(4), range(3), strict=False)] == ["b", "c", "a"]
