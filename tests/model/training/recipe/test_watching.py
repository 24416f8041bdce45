"""What is asked of what was watched has the answer that the pictures give."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import numpy as np
import pytest

from model.training.batches import Call, CallTurn
from model.training.domain.exchange import Split, split_of
from model.training.domain.memory_questions import change_answers
from model.training.recipe.quizzes import Picture
from model.training.recipe.watching import WatchedPictures, changes_call, cups_call
from model.training.scenes import scene_sampler
from model.training.scenes.scene import CUPS, EMPTY, Scene
from model.training.scenes.scene_sampler import CHANGES, Change, ChangeKind, swapped
from tests.model.training.recipe.toy_calls import all_changes

pytestmark = pytest.mark.unit

GAMES = [scene for seed in range(30) for scene in scene_sampler.cup_game(Random(seed), 4).scenes]
CHANGED = [scene for change in all_changes() for scene in (change.before, change.after)]
SCENES = [*GAMES, *CHANGED, EMPTY]
WATCHED = WatchedPictures([Picture(s, np.full((2, 4), n)) for n, s in enumerate(SCENES)])


def seen_in(turn: CallTurn) -> list[Scene]:
    vectors = [unit.image_vectors for unit in turn.units if unit.image_vectors is not None]
    return [SCENES[int(each[0, 0])] for each in vectors]


def calls(make: Callable[[WatchedPictures, Random], Call], count: int) -> list[Call]:
    return [make(WATCHED, Random(number)) for number in range(count)]


def test_the_ball_is_where_the_swaps_took_it() -> None:
    answers, swaps = set(), set()
    for call in calls(cups_call, 40):
        ball, since = -1, 0
        for turn in call.turns:
            assert turn.typed and split_of(turn.typed) is Split.TRAIN
            for scene in seen_in(turn):
                assert scene.cups is not None
                if scene.cups.open_cup is not None:
                    ball, since = scene.cups.open_cup, 0
                if scene.cups.swap is not None:
                    ball, since = swapped(ball, scene.cups.swap), since + 1
            assert seen_in(turn)[-1].cups is not None
            assert turn.reply == f"Under the {CUPS[ball]} cup."
            answers.add(ball)
            swaps.add(since)
    assert answers == {0, 1, 2} and {0, 1, 2, 3, 4} <= swaps


def test_every_kind_of_change_is_asked_for_and_answered() -> None:
    kinds = set()
    for call in calls(changes_call, 80):
        shown: list[Scene] = []
        for turn in call.turns:
            *earlier, after = [*shown, *(s for s in seen_in(turn) if not s.is_empty)]
            before = next((s for s in reversed(earlier) if s is not after), after)
            kind = "none" if turn.reply == "Nothing changed." else difference(before, after)
            assert turn.reply == change_answers(Change(before, after, kind))[0]
            kinds.add(kind)
            shown = [*earlier, after]
    assert kinds == set(CHANGES)


def difference(before: Scene, after: Scene) -> ChangeKind:
    if len(before.objects) != len(after.objects):
        return "added" if len(after.objects) == 2 else "removed"
    (one,), (other,) = before.objects, after.objects
    if one.name != other.name:
        return "colour" if one.colour != other.colour else "shape"
    return "size" if one.size != other.size else "place"
