"""The evaluation on a terminal: the table with its bars, then scores, then wrong answers."""

from __future__ import annotations

from typing import Any

from server.evaluation.measures import MEASURES
from server.evaluation.report import Report

WRONG_PRINTED = 8
"""Wrong answers shown of a condition."""
LONGEST_PRINTED = 80
"""Characters shown of a wrong answer."""
_MISSING = "-"


def report_rows(report: Report) -> list[str]:
    """The whole report, line by line."""
    checkpoint = report["checkpoint"]
    label = checkpoint["name"] if checkpoint["trained"] else f"{checkpoint['name']} (untrained)"
    rows = [f"{label}, {checkpoint['parameters'] / 1e6:.1f} M parameters", ""]
    rows += measure_rows(report)
    rows += ["", *condition_rows(report)]
    for name, condition in report["conditions"].items():
        if condition["wrong"]:
            rows += ["", *wrong_rows(name, condition)]
    for name, reason in report["not_measured"].items():
        rows += ["", f"not measured: {name}: {reason}"]
    return rows


def measure_rows(report: Report) -> list[str]:
    """Figures, their uncertainty, bars and what is hoped for."""
    rows = [f"{'measure':<56}{'figure':>12}{'95 %':>16}{'bar':>10}{'stretch':>10}  reached"]
    for row in report["measures"]:
        if row["value"] is None and row["bar"] is None:
            continue
        figure = shown(row, row["value"])
        interval = interval_of(row)
        bar, stretch = bound(row, row["bar"]), bound(row, row["stretch"])
        title = f"{row['title']} (n = {row['n']})" if row["n"] else row["title"]
        rows.append(f"{title:<56}{figure:>12}{interval:>16}{bar:>10}{stretch:>10}  {reached(row)}")
    return rows


def condition_rows(report: Report) -> list[str]:
    """Scores of every condition by what is asked about, and the intents that are not all right."""
    groups = list(
        dict.fromkeys(
            group for condition in report["conditions"].values() for group in condition["groups"]
        )
    )
    rows = [f"{'right answers, %':<40}{'all':>8}" + "".join(f"{group:>9}" for group in groups)]
    for condition in report["conditions"].values():
        scores = [condition["score"], *(condition["groups"].get(group) for group in groups)]
        cells = [_percent(score) for score in scores]
        rows.append(
            f"{condition['title']:<40}{cells[0]:>8}" + "".join(f"{c:>9}" for c in cells[1:])
        )
    for name, condition in report["conditions"].items():
        weak = sorted(
            ((score["percent"], intent) for intent, score in condition["intents"].items()),
        )
        shown_weak = [f"{intent} {percent:.0f}" for percent, intent in weak if percent < 100.0]
        if shown_weak:
            rows.append(f"  {name}: " + ", ".join(shown_weak))
    return rows


def wrong_rows(name: str, condition: Report) -> list[str]:
    """Some wrong answers of a condition."""
    wrong = condition["wrong"]
    n_wrong = condition["score"]["n"] - condition["score"]["right"]
    shown_wrong = wrong[:WRONG_PRINTED]
    rows = [f"wrong, {name} ({len(shown_wrong)} of {n_wrong}):"]
    for entry in shown_wrong:
        got = entry["got"].strip()[:LONGEST_PRINTED]
        asked = f"{entry['intent']}: {entry['question']!r}"
        rows.append(f"  {asked} -> {got!r}, not {entry['expected']!r}")
    return rows


def shown(row: Report, value: float | None) -> str:
    """A figure with its unit."""
    if value is None:
        return _MISSING
    unit = row["unit"]
    digits = MEASURES[row["name"]].digits
    return f"{value:.{digits}f} {unit}".rstrip()


def bound(row: Report, value: float | None) -> str:
    """A bar, as short as it was written."""
    if value is None:
        return _MISSING
    return f"{'≤' if row['lower_is_better'] else '≥'} {value:g}"


def interval_of(row: Report) -> str:
    """The 95 % interval of a figure."""
    if row["low_95"] is None:
        return ""
    digits = MEASURES[row["name"]].digits
    return f"{row['low_95']:.{digits}f}-{row['high_95']:.{digits}f}"


def reached(row: Report) -> str:
    """Whether a figure is as good as its bars."""
    if row["bar_reached"] is None:
        return ""
    measure = MEASURES[row["name"]]
    if row["stretch"] is not None and measure.reaches(row["value"], row["stretch"]):
        return "stretch"
    return "yes" if row["bar_reached"] else "NO"


def _percent(score: dict[str, Any] | None) -> str:
    return "" if score is None or score["percent"] is None else f"{score['percent']:.1f}"
