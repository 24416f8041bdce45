"""The flat look: plain fills with or without a border, as in a picture book."""

from __future__ import annotations

from random import Random

import numpy as np
from PIL import Image, ImageDraw

from model.training.scenes.backgrounds import Picture, draw_background
from model.training.scenes.layout import Part
from model.training.scenes.palette import Rgb, as_bytes, scaled

OVERSAMPLING = 2
BORDER_SHARE = 0.3


def draw_flat(parts: list[Part], ground: Rgb, rng: Random, size: tuple[int, int]) -> Picture:
    """Draw ``parts`` on a background.

    Args:
        parts: What to draw, the farthest first.
        ground: Main colour of the background.
        rng: The style: background and border.
        size: Width and height in pixels.
    """
    width, height = size
    behind = draw_background(rng, ground, size)
    image = Image.fromarray((behind * 255).astype(np.uint8))
    image = image.resize((width * OVERSAMPLING, height * OVERSAMPLING), Image.Resampling.NEAREST)
    brush = ImageDraw.Draw(image)
    border = rng.uniform(0.004, 0.012) if rng.random() < BORDER_SHARE else 0.0
    tone = rng.choice((0.45, 0.6))
    scale = height * OVERSAMPLING
    for part in parts:
        points = [(float(x), float(y)) for x, y in part.outline * scale]
        brush.polygon(points, fill=as_bytes(part.colour))
        if border:
            line = as_bytes(_border_colour(part.colour, tone))
            brush.line([*points, points[0]], fill=line, width=round(border * scale), joint="curve")
    return np.asarray(image.resize(size, Image.Resampling.BOX), dtype=np.float32) / 255


def _border_colour(fill: Rgb, tone: float) -> Rgb:
    """Darker than the fill, lighter than a dark one."""
    return scaled(fill, tone) if sum(fill) > 0.6 else (0.35, 0.35, 0.35)
