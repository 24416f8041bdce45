"""Runs a stage: optimiser, schedule, budget, checkpoints and the log of the run.

A run can be stopped at any moment and continued. Step ``n`` depends on the seed, on ``n`` and on
the state before it alone: batches are asked for by step and every step seeds its own random
numbers. A continued run is therefore the run that was never stopped, to the bit.
"""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from model.training.curves import draw_curves
from model.training.optimizers import OptimizerName, make_optimizers
from model.training.peers import Peers
from model.training.run_log import RunLog

logger = logging.getLogger("omnicall.training")

STATE_FILE, LOG_FILE, CURVES_FILE = "training.pt", "log.jsonl", "curves.png"
SEED_STRIDE = 1_000_003
"""Prime, so that runs of neighbouring seeds share no step's random numbers."""
MAX_SEED = 2**63
NATIVE_BF16 = ("avx512_bf16", "amx_bf16", "bf16")
"""What processors with bfloat16 of their own are told by, Intel's and AMD's, then ARM's."""

BatchSource = Callable[[int], Iterable[Any]]
"""``source(step)``: batches from that step on; the same for the same step, always."""


class ResumeError(RuntimeError):
    """A run in the folder was made with other settings or of another stage."""


class Stage(Protocol):
    """What is trained and how well it does."""

    name: str
    prefixes: tuple[str, ...]
    """Checkpoint prefixes of the networks it trains."""
    module: nn.Module
    """Everything that is trained; parameters that require no gradient stay as they are and are not
    stored with the run."""

    def begin(self, batch: Any) -> None:
        """Called with the first batch of the data before a run begins or goes on; what it sets,
        beside the trained parameters, may depend on that batch alone."""

    def losses(self, batch: Any) -> dict[str, Tensor]:
        """Scalars; ``loss`` is minimised, the others are logged."""


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """Everything a run depends on besides the stage and its batches."""

    seed: int = 0
    steps: int | None = None
    """Steps in all, those of a run that was taken over included; None: as many as fit the budget,
    judged at the end of the warm-up."""
    budget_s: float = math.inf
    """Seconds of this process's CPU time (wall time on a GPU), over all its continuations."""
    optimizer: OptimizerName = "adamw"
    learning_rate: float = 1.5e-3
    final_share: float = 0.05
    """Learning rate at the last step, relative."""
    warmup_steps: int = 50
    weight_decay: float = 0.05
    betas: tuple[float, float] = (0.9, 0.98)
    clip_norm: float = 1.0
    bf16: bool = False
    """Autocast to bfloat16 where the device computes in it; weights stay float32."""
    device: str = "cpu"
    save_every_steps: int = 250
    log_every_steps: int = 10


CHANGEABLE = frozenset({"budget_s", "device", "save_every_steps", "log_every_steps"})
"""Settings that a continued run may change."""


@dataclass(frozen=True, slots=True)
class RunSummary:
    """Where a run stands."""

    step: int
    finished: bool
    """All steps were made; False: the budget ran out before."""
    used_s: float
    losses: dict[str, float]
    """Of the last step."""


