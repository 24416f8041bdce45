"""What a camera and a room do to a picture: light, white balance, blur, noise, partial cover."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from model.training.scenes.backgrounds import Picture, slope
from model.training.scenes.layout import Part
from model.training.scenes.palette import Rgb, as_bytes
from model.training.scenes.scene_sampler import ASPECT

Frame = NDArray[np.uint8]
"""``[H, W, 3]``, as a camera gives it."""

REFERENCE_HEIGHT = 480
"""Blur and noise are stated for pictures of this height."""
COVER_SHARE = 0.15
"""How often something is in front of a thing."""
COVER_REACH = 0.22
"""How far it reaches into the thing, as a fraction of the thing's extent."""
SKIN: tuple[Rgb, ...] = (
    (0.93, 0.76, 0.65),
    (0.82, 0.62, 0.48),
    (0.62, 0.43, 0.32),
    (0.42, 0.28, 0.2),
)


@dataclass(frozen=True, slots=True)
class Camera:
    """One camera in one room; the same for all pictures of a call."""

    gain: float
    """Brightness."""
    balance: Rgb
    """White balance per channel."""
    unevenness: float
    """How much the light falls off across the picture."""
    light_seed: int
    """Decides from where."""
    blur_px: float
    """Radius at ``REFERENCE_HEIGHT``."""
    noise: float
    """Standard deviation of a pixel, of 1."""
    turn_degrees: float
    """How far it is from upright."""
    zoom: float
    """Above 1 the picture's border is cut off."""
    shift: tuple[float, float]
    """Where it points beside the middle, in picture heights."""
    shake: float
    """How far that changes from frame to frame, in picture heights."""
    jpeg_quality: int | None
    """None is uncompressed."""


def draw_camera(rng: Random) -> Camera:
    """A camera from good to poor."""
    return Camera(
        gain=rng.uniform(0.78, 1.12),
        balance=(rng.uniform(0.94, 1.06), 1.0, rng.uniform(0.94, 1.06)),
        unevenness=rng.choice((0.0, rng.uniform(0.0, 0.25))),
        light_seed=rng.getrandbits(32),
        blur_px=rng.choice((0.0, rng.uniform(0.2, 2.0))),
        noise=rng.choice((0.0, rng.uniform(0.0, 0.05))),
        turn_degrees=rng.choice((0.0, rng.uniform(-4, 4))),
        zoom=rng.choice((1.0, rng.uniform(0.95, 1.05))),
        shift=(rng.uniform(-0.015, 0.015), rng.uniform(-0.015, 0.015)),
        shake=rng.choice((0.0, rng.uniform(0.0, 0.005))),
        jpeg_quality=rng.choice((None, rng.randint(40, 95))),
    )


def photograph(picture: Picture, camera: Camera, frame_seed: int) -> Frame:
    """The picture as ``camera`` sees it; ``frame_seed`` decides its noise."""
    picture = aim(picture, camera, frame_seed)
    height, width = picture.shape[:2]
    light = camera.gain * (
        1 + camera.unevenness * slope(Random(camera.light_seed), (width, height))
    )
    seen = picture * np.array(camera.balance, dtype=np.float32) * light[..., None]
    if camera.blur_px:
        image = Image.fromarray(_to_bytes(seen))
        radius = camera.blur_px * height / REFERENCE_HEIGHT
        blurred = image.filter(ImageFilter.GaussianBlur(radius))
        seen = np.asarray(blurred, dtype=np.float32) / 255
    if camera.noise:
        noise = np.random.default_rng(frame_seed).standard_normal(seen.shape, dtype=np.float32)
        seen = seen + camera.noise * noise
    frame = _to_bytes(seen)
    return frame if camera.jpeg_quality is None else _compressed(frame, camera.jpeg_quality)


def aim(picture: Picture, camera: Camera, frame_seed: int) -> Picture:
    """What of the picture the camera's turn, zoom and shake leave where."""
    height, width = picture.shape[:2]
    rng = Random(f"shake {frame_seed}")
    dx, dy = ((part + rng.uniform(-1, 1) * camera.shake) * height for part in camera.shift)
    if camera.turn_degrees == 0 and camera.zoom == 1 and dx == dy == 0:
        return picture
    cos = math.cos(math.radians(camera.turn_degrees)) / camera.zoom
    sin = math.sin(math.radians(camera.turn_degrees)) / camera.zoom
    x, y = width / 2, height / 2
    # What a turn or a zoom brings in from outside is the picture mirrored at its border.
    border = height // 8
    wide = np.pad(picture, ((border, border), (border, border), (0, 0)), mode="reflect")
    right, down = x - cos * x - sin * y + dx + border, y + sin * x - cos * y + dy + border
    mapping = (cos, sin, right, -sin, cos, down)
    image = Image.fromarray(_to_bytes(wide))
    turned = image.transform(
        (width, height), Image.Transform.AFFINE, mapping, Image.Resampling.BILINEAR
    )
    return np.asarray(turned, dtype=np.float32) / 255


def _to_bytes(picture: Picture) -> Frame:
    return (np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8)


def _compressed(frame: Frame, quality: int) -> Frame:
    buffer = io.BytesIO()
    Image.fromarray(frame).save(buffer, format="JPEG", quality=quality)
    return np.asarray(Image.open(buffer)).copy()


def cover_a_part(picture: Picture, parts: Sequence[Part], rng: Random) -> Picture:
    """Sometimes, a finger or a stick over the border of one thing; never over another thing."""
    things = [part for part in parts if part.is_thing]
    if not things or rng.random() >= COVER_SHARE:
        return picture
    thing = rng.choice(things)
    others = [part for part in things if part is not thing]
    for angle in (rng.uniform(0, 2 * math.pi) for _ in range(12)):
        direction = (math.cos(angle), math.sin(angle))
        if all(_is_clear(thing, direction, other) for other in others):
            return _finger(picture, thing, direction, rng)
    return picture


def _is_clear(thing: Part, direction: tuple[float, float], other: Part) -> bool:
    dx, dy = (there - here for there, here in zip(other.centre, thing.centre, strict=True))
    along = dx * direction[0] + dy * direction[1]
    across = abs(dx * direction[1] - dy * direction[0])
    return along < 0 or across > other.extent * 0.7 + thing.extent * 0.15


def _finger(picture: Picture, thing: Part, direction: tuple[float, float], rng: Random) -> Picture:
    height = picture.shape[0]
    image = Image.fromarray(_to_bytes(picture))
    brush = ImageDraw.Draw(image)
    width = thing.extent * rng.uniform(0.12, 0.25)
    start = thing.extent * (0.5 - COVER_REACH) + width / 2
    (x, y), (dx, dy) = thing.centre, direction
    tip = ((x + dx * start) * height, (y + dy * start) * height)
    far = ((x + dx * 2 * ASPECT) * height, (y + dy * 2 * ASPECT) * height)
    colour = as_bytes(rng.choice((*SKIN, (0.45, 0.45, 0.45))))
    brush.line([tip, far], fill=colour, width=round(width * height))
    radius = width * height / 2
    brush.ellipse((tip[0] - radius, tip[1] - radius, tip[0] + radius, tip[1] + radius), fill=colour)
    return np.asarray(image, dtype=np.float32) / 255
