"""Draws a scene with a look: one call for training, evaluation and tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from model.training.scenes.backgrounds import Picture
from model.training.scenes.card_drawing import draw_card
from model.training.scenes.chalk_drawing import draw_chalk
from model.training.scenes.felt_drawing import draw_felt
from model.training.scenes.flat_drawing import draw_flat
from model.training.scenes.layout import Part, lay_out, shade_in_style
from model.training.scenes.looks import EVAL_LOOK, LOOKS, is_eval_seed
from model.training.scenes.palette import Rgb, muted
from model.training.scenes.photo_effects import (
    Frame,
    aim,
    cover_a_part,
    draw_camera,
    photograph,
)
from model.training.scenes.scene import Scene
from model.training.scenes.shaded_drawing import draw_shaded

DEFAULT_SIZE = (640, 480)
"""Width and height in pixels; any size of the same proportions is drawn alike."""

DRAWINGS: Mapping[str, Callable[[list[Part], Rgb, Random, tuple[int, int]], Picture]] = {
    "flat": draw_flat,
    "shaded": draw_shaded,
    "felt": draw_felt,
    "chalk": draw_chalk,
    "card": draw_card,
}


class LookError(ValueError):
    """The look is unknown, or is not for training."""


@dataclass(frozen=True, slots=True)
class Photograph:
    """A scene as the camera sees it."""

    frame: Frame
    """``[H, W, 3]`` uint8."""
    silhouette: NDArray[np.uint8]
    """``[H, W]`` uint8: 255 where there is a thing, 0 elsewhere; what covers it does not count."""


def render(
    scene: Scene,
    look: str,
    style_seed: int,
    *,
    colours: Sequence[str] | None = None,
    frame_index: int = 0,
    size: tuple[int, int] = DEFAULT_SIZE,
) -> Frame:
    """Draw ``scene`` and photograph it.

    One style seed and one set of ``colours`` give one background, light, camera and shade of every
    colour: pictures of one call share them. The frame index decides noise and what is in front.

    Args:
        scene: What to show.
        look: One of ``LOOKS``.
        style_seed: Even for training, odd for the evaluation.
        colours: All that the background has to contrast with, in this picture and the others of
            its call; this scene's where None.
        frame_index: Number of the picture within its call.
        size: Width and height in pixels.

    Returns:
        ``[H, W, 3]`` uint8.

    Raises:
        LookError: There is no such look, or it is the evaluation's and the seed is training's.
    """
    return photograph_of(
        scene, look, style_seed, colours=colours, frame_index=frame_index, size=size
    ).frame


def photograph_of(
    scene: Scene,
    look: str,
    style_seed: int,
    *,
    colours: Sequence[str] | None = None,
    frame_index: int = 0,
    size: tuple[int, int] = DEFAULT_SIZE,
) -> Photograph:
    """As :func:`render`, and which pixels show things."""
    if look not in DRAWINGS:
        raise LookError(f"no look {look!r}; there are {LOOKS}")
    if look == EVAL_LOOK and not is_eval_seed(style_seed):
        raise LookError(f"look {look!r} is for the evaluation only; use an odd style seed")
    style = Random(f"{look} {style_seed}")
    camera = draw_camera(style)
    parts = lay_out(scene, style_seed)
    shown = sorted(scene.colours if colours is None else set(colours))
    ground = muted(style, [shade_in_style(colour, style_seed) for colour in shown])
    picture = DRAWINGS[look](parts, ground, Random(f"drawing {look} {style_seed}"), size)
    frame_rng = Random(f"frame {style_seed} {frame_index}")
    picture = cover_a_part(picture, parts, frame_rng)
    frame_seed = frame_rng.getrandbits(48)
    filled = Image.new("L", size)
    brush = ImageDraw.Draw(filled)
    for part in parts:
        brush.polygon([(float(x), float(y)) for x, y in part.outline * size[1]], fill=255)
    flat = np.asarray(filled, dtype=np.float32)[..., None].repeat(3, axis=2) / 255
    seen = aim(flat, camera, frame_seed)[..., 0] > 0.5
    return Photograph(photograph(picture, camera, frame_seed), seen.astype(np.uint8) * 255)
