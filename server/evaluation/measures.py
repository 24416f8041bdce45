"""What pocket has to reach: every measure with its bar, and what is hoped for beyond it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True, slots=True)
class Measure:
    """One figure of the table."""

    name: str
    """As in the JSON."""
    title: str
    """As in tables."""
    unit: str
    """Of the figure and its bars."""
    bar: float | None = None
    """What has to be reached; None: reported only."""
    stretch: float | None = None
    """What is hoped for; None: nothing beyond the bar."""
    lower_is_better: bool = False
    """Whether a bar is an upper bound."""
    digits: int = 1
    """Shown after the point."""

    def reaches(self, value: float, bound: float) -> bool:
        """Whether a figure is as good as a bound."""
        return value <= bound if self.lower_is_better else value >= bound

    def as_json(self, figure: Figure | None) -> dict[str, Any]:
        """The measure with what was measured, for the JSON file."""
        value = None if figure is None else figure.value
        met = None if value is None or self.bar is None else self.reaches(value, self.bar)
        return {
            "name": self.name,
            "title": self.title,
            "unit": self.unit,
            "value": value,
            "bar": self.bar,
            "stretch": self.stretch,
            "lower_is_better": self.lower_is_better,
            "bar_reached": met,
            "n": None if figure is None else figure.n,
            "low_95": None if figure is None else figure.low_95,
            "high_95": None if figure is None else figure.high_95,
        }


@dataclass(frozen=True, slots=True)
class Figure:
    """What was measured."""

    value: float
    """In the measure's unit."""
    n: int
    """Samples behind it."""
    low_95: float | None = None
    """Lower end of the 95 % interval, where there is one."""
    high_95: float | None = None
    """Upper end."""


_PERCENT, _POINTS = "%", "points"

MEASURES: Mapping[str, Measure] = MappingProxyType(
    {
        measure.name: measure
        for measure in (
            Measure("typed", "right answer, typed", _PERCENT, 98.0, 99.5),
            Measure("seen", "right answer, spoken by seen voices", _PERCENT, 95.0, 99.0),
            Measure("unheard", "right answer, spoken by unheard voices", _PERCENT, 85.0, 95.0),
            Measure("noise", "right answer, seen voices in noise of 20 dB", _PERCENT),
            Measure("shifted", "right answer, unheard voices, pitch and tempo shifted", _PERCENT),
            Measure("pictures", "right answer about the picture, typed", _PERCENT, 97.0, 99.0),
            Measure("memory", "memory across units", _PERCENT, 95.0, 99.0),
            Measure("outside", "outside the domain: says so", _PERCENT, 90.0, 97.0),
            Measure(
                "intelligibility",
                "word errors of replies above the teacher's",
                _POINTS,
                8.0,
                2.0,
                lower_is_better=True,
            ),
            Measure("pesq", "vocoder resynthesis, PESQ-wb", "MOS", 3.2, 3.8, digits=2),
            Measure("stoi", "vocoder resynthesis, STOI", "", 0.95, 0.98, digits=3),
            Measure("right_voice", "right voice for the reference", _PERCENT, 95.0, 100.0),
            Measure(
                "server_memory", "memory of the server", "GB", 1.5, lower_is_better=True, digits=2
            ),
            Measure("ready", "start to ready", "s", 10.0, lower_is_better=True),
            Measure(
                "first_audio",
                "end of turn decision to first audio",
                "ms",
                350.0,
                150.0,
                lower_is_better=True,
                digits=0,
            ),
        )
    }
)
"""By name, in the order of the table."""
