"""From a scene to outlines with colours: what all generators draw, each in its own way."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from random import Random

import numpy as np
from numpy.typing import NDArray

from model.training.scenes.palette import Rgb, shade
from model.training.scenes.scene import PLACE_CENTRES, Cups, Scene, SceneObject
from model.training.scenes.scene_sampler import ASPECT

Outline = NDArray[np.float64]
"""Points ``[n, 2]``, x and y, in picture heights from the top left corner."""

ROUND_POINTS = 64
_TURN_DEGREES = {"star": 18.0, "circle": 0.0}
_USUAL_TURN_DEGREES = 10.0
_CUP_WIDTH, _CUP_HEIGHT, _CUP_Y = 0.26, 0.34, 0.52
_LIFT = 0.3
_PASSING = 0.17
"""How far in front or behind a moving cup passes, in picture heights."""


@dataclass(frozen=True, slots=True)
class Part:
    """One filled outline; later parts cover earlier ones."""

    outline: Outline
    """Its border."""
    colour: Rgb
    """Its fill."""
    is_round: bool = False
    """Whether it is a circle, which a solid look draws as a ball."""
    is_thing: bool = True
    """Whether it is a thing rather than a detail of the one before it, and so casts a shadow."""

    @property
    def centre(self) -> tuple[float, float]:
        """Middle of its bounding box."""
        x, y = (self.outline.min(axis=0) + self.outline.max(axis=0)) / 2
        return float(x), float(y)

    @property
    def extent(self) -> float:
        """Larger side of its bounding box."""
        return float(np.ptp(self.outline, axis=0).max())

    def window(self, size: tuple[int, int], margin: float) -> tuple[int, int, int, int]:
        """Left, top, right, bottom in pixels of what is around it, within a picture.

        Args:
            size: Width and height of the picture.
            margin: Free border around the part, in picture heights.
        """
        width, height = size
        low = np.floor((self.outline.min(axis=0) - margin) * height).astype(int)
        high = np.ceil((self.outline.max(axis=0) + margin) * height).astype(int)
        left, top = max(int(low[0]), 0), max(int(low[1]), 0)
        return left, top, min(int(high[0]), width), min(int(high[1]), height)

    def moved(self, dx: float, dy: float) -> Part:
        """The same part elsewhere."""
        return replace(self, outline=self.outline + np.array([dx, dy]))


def densified(outline: Outline, per_edge: int) -> Outline:
    """The same border with ``per_edge`` points along each of its edges, ``[n * per_edge, 2]``."""
    closed = np.concatenate([outline, outline[:1]])
    edges = [np.linspace(a, b, per_edge, endpoint=False) for a, b in pairwise(closed)]
    return np.concatenate(edges)


def unit_outline(shape: str, *, upright: bool = False) -> Outline:
    """A shape within the square from -0.5 to 0.5, as wide as it.

    Args:
        shape: One of ``SHAPES``.
        upright: A rectangle stands instead of lying.
    """
    if shape == "circle":
        return _polar(ROUND_POINTS, lambda _: 0.5)
    if shape == "star":
        return _polar(10, lambda index: 0.525 if index % 2 == 0 else 0.22)
    if shape == "square":
        return _box(0.44, 0.44)
    if shape == "rectangle":
        return _box(0.31, 0.5) if upright else _box(0.5, 0.31)
    if shape == "triangle":
        return np.array([(0, -0.45), (0.5, 0.42), (-0.5, 0.42)], dtype=np.float64)
    if shape == "cross":
        arm, end = 0.16, 0.48
        quarter = [(arm, -end), (arm, -arm), (end, -arm)]
        points = [_turned(point, turn * math.pi / 2) for turn in range(4) for point in quarter]
        return np.array(points, dtype=np.float64)
    return _heart()


def _polar(count: int, radius: Callable[[int], float]) -> Outline:
    angles = [2 * math.pi * index / count - math.pi / 2 for index in range(count)]
    return np.array(
        [
            (radius(index) * math.cos(angle), radius(index) * math.sin(angle))
            for index, angle in enumerate(angles)
        ],
        dtype=np.float64,
    )


def _box(half_width: float, half_height: float) -> Outline:
    corners = [(-1, -1), (1, -1), (1, 1), (-1, 1)]
    return np.array(corners, dtype=np.float64) * (half_width, half_height)


def _heart() -> Outline:
    t = np.linspace(0, 2 * math.pi, ROUND_POINTS, endpoint=False)
    x = 16 * np.sin(t) ** 3
    y = -(13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t))
    return np.stack([x / 32, (y - 2.5) / 32], axis=1)


def _turned(point: tuple[float, float], angle: float) -> tuple[float, float]:
    (x, y), cos, sin = point, math.cos(angle), math.sin(angle)
    return x * cos - y * sin, x * sin + y * cos


def lay_out(scene: Scene, style_seed: int) -> list[Part]:
    """The scene's parts; one style gives a thing the same shade and turn in every picture."""
    if scene.cups is not None:
        return _cup_parts(scene.cups, style_seed)
    return [_object_part(thing, style_seed) for thing in scene.objects]


