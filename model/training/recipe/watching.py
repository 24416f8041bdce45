"""Calls that ask much of what was watched: cups that change places, things that change.

Training's calls have some two hundred questions of each kind. To keep in mind where the ball is, or
what was there a moment ago, takes many more; so games are put together from the pictures there are,
any that fit, and the ball is asked for on the way, too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from random import Random

from model.training.batches import Call
from model.training.domain.exchange import SceneNeed
from model.training.domain.memory_questions import MAX_SWAPS, ball_exchange, changed_exchange
from model.training.recipe.quizzes import Picture, Quiz, counted_call, recalled_call
from model.training.scenes.scene import SIZES, Cups, SceneObject
from model.training.scenes.scene_sampler import (
    CHANGES,
    SWAPS,
    Change,
    ChangeKind,
    swapped,
)

GAMES = (2, 3)
"""Of cups, in one call."""
SWAP_WEIGHTS = (1, 3, 5, 4, 3)
"""How often a game has no swap, one, and so on to ``MAX_SWAPS``: a ball that moved twice is only
found by who finds one that moved once. When all were as likely, half of the latter were found."""
ASKED_ON_THE_WAY_SHARE = 0.25
"""After how many of the swaps the ball is asked for."""
CHANGES_OF_A_CALL = (3, 6)
GOES_ON_SHARE = 0.5
"""How many of the changes begin with the picture that the change before ended with."""
STAYS_SHARE = 0.5
"""How many pictures stay for a second."""
GAP_SHARE = 0.2
"""Before how many changes there is nothing in between."""
NEAR = 0.12
"""How far apart two things are at the same place, as a fraction of the picture."""


@dataclass(frozen=True)
class WatchedPictures:
    """Pictures that games are put together from."""

    pictures: Sequence[Picture]
    """Of all kinds."""

    @cached_property
    def singles(self) -> list[Picture]:
        """Of one thing each."""
        return [picture for picture in self.pictures if len(picture.scene.objects) == 1]

    @cached_property
    def pairs(self) -> list[Picture]:
        """Of two things each, unlike each other."""
        return [
            picture
            for picture in self.pictures
            if len({thing.name for thing in picture.scene.objects})
            == len(picture.scene.objects)
            == 2
        ]

    @cached_property
    def nothing(self) -> list[Picture]:
        """Of an empty scene."""
        return [picture for picture in self.pictures if picture.scene.is_empty]

    @cached_property
    def cups(self) -> Mapping[tuple[int | None, tuple[int, int] | None], list[Picture]]:
        """By the cup that is lifted and the cups that change places."""
        found = defaultdict(list)
        for picture in self.pictures:
            if picture.scene.cups is not None:
                found[picture.scene.cups.open_cup, picture.scene.cups.swap].append(picture)
        return found

    @cached_property
    def by_name(self) -> Mapping[str, list[Picture]]:
        """Single things by colour and shape."""
        return _by_first_name(self.singles)

    @cached_property
    def pairs_by_name(self) -> Mapping[str, list[Picture]]:
        """Pairs by the colour and shape of their first thing."""
        return _by_first_name(self.pairs)

    @cached_property
    def by_place(self) -> Mapping[str, list[Picture]]:
        """Single things by their ninth, but for those between two."""
        found = defaultdict(list)
        for picture in self.singles:
            place = picture.scene.objects[0].place
            if place is not None:
                found[place].append(picture)
        return found


def _by_first_name(pictures: Sequence[Picture]) -> Mapping[str, list[Picture]]:
    found = defaultdict(list)
    for picture in pictures:
        found[picture.scene.objects[0].name].append(picture)
    return found


def cups_call(watched: WatchedPictures, rng: Random) -> Call:
    """A ball goes under a cup, cups change places, and where is it now? A few times over."""
    quiz = Quiz(rng)
    for _ in range(rng.randint(*GAMES)):
        _play_cups(quiz, watched, rng)
    return quiz.call()


def _play_cups(quiz: Quiz, watched: WatchedPictures, rng: Random) -> None:
    ball = rng.randrange(3)
    opened = rng.choice(watched.cups[ball, None])
    cups = opened.scene.cups
    assert cups is not None

    def show(swap: tuple[int, int] | None) -> None:
        quiz.show(_alike(watched.cups[None, swap], cups, rng))

    def ask() -> None:
        show(None)
        quiz.ask_one_of(lambda: ball_exchange(rng, ball, SceneNeed(quiz.in_view)))

    quiz.show(opened)
    show(None)
    for _ in range(rng.choices(range(MAX_SWAPS + 1), SWAP_WEIGHTS)[0]):
        swap = rng.choice(SWAPS)
        show(swap)
        ball = swapped(ball, swap)
        if rng.random() < ASKED_ON_THE_WAY_SHARE:
            ask()
    if quiz.units:
        ask()


def _alike(pictures: Sequence[Picture], cups: Cups, rng: Random) -> Picture:
    """One with cups of that colour, if there is any."""
    alike = [p for p in pictures if p.scene.cups is not None and p.scene.cups.colour == cups.colour]
    return rng.choice(alike or pictures)


def changes_call(watched: WatchedPictures, rng: Random) -> Call:
    """One thing becomes another, moves, comes or goes, and what is different? A few times over."""
    quiz = Quiz(rng)
    shown: Picture | None = None
    wanted = rng.randint(*CHANGES_OF_A_CALL)
    while len(quiz.turns) < wanted:
        kind = rng.choice(CHANGES)
        before = shown
        if before is None or rng.random() >= GOES_ON_SHARE:
            before = _begins(kind, watched, rng)
        after = _changed(before, kind, watched, rng)
        if after is None:
            continue
        if before is not shown:
            _show(quiz, before, rng)
        if rng.random() < GAP_SHARE:
            quiz.show(rng.choice(watched.nothing))
        _show(quiz, after, rng)
        _ask_what_changed(quiz, Change(before.scene, after.scene, kind), rng)
        shown = after
    return quiz.call()


def _ask_what_changed(quiz: Quiz, change: Change, rng: Random) -> None:
    quiz.ask_one_of(lambda: changed_exchange(rng, change, SceneNeed(change.after)))


def _show(quiz: Quiz, picture: Picture, rng: Random) -> None:
    quiz.show(picture)
    if rng.random() < STAYS_SHARE:
        quiz.show(picture)


def _begins(kind: ChangeKind, watched: WatchedPictures, rng: Random) -> Picture:
    if kind == "removed":
        return rng.choice(watched.pairs)
    if kind != "size":
        return rng.choice(watched.singles)
    # All big things are in the middle, and few of the small ones.
    size = rng.choice(SIZES)
    return rng.choice([p for p in watched.by_place["middle"] if p.scene.objects[0].size == size])


def _changed(
    before: Picture, kind: ChangeKind, watched: WatchedPictures, rng: Random
) -> Picture | None:
    """A picture that differs from ``before`` in this alone; None where there is none."""
    if kind == "none":
        return before
    if kind in ("added", "removed"):
        return _more_or_less(before, kind, watched, rng)
    if len(before.scene.objects) != 1:
        return None
    (thing,) = before.scene.objects
    if thing.place is None:
        return None
    nearby = kind in ("colour", "shape")
    among = watched.by_place[thing.place] if nearby else watched.by_name[thing.name]
    return _any_of([p for p in among if _differs_in(kind, thing, p.scene.objects[0])], rng)


def _any_of(pictures: Sequence[Picture], rng: Random) -> Picture | None:
    return rng.choice(pictures) if pictures else None


def _differs_in(kind: ChangeKind, before: SceneObject, after: SceneObject) -> bool:
    if None in (before.place, after.place, before.size, after.size):
        return False
    different = {
        name
        for name in ("colour", "shape", "size", "place")
        if getattr(before, name) != getattr(after, name)
    }
    return different == {kind}


def _more_or_less(
    before: Picture, kind: ChangeKind, watched: WatchedPictures, rng: Random
) -> Picture | None:
    if len(before.scene.objects) != (1 if kind == "added" else 2):
        return None
    # What stays comes first, as in the changes of training's calls.
    stays = before.scene.objects[0]
    among = (watched.pairs_by_name if kind == "added" else watched.by_name)[stays.name]
    return _any_of([p for p in among if _is_near(stays, p.scene.objects[0])], rng)


def _is_near(one: SceneObject, other: SceneObject) -> bool:
    return max(abs(one.x - other.x), abs(one.y - other.y)) <= NEAR


def _counted_call(watched: WatchedPictures, rng: Random) -> Call:
    return counted_call(watched.singles, watched.nothing, rng)


def _recalled_call(watched: WatchedPictures, rng: Random) -> Call:
    return recalled_call(watched.singles, watched.nothing, rng)


GAME_CALLS: Mapping[str, Callable[[WatchedPictures, Random], Call]] = {
    "recalled": _recalled_call,
    "counted": _counted_call,
    "cups": cups_call,
    "changes": changes_call,
}
"""Everything that asks what was seen before, by its name among the kinds of batches."""
