"""Draws scenes from a seeded generator: single things, several, pairs, changes, cup games."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Literal

from model.training.scenes.scene import (
    BIG_EXTENTS,
    COLOURS,
    PLACE_CENTRES,
    PLACE_SPREAD,
    PLACES,
    RELATIONS,
    SHAPES,
    SIZES,
    SMALL_EXTENTS,
    Cups,
    Scene,
    SceneObject,
)

ChangeKind = Literal["colour", "shape", "size", "place", "added", "removed", "none"]
CHANGES: tuple[ChangeKind, ...] = ("colour", "shape", "size", "place", "added", "removed", "none")

ASPECT = 4 / 3
"""Width of a picture over its height."""
EDGE = 0.04
"""Free border, as a fraction of the height."""
GAP = 1.3
"""Distance of two centres over the mean of their diagonals' halves; above 1 nothing touches."""
SWAPS = ((0, 1), (1, 2), (0, 2))
CROWD = (8, 14)
"""Things in a crowd."""
CROWD_EXTENTS = (0.13, 0.32)
CROWD_ATTEMPTS = 200


class SceneSpaceError(RuntimeError):
    """Objects found no place in a scene; the requested layout is too full."""


def single(
    rng: Random,
    *,
    colour: str | None = None,
    shape: str | None = None,
    size: str | None = None,
    place: str | None = None,
) -> Scene:
    """One object; what is not given is drawn. A big one is in the middle."""
    if size is None:
        size = rng.choice(SIZES) if place in (None, "middle") else "small"
    extent = rng.uniform(*(SMALL_EXTENTS if size == "small" else BIG_EXTENTS))
    if place is None:
        place = rng.choice(PLACES) if size == "small" else "middle"
    x, y = _point_in(rng, place, extent)
    thing = SceneObject(
        colour or rng.choice(COLOURS), shape or rng.choice(SHAPES), x=x, y=y, extent=extent
    )
    return Scene((thing,))


def crowd(rng: Random) -> Scene:
    """As many things as find room: no scene of a call, but many shapes to learn from at once."""
    things: list[SceneObject] = []
    wanted = rng.randint(*CROWD)
    for _ in range(CROWD_ATTEMPTS):
        if len(things) == wanted:
            break
        extent = rng.uniform(*CROWD_EXTENTS)
        half = extent / 2 + 0.01
        x, y = rng.uniform(half / ASPECT, 1 - half / ASPECT), rng.uniform(half, 1 - half)
        apart = (
            max(abs(x - other.x) * ASPECT, abs(y - other.y)) > (extent + other.extent) * 0.55
            for other in things
        )
        if all(apart):
            thing = SceneObject(rng.choice(COLOURS), rng.choice(SHAPES), x=x, y=y, extent=extent)
            things.append(thing)
    return Scene(tuple(things))


