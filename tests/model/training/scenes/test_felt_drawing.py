"""The felt look."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from model.training.scenes.felt_drawing import draw_felt
from model.training.scenes.layout import lay_out
from model.training.scenes.scene import Scene, SceneObject

pytestmark = pytest.mark.unit

GREY = (0.5, 0.5, 0.5)


def test_felt_has_its_colour_on_average_and_a_fuzzy_border() -> None:
    parts = lay_out(Scene((SceneObject("green", "circle", 0.5, 0.5, 0.5),)), 4)
    for seed in range(6):
        picture = draw_felt(parts, GREY, Random(seed), (320, 240))
        middle = picture[100:140, 140:180]
        np.testing.assert_allclose(middle.mean(axis=(0, 1)), parts[0].colour, atol=0.05)
        assert middle[..., 1].std() > 0.005
        greenish = picture[..., 1] - picture[..., 0] > 0.2
        assert greenish.mean() == pytest.approx(np.pi * 60**2 / (320 * 240), rel=0.12)
