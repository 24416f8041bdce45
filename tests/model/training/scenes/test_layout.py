"""Outlines and where they are."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from model.training.scenes import scene_sampler
from model.training.scenes.layout import densified, lay_out, shade_in_style, unit_outline
from model.training.scenes.scene import SHAPES, Cups, Scene, SceneObject
from model.training.scenes.scene_sampler import ASPECT

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("shape", SHAPES)
def test_an_outline_fills_its_unit_square(shape: str) -> None:
    for upright in (False, True):
        outline = unit_outline(shape, upright=upright)
        assert np.abs(outline).max() <= 0.53
        assert 0.85 <= np.ptp(outline, axis=0).max() <= 1.05


def test_outlines_of_different_shapes_differ_in_area() -> None:
    def area(shape: str) -> float:
        x, y = unit_outline(shape).T
        return abs(float(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1)))) / 2

    assert area("circle") == pytest.approx(np.pi / 4, rel=0.01)
    assert area("star") < area("triangle") < area("square")


def test_things_are_where_the_scene_has_them() -> None:
    thing = SceneObject("red", "circle", x=0.25, y=0.75, extent=0.2)
    (part,) = lay_out(Scene((thing,)), 0)
    assert part.centre == pytest.approx((0.25 * ASPECT, 0.75), abs=0.01)
    assert part.extent == pytest.approx(0.2, rel=0.05)
    assert part.is_round


def test_a_style_keeps_shade_and_turn_wherever_the_thing_is() -> None:
    parts = [lay_out(Scene((SceneObject("blue", "star", x, 0.5, 0.2),)), 8)[0] for x in (0.3, 0.7)]
    assert parts[0].colour == parts[1].colour == shade_in_style("blue", 8)
    moved = parts[0].moved(0.4 * ASPECT, 0.0)
    np.testing.assert_allclose(moved.outline, parts[1].outline, atol=1e-9)


def test_a_window_is_around_the_part_and_within_the_picture() -> None:
    (part,) = lay_out(Scene((SceneObject("red", "square", 0.1, 0.5, 0.2),)), 0)
    left, top, right, bottom = part.window((640, 480), 0.05)
    assert left == 0 and 0 < top < 240 < bottom < 480 and 64 < right < 640


def test_the_ball_lies_under_the_lifted_cup() -> None:
    closed = lay_out(Scene(cups=Cups("red", "white")), 2)
    opened = lay_out(Scene(cups=Cups("red", "white", open_cup=2)), 2)
    balls = [part for part in opened if part.is_round]
    assert len(closed) == 6 and len(opened) == 7 and len(balls) == 1
    assert balls[0].centre[0] == pytest.approx(0.8 * ASPECT)
    assert balls[0].colour == shade_in_style("white", 2)


@pytest.mark.parametrize("swap", scene_sampler.SWAPS)
def test_swapping_cups_pass_in_front_and_behind(swap: tuple[int, int]) -> None:
    rng = Random(0)
    phase = rng.uniform(0.35, 0.65)
    parts = lay_out(Scene(cups=Cups("red", "white", swap=swap, phase=phase)), 2)
    walls = [part for part in parts if part.is_thing]
    behind, standing, front = walls
    assert behind.centre[1] < standing.centre[1] < front.centre[1]
    assert behind.extent < standing.extent < front.extent
    first, second = ((0.2, 0.5, 0.8)[place] * ASPECT for place in swap)
    assert front.centre[0] == pytest.approx(first + (second - first) * phase)
    assert behind.centre[0] == pytest.approx(second + (first - second) * phase)


def test_a_denser_border_is_the_same_border() -> None:
    square = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    dense = densified(square, 4)
    assert dense.shape == (16, 2)
    np.testing.assert_array_equal(dense[::4], square)
    np.testing.assert_allclose(np.linalg.norm(np.diff(dense, axis=0), axis=1), 0.25)
