"""What a picture shows, as data: coloured shapes, nothing, or three cups and a ball."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "black", "white")
SHAPES = ("circle", "square", "triangle", "star", "heart", "cross", "rectangle")
SIZES = ("small", "big")
PLACES = (
    "top left",
    "top",
    "top right",
    "left",
    "middle",
    "right",
    "bottom left",
    "bottom",
    "bottom right",
)
"""Ninths of the picture, row by row."""
RELATIONS = ("left of", "right of", "above", "below")
CUPS = ("left", "middle", "right")
MAX_OBJECTS = 5

SMALL_EXTENTS = (0.15, 0.24)
"""How wide a small object may be, as a fraction of the picture's height."""
BIG_EXTENTS = (0.46, 0.62)
PLACE_CENTRES = (0.2, 0.5, 0.8)
"""Where the centre of a row or column of ninths is, as a fraction of the picture."""
PLACE_SPREAD = 0.07
"""How far from that centre an object still is in that ninth without doubt."""

BORDER_DOUBT = 0.04
"""A centre this near to the border of two ninths may count for either."""


@dataclass(frozen=True, slots=True)
class SceneObject:
    """One coloured shape."""

    colour: str
    """One of ``COLOURS``."""
    shape: str
    """One of ``SHAPES``."""
    x: float
    """Centre, as a fraction of the picture's width; 0 is left."""
    y: float
    """Centre, as a fraction of the picture's height; 0 is the top."""
    extent: float
    """Width of its bounding box as a fraction of the picture's height."""

    @property
    def name(self) -> str:
        """What one calls it: ``red circle``."""
        return f"{self.colour} {self.shape}"

    @property
    def size(self) -> str | None:
        """``small`` or ``big``; None where people would not agree."""
        if self.extent <= SMALL_EXTENTS[1]:
            return "small"
        return "big" if self.extent >= BIG_EXTENTS[0] else None

    @property
    def place(self) -> str | None:
        """Its ninth of the picture; None near a border between two."""
        column, row = _third(self.x), _third(self.y)
        return None if column is None or row is None else PLACES[3 * row + column]

    @property
    def ninths(self) -> tuple[str, ...]:
        """The ninths its centre may be said to be in; several only close to a border."""
        return tuple(
            PLACES[3 * row + column] for row in _thirds(self.y) for column in _thirds(self.x)
        )


def _thirds(position: float) -> range:
    """The thirds a centre may be said to be in."""
    borders = [(low + high) / 2 for low, high in pairwise(PLACE_CENTRES)]
    low = sum(position - BORDER_DOUBT > border for border in borders)
    high = sum(position + BORDER_DOUBT > border for border in borders)
    return range(low, high + 1)


def _third(position: float) -> int | None:
    for index, centre in enumerate(PLACE_CENTRES):
        if abs(position - centre) <= PLACE_SPREAD + 1e-9:
            return index
    return None


@dataclass(frozen=True, slots=True)
class Cups:
    """Three cups side by side, and perhaps a ball."""

    colour: str
    """Of all three: only watching tells them apart."""
    ball_colour: str
    """Differs from the cups'."""
    open_cup: int | None = None
    """The cup that is lifted, so that the ball under it shows; None where all stand."""
    swap: tuple[int, int] | None = None
    """Places whose cups are changing places in this picture; one passes in front."""
    phase: float = 0.5
    """How far the swap has come, 0.35 to 0.65, so that nobody takes it for done."""


@dataclass(frozen=True, slots=True)
class Scene:
    """One picture's content; nothing at all by default."""

    objects: tuple[SceneObject, ...] = ()
    """Shapes that do not overlap."""
    cups: Cups | None = None
    """Three cups; then there are no other objects."""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing but background."""
        return not self.objects and self.cups is None

    @property
    def colours(self) -> frozenset[str]:
        """Every colour in view, and the ball's even where a cup hides it."""
        cups = {self.cups.colour, self.cups.ball_colour} if self.cups else set()
        return frozenset({thing.colour for thing in self.objects} | cups)


EMPTY = Scene()


def relation_of(first: SceneObject, second: SceneObject) -> str:
    """Where ``first`` is, seen from ``second``: one of ``RELATIONS``, by the larger distance."""
    dx, dy = first.x - second.x, first.y - second.y
    if abs(dx) >= abs(dy):
        return "left of" if dx < 0 else "right of"
    return "above" if dy < 0 else "below"
