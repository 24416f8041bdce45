"""Timing, and the table and JSON file figures end up in."""

from __future__ import annotations

import json
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MINIMUM_REPEATS = 7
MS_PER_S = 1000.0
FRAME_SHAPE = (480, 640, 3)
"""Height, width and channels of the picture every bench shows."""
NOISE_AMPLITUDE = 3000.0
"""Standard deviation of the Int16 noise every bench lets the model hear."""


@dataclass(frozen=True, slots=True)
class Figure:
    """Repeated measurements of one thing."""

    name: str
    unit: str
    """``ms``, ``s`` or ``×`` (a ratio)."""
    column: str
    """What was varied, e.g. ``30 units``."""
    values: tuple[float, ...]
    """One per repeat; empty where nothing could be measured, e.g. in an answer without sound."""

    @property
    def median(self) -> float | None:
        """The figure to quote."""
        return statistics.median(self.values) if self.values else None

    def as_json(self) -> dict[str, Any]:
        """For the JSON file."""
        return {
            "name": self.name,
            "unit": self.unit,
            "column": self.column,
            "median": self.median,
            "min": min(self.values, default=None),
            "max": max(self.values, default=None),
            "repeats": len(self.values),
        }


@dataclass(slots=True)
class FigureTable:
    """Figures of one run of one configuration."""

    title: str
    figures: list[Figure] = field(default_factory=list)

    def add(self, name: str, column: str, values: list[float], unit: str = "ms") -> None:
        """Add one cell."""
        self.figures.append(Figure(name, unit, column, tuple(values)))

    def rows(self) -> list[str]:
        """The table, one line per thing measured: ``median (min–max)`` per column."""
        columns = list(dict.fromkeys(figure.column for figure in self.figures))
        names = list(dict.fromkeys(figure.name for figure in self.figures))
        cells = {(figure.name, figure.column): figure for figure in self.figures}
        lines = [self.title, f"{'':<30}" + "".join(f"{column:>24}" for column in columns)]
        for name in names:
            shown = [self._cell(cells.get((name, column))) for column in columns]
            lines.append(f"{name:<30}" + "".join(f"{cell:>24}" for cell in shown))
        return lines

    @staticmethod
    def _cell(figure: Figure | None) -> str:
        if figure is None:
            return ""
        if not figure.values:
            return "none"
        digits = 1 if figure.unit == "ms" else 2
        low, high = min(figure.values), max(figure.values)
        return f"{figure.median:.{digits}f} ({low:.{digits}f}-{high:.{digits}f})"


def measure(
    action: Callable[[], object], repeats: int, between: Callable[[], object] = lambda: None
) -> list[float]:
    """Milliseconds of each of ``repeats`` runs of ``action``, after one that does not count.

    Args:
        action: What is measured.
        repeats: Runs that count.
        between: Puts things back after every run; not measured.
    """
    values = []
    for run in range(repeats + 1):
        started_s = time.perf_counter()
        action()
        elapsed_s = time.perf_counter() - started_s
        between()
        if run:
            values.append(elapsed_s * MS_PER_S)
    return values


def write_json(path: Path, tables: list[FigureTable]) -> None:
    """Write all figures with what they were measured on."""
    content = {
        "machine": {"processor": platform.processor() or platform.machine()},
        "tables": [
            {"title": table.title, "figures": [figure.as_json() for figure in table.figures]}
            for table in tables
        ],
    }
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
