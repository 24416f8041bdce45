"""The shaded look."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from model.training.scenes.layout import lay_out
from model.training.scenes.scene import Scene, SceneObject
from model.training.scenes.shaded_drawing import draw_lamp, draw_shaded, mask_of

pytestmark = pytest.mark.unit

GREY = (0.5, 0.5, 0.5)

BALL = lay_out(Scene((SceneObject("red", "circle", 0.5, 0.5, 0.5),)), 4)


def test_the_lamp_is_above_and_its_direction_has_length_one() -> None:
    for seed in range(50):
        lamp = draw_lamp(Random(seed))
        assert np.linalg.norm(lamp.direction) == pytest.approx(1)
        assert lamp.direction[1] <= 0 < lamp.direction[2]


def test_a_mask_covers_the_thing_and_nothing_else() -> None:
    mask = mask_of(BALL[0], (160, 120), 120)
    assert mask[60, 80] == 1 and mask[5, 5] == 0
    assert mask.sum() == pytest.approx(np.pi * 30**2, rel=0.02)


def test_a_ball_is_lighter_towards_the_lamp_and_stays_red() -> None:
    for seed in range(10):
        lamp = draw_lamp(Random(seed))
        picture = draw_shaded(BALL, GREY, Random(seed), (160, 120))
        dx, dy = (round(20 * axis) for axis in lamp.direction[:2])
        near, far = picture[60 + dy, 80 + dx], picture[60 - dy, 80 - dx]
        assert near.sum() > far.sum()
        assert far[0] > 1.5 * far[1] and far[0] > 1.5 * far[2]


def test_a_shadow_falls_on_the_ground_beside_the_thing() -> None:
    lamp = draw_lamp(Random(3))
    with_ball = draw_shaded(BALL, GREY, Random(3), (160, 120))
    small = lay_out(Scene((SceneObject("red", "circle", 0.5, 0.5, 0.02),)), 4)
    without = draw_shaded(small, GREY, Random(3), (160, 120))
    dx, dy = (-round(36 * axis / np.hypot(*lamp.direction[:2])) for axis in lamp.direction[:2])
    assert with_ball[60 + dy, 80 + dx].sum() < without[60 + dy, 80 + dx].sum() - 0.1
