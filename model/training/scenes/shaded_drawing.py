"""The shaded look: solid things with rounded edges under one lamp, throwing shadows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from random import Random

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from model.training.scenes.backgrounds import Field, Picture, draw_background
from model.training.scenes.layout import Part
from model.training.scenes.palette import Rgb

OVERSAMPLING = 2
SHADOW_REACH = 0.6
"""Twice the length of a shadow, as a fraction of a thing's extent."""
SHADOW_BORDER = 0.06
"""Room for a shadow's soft border, in picture heights."""


@dataclass(frozen=True, slots=True)
class Lamp:
    """Light from one side."""

    direction: tuple[float, float, float]
    """Unit vector towards the lamp: right, down, towards the camera."""
    ambient: float
    """Light that comes from everywhere."""
    gloss: float
    """Strength of highlights."""
    shadow: float
    """Darkness of shadows."""
    softness: float
    """Width of shadows' borders, in picture heights."""
    bevel: float
    """Width of rounded edges as a fraction of a thing's extent."""


def draw_lamp(rng: Random) -> Lamp:
    """A lamp somewhere above."""
    angle, height = rng.uniform(-math.pi, 0), rng.uniform(0.5, 0.85)
    side = math.sqrt(1 - height * height)
    return Lamp(
        direction=(side * math.cos(angle), side * math.sin(angle), height),
        ambient=rng.uniform(0.35, 0.6),
        gloss=rng.uniform(0.0, 0.45),
        shadow=rng.uniform(0.25, 0.6),
        softness=rng.uniform(0.006, 0.03),
        bevel=rng.uniform(0.04, 0.12),
    )


def draw_shaded(parts: list[Part], ground: Rgb, rng: Random, size: tuple[int, int]) -> Picture:
    """Draw ``parts`` as solids on a background; arguments as of the flat look."""
    lamp = draw_lamp(rng)
    picture = draw_background(rng, ground, size)
    height = size[1]
    for part in parts:
        left, top, right, bottom = part.window(size, SHADOW_REACH * part.extent + SHADOW_BORDER)
        piece = part.moved(-left / height, -top / height)
        mask = mask_of(piece, (right - left, bottom - top), height)
        around = picture[top:bottom, left:right]
        if part.is_thing:
            around = around * (1 - _shadow(mask, piece, lamp, height)[..., None])
        solid = _solid(mask, piece, lamp, height)
        around = around + (solid - around) * mask[..., None]
        picture[top:bottom, left:right] = around
    return np.asarray(np.clip(picture, 0, 1), dtype=np.float32)


def mask_of(part: Part, size: tuple[int, int], scale: float) -> Field:
    """How much of each pixel the part covers, 0 to 1.

    Args:
        part: Where it is within the field.
        size: Width and height of the field.
        scale: Pixels per unit of the outline.
    """
    width, height = size
    image = Image.new("L", (width * OVERSAMPLING, height * OVERSAMPLING))
    points = [(float(x), float(y)) for x, y in part.outline * (scale * OVERSAMPLING)]
    ImageDraw.Draw(image).polygon(points, fill=255)
    return np.asarray(image.resize(size, Image.Resampling.BOX), dtype=np.float32) / 255


def blurred(field: Field, radius: float) -> Field:
    """``field``, 0 to 1, smoothed by a Gaussian of ``radius`` pixels."""
    image = Image.fromarray((field * 255).astype(np.uint8))
    smooth = image.filter(ImageFilter.GaussianBlur(radius))
    return np.asarray(smooth, dtype=np.float32) / 255


def _shadow(mask: Field, part: Part, lamp: Lamp, scale: float) -> Field:
    reach = part.extent * SHADOW_REACH / 2 * scale
    dx, dy = (round(-axis * reach) for axis in lamp.direction[:2])
    moved = np.zeros_like(mask)
    rows, columns = mask.shape
    moved[max(dy, 0) : rows + min(dy, 0), max(dx, 0) : columns + min(dx, 0)] = mask[
        max(-dy, 0) : rows - max(dy, 0), max(-dx, 0) : columns - max(dx, 0)
    ]
    return lamp.shadow * blurred(moved, lamp.softness * scale)


def _solid(mask: Field, part: Part, lamp: Lamp, scale: float) -> Picture:
    """The part's colour under the lamp, everywhere; only what the mask shows matters."""
    normal_x, normal_y = (
        _ball(mask, part, scale) if part.is_round else _slab(mask, part, lamp, scale)
    )
    normal_z = np.sqrt(np.clip(1 - normal_x**2 - normal_y**2, 0.05, 1))
    x, y, z = lamp.direction
    facing = np.clip(normal_x * x + normal_y * y + normal_z * z, 0, 1)
    light = lamp.ambient + (1.15 - lamp.ambient) * facing
    # The mirror image of the lamp meets the camera where the normal is halfway between them.
    half = math.sqrt(2 + 2 * z)
    shine = np.clip((normal_x * x + normal_y * y + normal_z * (1 + z)) / half, 0, 1) ** 40
    colour = np.array(part.colour, dtype=np.float32)
    lit = colour * light[..., None] + lamp.gloss * shine[..., None] * (
        0.25 if sum(colour) < 0.6 else 1
    )
    return np.asarray(lit, dtype=np.float32)


def _ball(mask: Field, part: Part, scale: float) -> tuple[Field, Field]:
    rows, columns = mask.shape
    radius = part.extent / 2 * scale
    x = (np.arange(columns, dtype=np.float32)[None] + 0.5 - part.centre[0] * scale) / radius
    y = (np.arange(rows, dtype=np.float32)[:, None] + 0.5 - part.centre[1] * scale) / radius
    return np.broadcast_to(np.clip(x, -1, 1), mask.shape), np.broadcast_to(
        np.clip(y, -1, 1), mask.shape
    )


def _slab(mask: Field, part: Part, lamp: Lamp, scale: float) -> tuple[Field, Field]:
    width = lamp.bevel * part.extent * scale
    heights = blurred(mask, width) * width * 1.6
    down, right = np.gradient(heights)
    steep = np.sqrt(1 + right**2 + down**2)
    return -right / steep, -down / steep
