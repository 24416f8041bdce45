"""Registry of golden checks and the golden set they read.

A golden set is a folder with a checkpoint in the real layout and recorded values of the reference.
``OMNICALL_GOLDEN_DIR`` names another one; checks derive seeds, sizes and strides from the set.
"""

from __future__ import annotations

import importlib.util
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch

from model.config import OmniConfig

LOGITS_ATOL = 1e-4
VALUES_ATOL = 2e-5
WAVE_ATOL = 1e-5


class MissingFixtureError(Exception):
    """The set does not hold a file that a check wants."""


class GoldenSet:
    """One folder of recorded values."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def has(self, *names: str) -> bool:
        """Whether every file is in the set."""
        return all((self.folder / name).exists() for name in names)

    def path(self, name: str) -> Path:
        """Where a file of the set is.

        Raises:
            MissingFixtureError: The set does not hold it.
        """
        path = self.folder / name
        if not path.exists():
            raise MissingFixtureError(name)
        return path

    @cache  # noqa: B019
    def json(self, name: str) -> Any:
        """A decoded JSON file."""
        return json.loads(self.path(name).read_text(encoding="utf-8"))

    @cache  # noqa: B019
    def npz(self, name: str) -> dict[str, np.ndarray]:
        """All arrays of an npz file."""
        with np.load(self.path(name)) as arrays:
            return {key: arrays[key] for key in arrays.files}

    @property
    def seed(self) -> int:
        """``S`` of the fixtures' README."""
        return int(self.json("meta.json")["seed"])

    @cached_property
    def config(self) -> OmniConfig:
        """The set's checkpoint dimensions."""
        return OmniConfig.from_folder(self.folder)

    @cached_property
    def inputs(self) -> ModuleType:
        """The set's generator of synthetic inputs."""
        spec = importlib.util.spec_from_file_location("golden_inputs", self.path("inputs.py"))
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    @cached_property
    def weights(self) -> dict[str, torch.Tensor]:
        """All tensors of the checkpoint as float32, under their checkpoint names."""
        from safetensors.torch import load_file

        loaded = load_file(self.path("model.safetensors"))
        return {name: tensor.float() for name, tensor in loaded.items()}

    def part(self, prefix: str) -> dict[str, torch.Tensor]:
        """State dict of one network, e.g. ``part("vpm.")``."""
        return {
            name.removeprefix(prefix): tensor
            for name, tensor in self.weights.items()
            if name.startswith(prefix)
        }


def golden_dir() -> Path:
    """The folder the golden tests read."""
    default = Path(__file__).parents[2] / "golden"
    return Path(os.environ.get("OMNICALL_GOLDEN_DIR", default))


@cache
def golden_set() -> GoldenSet:
    """The golden set of this run."""
    return GoldenSet(golden_dir())


@dataclass
class Comparison:
    """What one check compared; asserts and remembers the largest difference."""

    compared: int = 0
    exact: int = 0
    worst: float = 0.0
    worst_of: str = ""
    tolerance: float = 0.0
    notes: list[str] = field(default_factory=list)

    def close(self, name: str, ours: Any, theirs: Any, atol: float) -> None:
        """Assert equal shapes and ``|ours - theirs| <= atol`` everywhere."""
        ours, theirs = _array(ours), _array(theirs)
        assert ours.shape == theirs.shape, f"{name}: shape {ours.shape}, golden {theirs.shape}"
        assert np.isfinite(ours).all(), f"{name}: not finite"
        difference = float(np.abs(ours - theirs).max()) if ours.size else 0.0
        self.compared += 1
        if self.tolerance == 0 or difference / atol >= self.worst / self.tolerance:
            self.worst, self.worst_of, self.tolerance = difference, name, atol
        assert difference <= atol, f"{name}: differs by {difference:.3g}, tolerance {atol:.3g}"

    def equal(self, name: str, ours: Any, theirs: Any) -> None:
        """Assert exact equality (ids, texts, shapes, digests)."""
        if isinstance(ours, np.ndarray | torch.Tensor) or isinstance(theirs, np.ndarray):
            ours, theirs = _array(ours).tolist(), _array(theirs).tolist()
        self.compared += 1
        self.exact += 1
        assert ours == theirs, f"{name}: {_shorten(ours)} != golden {_shorten(theirs)}"


@dataclass(frozen=True)
class Check:
    """One registered check: a line of the parity table."""

    name: str
    files: tuple[str, ...]
    run: Callable[[GoldenSet, Comparison], None]


CHECKS: list[Check] = []


def golden_check(name: str, *files: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Register ``function(golden, compare)``; skipped, by name, where a file is missing."""

    def register(function: Callable[[GoldenSet, Comparison], None]) -> Callable[..., None]:
        CHECKS.append(Check(name, files, function))
        return function

    return register


def _array(value: Any) -> np.ndarray:
    if isinstance(value, torch.Tensor):
        value = value.detach().float().cpu().numpy() if value.is_floating_point() else value.numpy()
    return np.asarray(value)


def _shorten(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 400 else f"{text[:400]}…"