def shade_in_style(colour: str, style_seed: int) -> Rgb:
    """The shade that goes by ``colour`` in a style."""
    return shade(Random(f"shade {style_seed} {colour}"), colour)


def _object_part(thing: SceneObject, style_seed: int) -> Part:
    rng = Random(f"turn {style_seed} {thing.name}")
    limit = _TURN_DEGREES.get(thing.shape, _USUAL_TURN_DEGREES)
    angle = math.radians(rng.uniform(-limit, limit))
    outline = unit_outline(thing.shape, upright=rng.random() < 0.4)
    turn = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    placed = outline @ turn * thing.extent + (thing.x * ASPECT, thing.y)
    is_round = thing.shape == "circle"
    return Part(placed, shade_in_style(thing.colour, style_seed), is_round=is_round)


def _cup_parts(cups: Cups, style_seed: int) -> list[Part]:
    colour = shade_in_style(cups.colour, style_seed)
    resting = [place for place in range(3) if place not in (cups.swap or ())]
    standing = [(PLACE_CENTRES[place], 0.0, 1.0, place == cups.open_cup) for place in resting]
    if cups.swap is None:
        spots = standing
    else:
        first, second = (PLACE_CENTRES[place] for place in cups.swap)
        forth = first + (second - first) * cups.phase
        back = second + (first - second) * cups.phase
        spots = [(back, -_PASSING, 0.85, False), *standing, (forth, _PASSING, 1.15, False)]
    parts: list[Part] = []
    for x, dy, scale, is_open in spots:
        if is_open:
            ball = shade_in_style(cups.ball_colour, style_seed)
            middle = (x * ASPECT, _CUP_Y + _CUP_HEIGHT / 2 - 0.07)
            parts.append(Part(unit_outline("circle") * 0.14 + middle, ball, is_round=True))
            dy -= _LIFT
        parts += _cup(x * ASPECT, _CUP_Y + dy, scale, colour)
    return parts


def _cup(x: float, y: float, scale: float, colour: Rgb) -> list[Part]:
    half, height = _CUP_WIDTH / 2 * scale, _CUP_HEIGHT * scale
    top, bottom = y - height / 2, y + height / 2
    wall = np.array(
        [(x - 0.7 * half, top), (x + 0.7 * half, top), (x + half, bottom), (x - half, bottom)]
    )
    band = np.array(
        [
            (x - half * 1.06, bottom - 0.12 * height),
            (x + half * 1.06, bottom - 0.12 * height),
            (x + half * 1.06, bottom),
            (x - half * 1.06, bottom),
        ]
    )
    darker = (colour[0] * 0.7 + 0.08, colour[1] * 0.7 + 0.08, colour[2] * 0.7 + 0.08)
    return [Part(wall, colour), Part(band, darker, is_thing=False)]
