"""What is behind the things: plain, graded, grainy, striped, chequered, a table and a wall."""

from __future__ import annotations

from random import Random

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from model.training.scenes.palette import Rgb

Picture = NDArray[np.float32]
"""``[H, W, 3]``, 0 to 1."""
Field = NDArray[np.float32]
"""``[H, W]``, about -1 to 1."""

KINDS = ("plain", "graded", "cloudy", "grainy", "striped", "chequered", "table")
MOST_TEXTURE = 0.09
"""How far a texture may lead away from its ground's colour."""


def draw_background(rng: Random, ground: Rgb, size: tuple[int, int]) -> Picture:
    """A background around the colour ``ground``.

    Args:
        rng: Decides the kind and all its details.
        ground: Its mean colour; texture stays within ``MOST_TEXTURE`` of it.
        size: Width and height in pixels.
    """
    width, height = size
    kind = rng.choice(KINDS)
    strength = rng.uniform(0.3, 1.0) * MOST_TEXTURE
    texture = np.zeros((height, width), dtype=np.float32)
    if kind == "graded":
        texture = slope(rng, size)
    elif kind == "cloudy":
        texture = clouds(rng, size, rng.randint(3, 9))
    elif kind == "grainy":
        texture = clouds(rng, size, height // rng.randint(3, 8))
    elif kind == "striped":
        texture = np.sign(np.sin(slope(rng, size) * rng.uniform(8, 40))).astype(np.float32)
    elif kind == "chequered":
        cell = max(2, round(height * rng.uniform(0.05, 0.18)))
        rows, columns = np.arange(height)[:, None] // cell, np.arange(width)[None] // cell
        texture = ((rows + columns) % 2 * 2 - 1).astype(np.float32)
    elif kind == "table":
        edge = round(height * rng.uniform(0.25, 0.7))
        texture = clouds(rng, size, 12) * 0.2
        texture[:edge] += 0.8
        texture[edge:] -= 0.6
    tint = np.array([rng.uniform(0.7, 1.0) for _ in range(3)], dtype=np.float32)
    picture = np.array(ground, dtype=np.float32) + strength * texture[..., None] * tint
    return np.clip(picture, 0, 1)


def slope(rng: Random, size: tuple[int, int]) -> Field:
    """A plane from -1 to 1 in a drawn direction."""
    width, height = size
    angle = rng.uniform(0, 2 * np.pi)
    x = np.linspace(-1, 1, width, dtype=np.float32)[None]
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    plane = x * np.float32(np.cos(angle)) + y * np.float32(np.sin(angle))
    return np.asarray(plane / np.abs(plane).max(), dtype=np.float32)


def clouds(rng: Random, size: tuple[int, int], cells: int) -> Field:
    """Smooth noise with about ``cells`` bumps from top to bottom."""
    width, height = size
    grid = np.random.default_rng(rng.getrandbits(48)).standard_normal(
        (max(2, cells), max(2, cells * width // height)), dtype=np.float32
    )
    image = Image.fromarray(grid).resize(size, Image.Resampling.BICUBIC)
    return np.clip(np.asarray(image, dtype=np.float32) / 2, -1, 1)
