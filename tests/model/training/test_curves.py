"""Curves are drawn with Pillow alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from model.training.curves import draw_curves, series_of, smooth

pytestmark = pytest.mark.unit


def test_only_numbers_of_steps_are_series() -> None:
    records = [
        {"event": "start", "at_step": 0},
        {"step": 1, "loss": 2.0, "note": "x", "bad": float("nan")},
        {"step": 2, "loss": 1.0},
    ]
    assert series_of(records) == {"loss": [(1.0, 2.0), (2.0, 1.0)]}


def test_smoothing_a_constant_changes_nothing() -> None:
    points = [(float(step), 3.0) for step in range(20)]
    assert [y for _, y in smooth(points)] == pytest.approx([3.0] * 20)


def test_the_picture_has_a_line_and_a_panel_per_number(tmp_path: Path) -> None:
    records = [{"step": n, "loss": 100 / (n + 1), "error": float(n)} for n in range(50)]
    draw_curves(records, tmp_path / "one.png", "stage")
    pixels = np.asarray(Image.open(tmp_path / "one.png"))
    assert pixels.shape == (240, 920, 3)
    assert (pixels == (31, 95, 174)).all(-1).sum() > 300


def test_a_single_point_and_nothing_at_all_are_fine(tmp_path: Path) -> None:
    draw_curves([{"step": 1, "loss": 2.0}], tmp_path / "point.png", "stage")
    assert (tmp_path / "point.png").exists()
    draw_curves([], tmp_path / "none.png", "stage")
    assert not (tmp_path / "none.png").exists()
