"""The chalk look."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from model.training.scenes.chalk_drawing import draw_chalk
from model.training.scenes.layout import lay_out
from model.training.scenes.scene import Scene, SceneObject

pytestmark = pytest.mark.unit

GREY = (0.5, 0.5, 0.5)
SIZE = (320, 240)
GREEN = SceneObject("green", "circle", 0.5, 0.5, 0.5)
RED = SceneObject("red", "star", 0.15, 0.2, 0.2)


def test_chalk_has_about_its_colour_and_size() -> None:
    parts = lay_out(Scene((GREEN,)), 4)
    for seed in range(6):
        picture = draw_chalk(parts, GREY, Random(seed), SIZE)
        middle = picture[100:140, 140:180].mean(axis=(0, 1))
        board = np.array(GREY)
        # Some of the board shows between the strokes.
        share = (middle - board) @ (np.array(parts[0].colour) - board)
        share /= np.square(np.array(parts[0].colour) - board).sum()
        assert 0.6 < share < 1.1
        greenish = picture[..., 1] - picture[..., 0] > 0.1
        assert greenish.mean() == pytest.approx(np.pi * 60**2 / (320 * 240), rel=0.15)


def test_no_two_hands_draw_alike() -> None:
    parts = lay_out(Scene((GREEN,)), 4)
    first, second = (draw_chalk(parts, GREY, Random(seed), SIZE) for seed in (1, 2))
    assert np.abs(first - second).max() > 0.1


def test_the_board_does_not_depend_on_what_is_drawn() -> None:
    one = draw_chalk(lay_out(Scene((GREEN,)), 4), GREY, Random(3), SIZE)
    two = draw_chalk(lay_out(Scene((GREEN, RED)), 4), GREY, Random(3), SIZE)
    right = np.s_[:, 260:]
    np.testing.assert_array_equal(one[right], two[right])
