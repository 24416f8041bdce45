"""The chalk look: things drawn by hand, filled in with strokes, on a board with a frame."""

from __future__ import annotations

import math
from dataclasses import replace
from random import Random

import numpy as np
from PIL import Image, ImageDraw

from model.training.scenes.backgrounds import Field, Picture, clouds
from model.training.scenes.layout import Outline, Part, densified
from model.training.scenes.palette import Rgb, muted, scaled
from model.training.scenes.shaded_drawing import blurred, mask_of

OVERSAMPLING = 2
WINDOW_MARGIN = 0.05
UNSTEADINESS = 0.015
"""How far a hand strays from an outline, as a fraction of its distance from the middle."""
THINNEST_FILL = 0.72
"""How much of the board the fill between strokes covers at least."""
GRAIN_PER_HEIGHT = 90
FRAMED_SHARE = 0.6
FRAME_WIDTHS = (0.01, 0.04)
"""In picture heights, at each side."""


def draw_chalk(parts: list[Part], ground: Rgb, rng: Random, size: tuple[int, int]) -> Picture:
    """Draw ``parts`` by hand on a board; arguments as of the flat look."""
    # Everything but the things comes first, so that it does not depend on how many there are.
    picture = _board(rng, ground, size)
    covered = rng.uniform(THINNEST_FILL, 1.0)
    dusty = rng.uniform(0.0, 0.25)
    line_width, spacing = rng.uniform(0.005, 0.016), rng.uniform(0.012, 0.03)
    angle, edge_tone = rng.uniform(0, math.pi), rng.uniform(0.75, 1.0)
    hand = Random(rng.getrandbits(48))
    height = size[1]
    for part in parts:
        left, top, right, bottom = part.window(size, WINDOW_MARGIN)
        piece = part.moved(-left / height, -top / height)
        piece = replace(piece, outline=_unsteady(piece, hand))
        area = (right - left, bottom - top)
        strokes = _strokes(piece, area, height, angle, spacing, hand)
        dust = clouds(hand, area, max(2, round(GRAIN_PER_HEIGHT * area[1] / height)))
        fill = np.clip(covered + (1 - covered) * strokes - dusty * np.maximum(dust, 0), 0, 1)
        cover = mask_of(piece, area, height) * fill
        around = picture[top:bottom, left:right]
        colour = np.array(part.colour, dtype=np.float32)
        around = around + (colour - around) * cover[..., None]
        edge = _line(piece, area, height, line_width)
        drawn = np.array(scaled(part.colour, edge_tone), dtype=np.float32)
        picture[top:bottom, left:right] = around + (drawn - around) * edge[..., None]
    return np.asarray(np.clip(picture, 0, 1), dtype=np.float32)


def _board(rng: Random, ground: Rgb, size: tuple[int, int]) -> Picture:
    width, height = size
    smear = rng.uniform(0.0, 0.05) * clouds(rng, size, rng.randint(3, 8))
    grain = rng.uniform(0.0, 0.03) * clouds(rng, size, height // 3)
    picture = np.array(ground, dtype=np.float32) + (smear + grain)[..., None]
    frame = np.array(muted(rng, [ground]), dtype=np.float32)
    is_framed = rng.random() < FRAMED_SHARE
    sides = [round(rng.uniform(*FRAME_WIDTHS) * height) if is_framed else 0 for _ in range(4)]
    left, top, right, bottom = sides
    border = np.ones((height, width), dtype=np.float32)
    border[top : height - bottom, left : width - right] = 0
    soft = blurred(border, rng.uniform(0.2, 1.5))[..., None]
    return np.asarray(picture + (frame - picture) * soft, dtype=np.float32)


def _unsteady(part: Part, hand: Random) -> Outline:
    """Its outline as a hand draws it."""
    points = densified(part.outline, 5)
    knots = np.array([hand.uniform(-1, 1) for _ in range(hand.randint(7, 12))])
    around = np.linspace(0, len(knots), len(points), endpoint=False)
    strays = np.interp(around, np.arange(len(knots) + 1), np.append(knots, knots[0]))
    middle = np.array(part.centre)
    return np.asarray(middle + (points - middle) * (1 + UNSTEADINESS * strays)[:, None])


def _strokes(
    part: Part, area: tuple[int, int], height: int, angle: float, spacing: float, hand: Random
) -> Field:
    """Where the strokes of the fill are, ``[H, W]``, 0 to 1: lines to and fro."""
    image = _large(area)
    brush = ImageDraw.Draw(image)
    along = np.array([math.cos(angle), math.sin(angle)])
    across = np.array([-along[1], along[0]])
    reach, middle = part.extent, np.array(part.centre)
    points, side = [], 1
    for distance in np.arange(-reach, reach, spacing):
        end = middle + across * (distance + hand.uniform(-0.2, 0.2) * spacing)
        points.append(tuple((end + side * reach * along) * height * OVERSAMPLING))
        side = -side
    width = max(1, round(spacing * hand.uniform(0.5, 0.9) * height * OVERSAMPLING))
    brush.line(points, fill=255, width=width)
    return _covered(image, area)


def _line(part: Part, area: tuple[int, int], height: int, width: float) -> Field:
    """Where the outline is drawn, ``[H, W]``, 0 to 1."""
    image = _large(area)
    points = [(float(x), float(y)) for x, y in part.outline * (height * OVERSAMPLING)]
    thick = max(1, round(width * height * OVERSAMPLING))
    ImageDraw.Draw(image).line([*points, points[0]], fill=255, width=thick, joint="curve")
    return _covered(image, area)


def _large(area: tuple[int, int]) -> Image.Image:
    return Image.new("L", (area[0] * OVERSAMPLING, area[1] * OVERSAMPLING))


def _covered(image: Image.Image, area: tuple[int, int]) -> Field:
    """How much of each pixel of the area is drawn on, ``[H, W]``, 0 to 1."""
    return np.asarray(image.resize(area, Image.Resampling.BOX), dtype=np.float32) / 255
