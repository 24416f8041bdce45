"""Curves of a run as a PNG, drawn with Pillow alone: a lent machine has no plotting library."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

PANEL_WIDTH, PANEL_HEIGHT = 460, 240
MARGIN_LEFT, MARGIN_RIGHT, MARGIN_TOP, MARGIN_BOTTOM = 64, 14, 26, 30
N_TICKS = 4
N_COLUMNS = 2
BACKGROUND, GRID, INK = "white", "#dddddd", "#222222"
RAW, SMOOTH = "#b8cbe6", "#1f5fae"
SMOOTHING = 0.9
"""Share of the past in the smoothed line."""

Point = tuple[float, float]


def series_of(records: Iterable[Mapping[str, Any]]) -> dict[str, list[Point]]:
    """Every number of a run over its steps, by name, in the order of first appearance."""
    series: dict[str, list[Point]] = {}
    for record in records:
        step = record.get("step")
        if step is None:
            continue
        for name, value in record.items():
            if name != "step" and isinstance(value, int | float) and math.isfinite(value):
                series.setdefault(name, []).append((float(step), float(value)))
    return series


def smooth(points: Sequence[Point]) -> list[Point]:
    """Exponential moving average without the bias of its beginning."""
    smoothed: list[Point] = []
    total = weight = 0.0
    for x, y in points:
        total = SMOOTHING * total + (1 - SMOOTHING) * y
        weight = SMOOTHING * weight + (1 - SMOOTHING)
        smoothed.append((x, total / weight))
    return smoothed


def draw_curves(records: Iterable[Mapping[str, Any]], path: Path, title: str) -> None:
    """Write one panel per number of the run; nothing where there is no number yet."""
    series = series_of(records)
    if not series:
        return
    n_rows = -(-len(series) // N_COLUMNS)
    size = (PANEL_WIDTH * min(N_COLUMNS, len(series)), PANEL_HEIGHT * n_rows)
    image = Image.new("RGB", size, BACKGROUND)
    draw = ImageDraw.Draw(image)
    for index, (name, points) in enumerate(series.items()):
        corner = (index % N_COLUMNS * PANEL_WIDTH, index // N_COLUMNS * PANEL_HEIGHT)
        _draw_panel(draw, corner, f"{title}: {name} {points[-1][1]:.4g}", points)
    image.save(path)


def _draw_panel(
    draw: ImageDraw.ImageDraw, corner: tuple[int, int], title: str, points: Sequence[Point]
) -> None:
    font = ImageFont.load_default()
    left, top = corner[0] + MARGIN_LEFT, corner[1] + MARGIN_TOP
    width = PANEL_WIDTH - MARGIN_LEFT - MARGIN_RIGHT
    height = PANEL_HEIGHT - MARGIN_TOP - MARGIN_BOTTOM
    draw.text((left, corner[1] + 6), title, INK, font)
    (low_x, high_x), (low_y, high_y) = (_range([p[axis] for p in points]) for axis in (0, 1))

    def place(point: Point) -> Point:
        x = left + (point[0] - low_x) / (high_x - low_x) * width
        return x, top + height - (point[1] - low_y) / (high_y - low_y) * height

    for tick in range(N_TICKS + 1):
        share = tick / N_TICKS
        y = top + height * (1 - share)
        draw.line([(left, y), (left + width, y)], GRID)
        value = low_y + share * (high_y - low_y)
        draw.text((corner[0] + 4, y - 6), f"{value:.4g}", INK, font)
        x = left + width * share
        step = low_x + share * (high_x - low_x)
        draw.text((x - 14, top + height + 6), f"{step:.0f}", INK, font)
    if len(points) > 1:
        draw.line([place(point) for point in points], RAW)
        draw.line([place(point) for point in smooth(points)], SMOOTH, 2)
    else:
        x, y = place(points[0])
        draw.ellipse([x - 3, y - 3, x + 3, y + 3], SMOOTH)


def _range(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    return (low, high) if high > low else (low - 0.5, high + 0.5)
