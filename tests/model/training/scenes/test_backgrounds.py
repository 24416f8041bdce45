"""Backgrounds."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from model.training.scenes.backgrounds import MOST_TEXTURE, clouds, draw_background, slope

pytestmark = pytest.mark.unit
SIZE = (64, 48)


def test_texture_stays_near_its_ground() -> None:
    for seed in range(60):
        picture = draw_background(Random(seed), (0.5, 0.4, 0.6), SIZE)
        assert picture.shape == (48, 64, 3) and picture.dtype == np.float32
        assert np.abs(picture - np.array((0.5, 0.4, 0.6))).max() <= MOST_TEXTURE + 1e-6


def test_backgrounds_vary() -> None:
    pictures = {
        draw_background(Random(seed), (0.5, 0.5, 0.5), SIZE).tobytes() for seed in range(30)
    }
    assert len(pictures) > 24


def test_fields_are_within_bounds_and_repeatable() -> None:
    for field in (slope(Random(1), SIZE), clouds(Random(1), SIZE, 6)):
        assert field.shape == (48, 64)
        assert -1 <= field.min() < field.max() <= 1
    np.testing.assert_array_equal(clouds(Random(2), SIZE, 6), clouds(Random(2), SIZE, 6))
