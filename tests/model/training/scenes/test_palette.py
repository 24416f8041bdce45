"""Named colours."""

from __future__ import annotations

import colorsys
from random import Random

import pytest

from model.training.scenes.palette import LEAST_CONTRAST, as_bytes, distance, muted, scaled, shade
from model.training.scenes.scene import COLOURS

pytestmark = pytest.mark.unit


def named_by_eye(rgb: tuple[float, float, float]) -> str:
    """The name a simple rule gives a colour."""
    hue, saturation, value = colorsys.rgb_to_hsv(*rgb)
    degrees = hue * 360
    if value < 0.2:
        return "black"
    if saturation < 0.1:
        return "white"
    for limit, name in ((12, "red"), (40, "orange"), (70, "yellow"), (170, "green")):
        if degrees < limit:
            return name
    for limit, name in ((245, "blue"), (300, "purple")):
        if degrees < limit:
            return name
    return "pink" if saturation < 0.65 and degrees < 350 else "red"


@pytest.mark.parametrize("colour", COLOURS)
def test_every_shade_goes_by_its_name(colour: str) -> None:
    for seed in range(200):
        assert named_by_eye(shade(Random(seed), colour)) == colour


def test_the_ground_stands_out_from_what_is_on_it() -> None:
    for seed in range(200):
        rng = Random(seed)
        things = [shade(rng, colour) for colour in rng.sample(COLOURS, 2)]
        behind = muted(rng, things)
        assert min(distance(behind, thing) for thing in things) >= LEAST_CONTRAST


def test_a_crowd_of_colours_gets_the_best_ground_there_is() -> None:
    rng = Random(0)
    things = [(r / 4, g / 4, b / 4) for r in range(5) for g in range(5) for b in range(5)]
    assert all(0 <= part <= 1 for part in muted(rng, things))


def test_scaling_stays_within_bounds() -> None:
    assert scaled((0.5, 0.8, 0.0), 2) == (1.0, 1.0, 0.0)
    assert as_bytes((0.0, 0.5, 1.0)) == (0, 128, 255)
