"""Colours with names, as people would accept them, and grounds they stand out from."""

from __future__ import annotations

import colorsys
import math
from collections.abc import Sequence
from random import Random

Rgb = tuple[float, float, float]
"""Each 0 to 1."""

_HSV = {
    "red": ((-0.02, 0.015), (0.82, 1.0), (0.62, 1.0)),
    "orange": ((0.062, 0.088), (0.85, 1.0), (0.92, 1.0)),
    "yellow": ((0.138, 0.168), (0.75, 1.0), (0.88, 1.0)),
    "green": ((0.28, 0.42), (0.55, 1.0), (0.4, 0.85)),
    "blue": ((0.57, 0.65), (0.65, 1.0), (0.5, 1.0)),
    "purple": ((0.75, 0.81), (0.5, 0.9), (0.4, 0.75)),
    "pink": ((0.9, 0.96), (0.32, 0.55), (0.92, 1.0)),
    "black": ((0.0, 1.0), (0.0, 0.25), (0.02, 0.13)),
    "white": ((0.0, 1.0), (0.0, 0.04), (0.94, 1.0)),
}
"""Ranges of hue (turns), saturation and value."""
LEAST_CONTRAST = 0.33
"""Distance in RGB of a ground from everything on it."""
_TRIES = 400


def shade(rng: Random, colour: str) -> Rgb:
    """One of the shades that go by that name."""
    hue, saturation, value = (rng.uniform(*bounds) for bounds in _HSV[colour])
    return colorsys.hsv_to_rgb(hue % 1.0, saturation, value)


def muted(rng: Random, things: Sequence[Rgb]) -> Rgb:
    """A muted colour that all ``things`` stand out from; the farthest of many where none does."""
    best, best_contrast = (0.5, 0.5, 0.5), -1.0
    for _ in range(_TRIES):
        greyish = rng.random() < 0.8
        saturation = rng.uniform(0, 0.25) if greyish else rng.uniform(0.2, 0.45)
        candidate = colorsys.hsv_to_rgb(rng.random(), saturation, rng.uniform(0.2, 0.95))
        contrast = min((distance(candidate, thing) for thing in things), default=1.0)
        if contrast >= LEAST_CONTRAST:
            return candidate
        if contrast > best_contrast:
            best, best_contrast = candidate, contrast
    return best


def distance(first: Rgb, second: Rgb) -> float:
    """Euclidean distance; black and white are 1.73 apart."""
    return math.dist(first, second)


def scaled(colour: Rgb, factor: float) -> Rgb:
    """Darker or lighter."""
    red, green, blue = (min(max(part * factor, 0.0), 1.0) for part in colour)
    return red, green, blue


def as_bytes(colour: Rgb) -> tuple[int, int, int]:
    """For Pillow."""
    red, green, blue = (round(255 * part) for part in colour)
    return red, green, blue
