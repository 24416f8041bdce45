"""The felt look: soft, fibrous pieces with fuzzy borders lying on cloth."""

from __future__ import annotations

from random import Random

import numpy as np

from model.training.scenes.backgrounds import Field, Picture, clouds, draw_background
from model.training.scenes.layout import Part
from model.training.scenes.palette import Rgb
from model.training.scenes.shaded_drawing import blurred, mask_of

FUZZ = 0.008
"""Width of a fuzzy border, in picture heights."""
ROUGHNESS = 0.35
"""How far fibres move a border, as a fraction of its width."""
STEEPNESS = 2.5
WINDOW_MARGIN = 0.06
FIBRES_PER_HEIGHT = 130


def draw_felt(parts: list[Part], ground: Rgb, rng: Random, size: tuple[int, int]) -> Picture:
    """Draw ``parts`` as pieces of felt; arguments as of the flat look."""
    picture = draw_background(rng, ground, size)
    weave = rng.uniform(0.0, 0.05)
    fibre = rng.uniform(0.05, 0.16)
    shadow = rng.uniform(0.2, 0.5)
    picture = picture + weave * clouds(rng, size, FIBRES_PER_HEIGHT)[..., None]
    height = size[1]
    for part in parts:
        left, top, right, bottom = part.window(size, WINDOW_MARGIN)
        piece = part.moved(-left / height, -top / height)
        area = (right - left, bottom - top)
        soft = blurred(mask_of(piece, area, height), FUZZ * height)
        fibres = _fibres(rng, area, height)
        cover = np.clip(
            (soft + ROUGHNESS * fibres * soft * (1 - soft) * 4 - 0.5) * STEEPNESS + 0.5, 0, 1
        )
        around = picture[top:bottom, left:right]
        if part.is_thing:
            around = around * (1 - shadow * blurred(soft, 2 * FUZZ * height)[..., None])
        fill = np.array(part.colour, dtype=np.float32) * (1 + fibre * fibres[..., None])
        picture[top:bottom, left:right] = around + (fill - around) * cover[..., None]
    return np.asarray(np.clip(picture, 0, 1), dtype=np.float32)


def _fibres(rng: Random, area: tuple[int, int], height: int) -> Field:
    """Fine noise of the same grain in windows of every size."""
    return clouds(rng, area, max(2, round(FIBRES_PER_HEIGHT * area[1] / height)))
