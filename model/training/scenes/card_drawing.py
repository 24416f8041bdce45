"""The card look: cut-out or hand-painted things on a sheet of paper held up to a camera in a room.

It draws the evaluation's pictures only.
"""

from __future__ import annotations

import math
from random import Random

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from model.training.scenes.backgrounds import Picture, clouds
from model.training.scenes.layout import Part, densified
from model.training.scenes.palette import Rgb, as_bytes, muted, scaled
from model.training.scenes.photo_effects import SKIN

OVERSAMPLING = 1.5
MOST_TILT = 0.035
"""How far a corner of the sheet is from where it would be without perspective."""
SHEET_INSET = 0.025
WINDOW_MARGIN = 0.05
"""Around a thing, for its border and shadow, in picture heights."""


def draw_card(parts: list[Part], ground: Rgb, rng: Random, size: tuple[int, int]) -> Picture:
    """Draw ``parts`` on a sheet; arguments as of the flat look."""
    big = (round(size[0] * OVERSAMPLING), round(size[1] * OVERSAMPLING))
    # Everything but the things comes first, so that it does not depend on how many there are.
    corners = _corners(rng, big)
    room = _room(rng, big)
    hand = Random(rng.getrandbits(48))
    sheet = _sheet(parts, rng, big, ground)
    seen = sheet.transform(
        big, Image.Transform.PERSPECTIVE, _mapping(corners, big), Image.Resampling.BILINEAR
    )
    outline = Image.new("L", big)
    ImageDraw.Draw(outline).polygon(corners, fill=255)
    shadow = outline.filter(ImageFilter.GaussianBlur(0.02 * big[1]))
    room = Image.composite(room.point(lambda value: value * 0.6), room, shadow)
    room.paste(seen, (0, 0), outline)
    _fingers(room, corners, hand)
    return np.asarray(room.resize(size, Image.Resampling.BOX), dtype=np.float32) / 255


