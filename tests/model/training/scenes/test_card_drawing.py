"""The card look."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from model.training.scenes.card_drawing import draw_card
from model.training.scenes.layout import lay_out
from model.training.scenes.scene import Scene, SceneObject

pytestmark = pytest.mark.unit

GREY = (0.5, 0.5, 0.5)
SIZE = (160, 120)


def test_a_thing_keeps_its_place_and_colour_on_a_tilted_sheet() -> None:
    parts = lay_out(Scene((SceneObject("red", "square", 0.2, 0.2, 0.22),)), 5)
    for seed in range(8):
        picture = draw_card(parts, GREY, Random(seed), SIZE)
        red = (picture[..., 0] > 2 * picture[..., 1]) & (picture[..., 0] > 2 * picture[..., 2])
        rows, columns = np.nonzero(red[:100])
        assert columns.mean() / SIZE[0] == pytest.approx(0.2, abs=0.07)
        assert rows.mean() / SIZE[1] == pytest.approx(0.2, abs=0.08)


def test_sheets_room_and_fingers_differ_between_styles() -> None:
    corners = {draw_card([], GREY, Random(seed), SIZE)[0, 0].tobytes() for seed in range(8)}
    assert len(corners) == 8