def _point_in(rng: Random, place: str, extent: float) -> tuple[float, float]:
    index = PLACES.index(place)
    spread = PLACE_SPREAD if extent <= SMALL_EXTENTS[1] else 0.03
    x = PLACE_CENTRES[index % 3] + rng.uniform(-spread, spread)
    y = PLACE_CENTRES[index // 3] + rng.uniform(-spread, spread)
    half = extent / 2 + EDGE
    return x, min(max(y, half), 1 - half)


def alike(rng: Random, count: int) -> Scene:
    """``count`` objects of one colour and shape, 1 to 5."""
    name = (rng.choice(COLOURS), rng.choice(SHAPES))
    return _scattered(rng, [name] * count)


def mixed(rng: Random, count: int) -> Scene:
    """``count`` objects of two or three looks, so that some share a colour or a shape."""
    colours, shapes = rng.sample(COLOURS, 2), rng.sample(SHAPES, 2)
    return _scattered(rng, [(rng.choice(colours), rng.choice(shapes)) for _ in range(count)])


def _scattered(rng: Random, names: Sequence[tuple[str, str]]) -> Scene:
    for _ in range(200):
        placed: list[SceneObject] = []
        for colour, shape in names:
            thing = _find_room(rng, placed, colour, shape)
            if thing is None:
                break
            placed.append(thing)
        if len(placed) == len(names):
            return Scene(tuple(placed))
    raise SceneSpaceError(f"no room for {len(names)} objects; ask for fewer")


def _find_room(
    rng: Random, placed: Sequence[SceneObject], colour: str, shape: str
) -> SceneObject | None:
    for _ in range(40):
        extent = rng.uniform(*SMALL_EXTENTS)
        half = extent / 2 + EDGE
        thing = SceneObject(
            colour,
            shape,
            x=rng.uniform(half / ASPECT, 1 - half / ASPECT),
            y=rng.uniform(half, 1 - half),
            extent=extent,
        )
        if all(_apart(thing, other) for other in placed):
            return thing
    return None


def _apart(first: SceneObject, second: SceneObject) -> bool:
    dx, dy = (first.x - second.x) * ASPECT, first.y - second.y
    return bool((dx * dx + dy * dy) ** 0.5 > GAP * (first.extent + second.extent) / 2)


def pair(rng: Random, relation: str | None = None) -> Scene:
    """Two objects of different colours and shapes; the first is ``relation`` the second."""
    relation = relation or rng.choice(RELATIONS)
    colours, shapes = rng.sample(COLOURS, 2), rng.sample(SHAPES, 2)
    upright = relation in ("above", "below")
    near, far = (rng.uniform(0.2, 0.3), rng.uniform(0.7, 0.8))
    across = rng.uniform(0.3, 0.7)
    along = (near, far) if relation in ("left of", "above") else (far, near)
    objects = []
    for colour, shape, main in zip(colours, shapes, along, strict=True):
        side = across + rng.uniform(-0.05, 0.05)
        x, y = (side, main) if upright else (main, side)
        objects.append(SceneObject(colour, shape, x, y, rng.uniform(0.18, 0.28)))
    return Scene(tuple(objects))


def sized_pair(rng: Random) -> Scene:
    """Two objects of different colours, of which the first is clearly bigger; either side."""
    colours, shapes = rng.sample(COLOURS, 2), rng.choices(SHAPES, k=2)
    bigger = rng.uniform(0.4, 0.5)
    extents = (bigger, bigger / rng.uniform(2.0, 2.6))
    places = rng.sample((rng.uniform(0.24, 0.28), rng.uniform(0.72, 0.76)), 2)
    return Scene(
        tuple(
            SceneObject(colour, shape, x, rng.uniform(0.4, 0.6), extent)
            for colour, shape, x, extent in zip(colours, shapes, places, extents, strict=True)
        )
    )


@dataclass(frozen=True, slots=True)
class Change:
    """Two scenes, one after the other, and what is different."""

    before: Scene
    """Shown first."""
    after: Scene
    """Shown second."""
    kind: ChangeKind
    """What changed; of ``size`` the scenes tell the direction."""


def change(rng: Random, kind: ChangeKind | None = None) -> Change:
    """A scene and the same scene with one thing different, or none."""
    kind = kind or rng.choice(CHANGES)
    if kind in ("added", "removed"):
        both = pair(rng)
        one = Scene(both.objects[:1])
        return Change(one, both, kind) if kind == "added" else Change(both, one, kind)
    before = single(rng, size=None if kind == "size" else "small", place=_middle_if(kind, rng))
    thing = before.objects[0]
    if kind == "colour":
        thing = replace(thing, colour=_another(rng, COLOURS, thing.colour))
    elif kind == "shape":
        thing = replace(thing, shape=_another(rng, SHAPES, thing.shape))
    elif kind == "size":
        extents = BIG_EXTENTS if thing.size == "small" else SMALL_EXTENTS
        thing = replace(thing, extent=rng.uniform(*extents), x=0.5, y=0.5)
    elif kind == "place":
        place = _another(rng, PLACES, thing.place or "middle")
        x, y = _point_in(rng, place, thing.extent)
        thing = replace(thing, x=x, y=y)
    return Change(before, Scene((thing,)), kind)


def _middle_if(kind: ChangeKind, rng: Random) -> str:
    return "middle" if kind == "size" else rng.choice(PLACES)


def _another(rng: Random, choices: Sequence[str], present: str) -> str:
    return rng.choice([choice for choice in choices if choice != present])


def parade(rng: Random, count: int) -> list[Scene]:
    """``count`` single objects to show one after the other, of different colours and shapes.

    Shapes repeat only where there are more objects than shapes.
    """
    colours = rng.sample(COLOURS, count)
    shapes = rng.sample(SHAPES, min(count, len(SHAPES)))
    return [
        single(rng, colour=colour, shape=shapes[index % len(shapes)])
        for index, colour in enumerate(colours)
    ]


@dataclass(frozen=True, slots=True)
class CupGame:
    """A ball goes under a cup and the cups change places."""

    scenes: tuple[Scene, ...]
    """One per second: the lifted cup, the cups at rest, one swap per second, at rest again."""
    start: int
    """Where the ball went in: 0 left, 1 middle, 2 right."""
    end: int
    """Where it is after the last swap."""


def swapped(ball: int, swap: tuple[int, int]) -> int:
    """Where a ball is after the cups of two places changed places."""
    return swap[0] + swap[1] - ball if ball in swap else ball


def cup_game(rng: Random, n_swaps: int) -> CupGame:
    """A game with ``n_swaps`` swaps."""
    colour, ball_colour = rng.sample(COLOURS, 2)
    start = ball = rng.randrange(3)
    at_rest = Cups(colour, ball_colour)
    shown = [replace(at_rest, open_cup=start), at_rest]
    for _ in range(n_swaps):
        swap = rng.choice(SWAPS)
        shown.append(replace(at_rest, swap=swap, phase=rng.uniform(0.35, 0.65)))
        ball = swapped(ball, swap)
    shown.append(at_rest)
    return CupGame(tuple(Scene(cups=cups) for cups in shown), start, ball)