def _sheet(parts: list[Part], rng: Random, size: tuple[int, int], paper: Rgb) -> Image.Image:
    grain = clouds(rng, size, size[1] // 4)[..., None] * rng.uniform(0.005, 0.03)
    base = np.clip(np.array(paper, dtype=np.float32) + grain, 0, 1)
    sheet = Image.fromarray((base * 255).astype(np.uint8))
    painted = rng.random() < 0.5
    draw = _paint if painted else _stick
    for part in parts:
        window = part.window(size, WINDOW_MARGIN)
        piece = sheet.crop(window)
        draw(piece, part.moved(-window[0] / size[1], -window[1] / size[1]), rng, size[1])
        sheet.paste(piece, window[:2])
    return sheet


def _stick(sheet: Image.Image, part: Part, rng: Random, height: int) -> None:
    """Coloured paper, glued on: a thin shadow and its own grain."""
    points = [(float(x), float(y)) for x, y in part.outline * height]
    mask = Image.new("L", sheet.size)
    ImageDraw.Draw(mask).polygon(points, fill=255)
    offset = round(0.006 * height)
    shadow = Image.new("L", sheet.size)
    shadow.paste(mask.point(lambda value: value * 0.35), (offset, offset))
    shadow = shadow.filter(ImageFilter.GaussianBlur(0.006 * height))
    sheet.paste((20, 20, 20), (0, 0), shadow)
    grain = clouds(rng, sheet.size, sheet.height // 6)[..., None] * 0.02
    own = np.clip(np.array(part.colour, dtype=np.float32) + grain, 0, 1)
    sheet.paste(Image.fromarray((own * 255).astype(np.uint8)), (0, 0), mask)


def _paint(sheet: Image.Image, part: Part, rng: Random, height: int) -> None:
    """Felt pen: a wobbling border and strokes that leave a little paper between them."""
    outline = _wobbling(part, rng) * height
    points = [(float(x), float(y)) for x, y in outline]
    mask = Image.new("L", sheet.size)
    ImageDraw.Draw(mask).polygon(points, fill=255)
    strokes = Image.new("L", sheet.size, 225)
    brush = ImageDraw.Draw(strokes)
    angle = rng.uniform(0, math.pi)
    along, across = (math.cos(angle), math.sin(angle)), (-math.sin(angle), math.cos(angle))
    step = max(4, round(0.018 * height))
    (x, y), reach = part.centre, part.extent * height
    for distance in range(-round(reach), round(reach), step):
        middle = (x * height + across[0] * distance, y * height + across[1] * distance)
        ends = [
            (middle[0] + sign * along[0] * reach, middle[1] + sign * along[1] * reach)
            for sign in (-1, 1)
        ]
        brush.line(ends, fill=255, width=round(step * rng.uniform(0.5, 0.9)))
    fill = Image.composite(strokes, Image.new("L", sheet.size), mask)
    sheet.paste(as_bytes(part.colour), (0, 0), fill)
    edge = as_bytes(scaled(part.colour, 0.85))
    pen = ImageDraw.Draw(sheet)
    pen.line([*points, points[0]], fill=edge, width=round(0.012 * height), joint="curve")


def _wobbling(part: Part, rng: Random) -> np.ndarray:
    dense = densified(part.outline, 6)
    turn = np.linspace(0, 2 * np.pi, len(dense), endpoint=False)
    bend = sum(
        np.sin(turn * waves + rng.uniform(0, 6.3)) * rng.uniform(0, 0.012) for waves in (2, 3, 5, 7)
    )
    middle = np.array(part.centre)
    return middle + (dense - middle) * (1 + np.asarray(bend))[:, None]


def _corners(rng: Random, size: tuple[int, int]) -> list[tuple[float, float]]:
    width, height = size
    inset = SHEET_INSET
    square = [(inset, inset), (1 - inset, inset), (1 - inset, 1 - inset), (inset, 1 - inset)]
    return [
        (
            (x + rng.uniform(-MOST_TILT, MOST_TILT)) * width,
            (y + rng.uniform(-MOST_TILT, MOST_TILT)) * height,
        )
        for x, y in square
    ]


def _mapping(corners: list[tuple[float, float]], size: tuple[int, int]) -> list[float]:
    """Pillow's eight numbers that map a place of the picture to one of the sheet."""
    width, height = size
    targets = [(0, 0), (width, 0), (width, height), (0, height)]
    rows, values = [], []
    for (x, y), (u, v) in zip(corners, targets, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        values += [u, v]
    return [float(value) for value in np.linalg.solve(np.array(rows), np.array(values))]


def _room(rng: Random, size: tuple[int, int]) -> Image.Image:
    width, height = size
    wall = muted(rng, [])
    image = Image.new("RGB", size, as_bytes(wall))
    brush = ImageDraw.Draw(image)
    for _ in range(rng.randint(2, 5)):
        x, y = rng.uniform(-0.1, 0.9) * width, rng.uniform(0, 0.8) * height
        box = (x, y, x + rng.uniform(0.1, 0.5) * width, y + rng.uniform(0.1, 0.6) * height)
        brush.rectangle(box, fill=as_bytes(muted(rng, [])))
    return image.filter(ImageFilter.GaussianBlur(0.012 * height))


def _fingers(image: Image.Image, corners: list[tuple[float, float]], rng: Random) -> None:
    """Finger tips over the sheet's lower or side border, clear of the middle."""
    brush = ImageDraw.Draw(image)
    height = image.height
    skin = rng.choice(SKIN)
    start, end = rng.choice([(corners[3], corners[2]), (corners[0], corners[3])])
    for _ in range(rng.randint(1, 3)):
        share = rng.uniform(0.1, 0.9)
        x = start[0] + (end[0] - start[0]) * share
        y = start[1] + (end[1] - start[1]) * share
        across, along = 0.03 * height, rng.uniform(0.03, 0.05) * height
        flat = start[1] == corners[0][1]
        half = (along, across) if flat else (across, along)
        tone = as_bytes(scaled(skin, rng.uniform(0.9, 1.05)))
        brush.ellipse((x - half[0], y - half[1], x + half[0], y + half[1]), fill=tone)