class Trainer:
    """One run of one stage in one folder. Not thread-safe."""

    def __init__(
        self,
        stage: Stage,
        settings: TrainingSettings,
        folder: Path,
        clock: Callable[[], float] | None = None,
        take_over: Path | None = None,
        peers: Peers | None = None,
    ) -> None:
        """Prepare a run, or pick up the one in ``folder``.

        Args:
            stage: What to train; moved to the device.
            settings: As in the run to be continued.
            folder: Of the run; made where missing.
            clock: Seconds that count against the budget.
            take_over: Folder of another run of this stage, where a new run begins: with its
                weights and its step, but settings, schedule and budget of its own.
            peers: Processes that train together; this one alone where None.

        Raises:
            ValueError: Neither a number of steps nor a budget limits the run.
            ResumeError: The folder holds another run, or there is none to take over.
        """
        if settings.steps is None and math.isinf(settings.budget_s):
            raise ValueError("a run needs a number of steps or a budget")
        self.stage = stage
        self.settings = settings
        self.folder = folder
        self.peers = peers or Peers()
        self.step = 0
        self._device = torch.device(settings.device)
        self._bf16 = settings.bf16 and computes_bf16(self._device)
        if settings.bf16 and not self._bf16:
            logger.warning("%s: this processor has no bfloat16; computing in float32", stage.name)
        on_cpu = self._device.type == "cpu"
        self._clock = clock or (time.process_time if on_cpu else time.perf_counter)
        self._total_steps = settings.steps
        self._first_step = 0
        self._used_before_s = 0.0
        self._last: dict[str, float] = {}
        self._timed_from: tuple[int, float] | None = None  # step and seconds after its first step
        folder.mkdir(parents=True, exist_ok=True)
        self._log = RunLog(folder / LOG_FILE)
        stage.module.to(self._device).train()
        self._optimizers = make_optimizers(
            stage.module,
            settings.learning_rate,
            settings.weight_decay,
            settings.betas,
            settings.optimizer,
            bf16=self._bf16,
        )
        groups = [group for optimizer in self._optimizers for group in optimizer.param_groups]
        self._parameters = [parameter for group in groups for parameter in group["params"]]
        if (folder / STATE_FILE).exists():
            self._load()
        elif take_over is not None:
            self._take_over(take_over)
        self.peers.share(self._parameters)
        if self.peers.leads:
            self._log.forget_after(self.step)
        self._record(
            {"event": "start", "at_step": self.step, "stage": stage.name}
            | {"torch": torch.__version__, "settings": asdict(settings)}
            | {"workers": self.peers.count}
        )
        self._started_s = self._clock()

    @property
    def used_s(self) -> float:
        """Seconds used so far, earlier parts of the run included."""
        return self._used_before_s + self._clock() - self._started_s

    def run(self, source: BatchSource, held_out: Sequence[Any] = ()) -> RunSummary:
        """Train until all steps are made or the budget is used up; saves at the end.

        Args:
            source: Batches to train on.
            held_out: Batches whose losses are logged whenever the run is saved.
        """
        self._begin(source)
        for batch in self.peers.batches(source, self.step):
            if self.peers.as_leader(self._over):
                break
            self._make_step(batch)
            if self._timed_from is None:
                self._timed_from = (self.step, self.used_s)
            if self._n_made == self.settings.warmup_steps and self._total_steps is None:
                self._fit_to_budget()
            if self.step % self.settings.save_every_steps == 0:
                self._judge(held_out)
                self.save()
        self._judge(held_out)
        self.save()
        if self.peers.leads:
            draw_curves(self._log.read(), self.folder / CURVES_FILE, self.stage.name)
        finished = self._total_steps is not None and self.step >= self._total_steps
        return RunSummary(self.step, finished, self.used_s, dict(self._last))

    def save(self) -> None:
        """Write the state of the run, where this process leads; a crash leaves the one before."""
        if not self.peers.leads:
            return
        state = {
            "stage": self.stage.name,
            "settings": asdict(self.settings),
            "step": self.step,
            "first_step": self._first_step,
            "total_steps": self._total_steps,
            "used_s": self.used_s,
            "trained": trained_tensors(self.stage.module),
            "optimizers": [optimizer.state_dict() for optimizer in self._optimizers],
        }
        scratch = self.folder / f".{STATE_FILE}.part"
        with scratch.open("wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        scratch.replace(self.folder / STATE_FILE)
        of_all = "" if self._total_steps is None else f" of {self._total_steps}"
        losses = ", ".join(f"{name} {value:.4g}" for name, value in self._last.items())
        logger.info(
            "%s: step %d%s, %.0f s, %s", self.stage.name, self.step, of_all, self.used_s, losses
        )

    @property
    def _n_made(self) -> int:
        """Steps of this run; those of a run it took over do not count."""
        return self.step - self._first_step

    @property
    def _over(self) -> bool:
        out_of_steps = self._total_steps is not None and self.step >= self._total_steps
        return out_of_steps or self.used_s >= self.settings.budget_s

    def _begin(self, source: BatchSource) -> None:
        torch.manual_seed(self.settings.seed)
        with torch.no_grad():
            for batch in islice(source(0), 1):
                self.stage.begin(batch)

    def _make_step(self, batch: Any) -> None:
        settings = self.settings
        number = self.peers.number_of(self.step)
        torch.manual_seed((settings.seed * SEED_STRIDE + number + 1) % MAX_SEED)
        left = None if self._total_steps is None else self._total_steps - self._first_step
        rate = learning_rate(self._n_made, settings, left)
        for optimizer in self._optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._bf16):
            losses = self.stage.losses(batch)
        losses["loss"].backward()
        self.peers.average(self._parameters)
        norm = float(nn.utils.clip_grad_norm_(self._parameters, settings.clip_norm))
        if math.isfinite(norm):
            for optimizer in self._optimizers:
                optimizer.step()
        for parameter in self._parameters:
            parameter.grad = None
        self.step += 1
        if self.step % settings.log_every_steps == 0 or self.step == 1 or not math.isfinite(norm):
            self._last = {name: float(value.detach()) for name, value in losses.items()}
            record: dict[str, Any] = {"step": self.step, **self._last}
            record |= {"learning_rate": rate, "gradient_norm": norm, "used_s": self.used_s}
            self._record(record)

    def _judge(self, held_out: Sequence[Any]) -> None:
        """Log the mean losses of batches that are not trained on; changes nothing."""
        if not held_out or not self.peers.leads:
            return
        torch.manual_seed(self.settings.seed)
        self.stage.module.eval()
        totals: dict[str, float] = {}
        for batch in held_out:
            with (
                torch.no_grad(),
                torch.autocast(self._device.type, torch.bfloat16, enabled=self._bf16),
            ):
                losses = self.stage.losses(batch)
            for name, value in losses.items():
                totals[name] = totals.get(name, 0.0) + float(value) / len(held_out)
        self.stage.module.train()
        judged = {f"held_out_{name}": value for name, value in totals.items()}
        self._record({"step": self.step, **judged})

    def _record(self, record: dict[str, Any]) -> None:
        if self.peers.leads:
            self._log.append(record)

    def _fit_to_budget(self) -> None:
        """Fix the number of steps, so that the schedule ends where the budget does."""
        # The first step of a process is slow: it allocates and, on a GPU, compiles.
        assert self._timed_from is not None
        first_step, first_s = self._timed_from
        n_timed = self.step - first_step
        timed_s = (self.used_s - first_s) / n_timed if n_timed else self.used_s / self._n_made
        per_step_s = max(timed_s, 1e-6)
        left_s = max(self.settings.budget_s - self.used_s, 0.0)
        self._total_steps = int(self.peers.as_leader(self.step + int(left_s / per_step_s)))
        self._record({"event": "steps", "total_steps": self._total_steps})

    def _load(self) -> None:
        path = self.folder / STATE_FILE
        state = torch.load(path, map_location=self._device, weights_only=True)
        ours = {k: v for k, v in asdict(self.settings).items() if k not in CHANGEABLE}
        theirs = {k: v for k, v in state["settings"].items() if k not in CHANGEABLE}
        changed = sorted(k for k in ours if ours[k] != theirs.get(k))
        if state["stage"] != self.stage.name or changed:
            raise ResumeError(
                f"{self.folder} holds a run of stage {state['stage']!r}"
                + (f" with other settings ({', '.join(changed)})" if changed else "")
                + "; continue it as it was begun, or choose another folder"
            )
        restore_tensors(self.stage.module, state["trained"])
        for optimizer, saved in zip(self._optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.step = state["step"]
        self._first_step = state.get("first_step", 0)
        self._total_steps = state["total_steps"]
        self._used_before_s = state["used_s"]

    def _take_over(self, folder: Path) -> None:
        path = folder / STATE_FILE
        if not path.exists():
            raise ResumeError(f"{folder} holds no run to take over ({STATE_FILE} is missing)")
        state = torch.load(path, map_location=self._device, weights_only=True)
        if state["stage"] != self.stage.name:
            raise ResumeError(
                f"{folder} holds a run of stage {state['stage']!r}; "
                f"{self.stage.name!r} can take over only its own"
            )
        restore_tensors(self.stage.module, state["trained"])
        self.step = self._first_step = state["step"]
        logger.info("%s: takes over %s at step %d", self.stage.name, folder, self.step)


def computes_bf16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 itself; a CPU that imitates it takes seven to
    nine times as long as in float32."""
    if device.type != "cpu":
        return True
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name) for name in NATIVE_BF16)


def learning_rate(step: int, settings: TrainingSettings, total_steps: int | None) -> float:
    """Linear warm-up, then half a cosine down to ``final_share`` at the last step."""
    peak = settings.learning_rate
    if step < settings.warmup_steps:
        return peak * (step + 1) / settings.warmup_steps
    if total_steps is None:
        return peak
    span = max(total_steps - settings.warmup_steps, 1)
    share = min((step - settings.warmup_steps) / span, 1.0)
    fall = (1 + math.cos(math.pi * share)) / 2
    return peak * (settings.final_share + (1 - settings.final_share) * fall)


def trained_tensors(module: nn.Module) -> dict[str, Tensor]:
    """What a run changes: parameters that require a gradient."""
    named = module.named_parameters()
    return {name: p.detach().clone() for name, p in named if p.requires_grad}


def restore_tensors(module: nn.Module, tensors: dict[str, Tensor]) -> None:
    """Put back what :func:`trained_tensors` took.

    Raises:
        ResumeError: They are of another module.
    """
    expected = {name: p for name, p in module.named_parameters() if p.requires_grad}
    if expected.keys() != tensors.keys():
        differing = sorted(expected.keys() ^ tensors.keys())
        raise ResumeError(f"the run trained other parameters: {', '.join(differing[:5])}")
    with torch.no_grad():
        for name, parameter in expected.items():
            parameter.copy_(tensors[name])


def repeated(batches: Sequence[Any]) -> BatchSource:
    """The same batches over and over."""

    def source(step: int) -> Iterator[Any]:
        return islice(cycle(batches), step % len(batches), None)

    return source
