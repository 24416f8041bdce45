"""The flat look."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from model.training.scenes.flat_drawing import draw_flat
from model.training.scenes.layout import lay_out
from model.training.scenes.scene import Scene, SceneObject

pytestmark = pytest.mark.unit

GREY = (0.5, 0.5, 0.5)


def test_a_thing_has_its_colour_in_the_middle_and_the_ground_is_another() -> None:
    for colour in ("red", "black", "white"):
        parts = lay_out(Scene((SceneObject(colour, "square", 0.5, 0.5, 0.5),)), 4)
        picture = draw_flat(parts, GREY, Random(4), (160, 120))
        np.testing.assert_allclose(picture[60, 80], parts[0].colour, atol=0.01)
        assert np.abs(picture[5, 5] - picture[60, 80]).max() > 0.1


def test_a_border_is_drawn_in_some_styles() -> None:
    parts = lay_out(Scene((SceneObject("red", "circle", 0.5, 0.5, 0.5),)), 4)
    edges = set()
    for seed in range(30):
        picture = draw_flat(parts, GREY, Random(seed), (640, 480))
        edges.add(bool(picture[240, 201, 0] < parts[0].colour[0] - 0.1))
    assert edges == {True, False}
