"""Drills ask one kind of question, and the answer is in the picture, not in the answer before."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from random import Random

import numpy as np
import pytest

from model.training.batches import CallTurn
from model.training.domain.exchange import Split, normal, split_of
from model.training.domain.memory_questions import TALK_MEMORY
from model.training.domain.picture_questions import PICTURE_QUESTIONS
from model.training.recipe import drills
from model.training.recipe.drills import COUNTS, DRILLED, OF_ONE_PICTURE, QUESTIONS, Drills
from model.training.recipe.quizzes import Picture, quiz_scene
from model.training.scenes.scene import EMPTY

pytestmark = pytest.mark.unit

PICTURES = [Picture(quiz_scene(n).scene, np.full((2, 4), float(n))) for n in range(200)]
NOTHING = Picture(EMPTY, np.full((2, 4), -1.0))
DRILLS = Drills([*PICTURES, NOTHING])
CALLS = [DRILLS.call(Random(number)) for number in range(150)]
ECHOES = {
    normal(intent.draw(Random(n), Split.TRAIN).question)
    for intent in TALK_MEMORY
    for n in range(90)
}


def mark(turn: CallTurn) -> float:
    (unit,) = turn.units
    assert unit.image_vectors is not None
    return float(unit.image_vectors.mean())


def test_every_kind_of_question_about_pictures_is_drilled() -> None:
    assert set(DRILLED) == {question.name for question in PICTURE_QUESTIONS}
    assert set(OF_ONE_PICTURE) <= set(DRILLED)


def test_a_call_asks_sentences_of_training_and_more_than_once() -> None:
    for call in CALLS:
        assert call.mode == "omni" and not call.foresees_typed
        assert len(call.turns) >= QUESTIONS and call.turns[0].units
        assert all(turn.typed and split_of(turn.typed) is Split.TRAIN for turn in call.turns)


@pytest.mark.parametrize("kind", COUNTS)
def test_one_thing_is_counted_as_often_as_five(kind: str) -> None:
    numbers: Counter[int] = Counter()
    for number in range(200):
        turns = [turn for turn in DRILLS.call(Random(number), {kind: 1}).turns if turn.units]
        shown = [int(mark(turn)) for turn in turns if mark(turn) >= 0]
        numbers.update(len(PICTURES[index].scene.objects) for index in shown)
    assert max(numbers.values()) < 1.5 * min(numbers.values()), "in one picture of ten is more"
    fewest = {"see_count": 1, "see_count_of": 2, "see_all": 0}[kind]
    assert set(numbers) == set(range(fewest, 6)), "of none are the cups"


@pytest.mark.parametrize("kind", COUNTS)
def test_things_that_are_alike_are_counted_as_often_as_others(kind: str) -> None:
    alike: Counter[bool] = Counter()
    for number in range(60):
        turns = [turn for turn in DRILLS.call(Random(number), {kind: 1}).turns if turn.units]
        scenes = [PICTURES[int(mark(turn))].scene for turn in turns if mark(turn) >= 0]
        several = [scene.objects for scene in scenes if len(scene.objects) > 1]
        alike.update(len({thing.name for thing in things}) == 1 for things in several)
    assert alike[True] == pytest.approx(alike[False], rel=0.25)


@pytest.mark.parametrize("kind", DRILLED)
def test_what_has_one_answer_is_asked_once_of_a_picture(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drills, "ECHO_SHARE", 0.0)
    turns = [turn for n in range(9) for turn in DRILLS.call(Random(n), {kind: 1}).turns]
    asked_again = [turn for turn in turns if not turn.units]
    assert bool(asked_again) == (kind in OF_ONE_PICTURE)


def test_nothing_is_shown_where_a_thing_is_taken_for_granted() -> None:
    empty = [turn for call in CALLS for turn in call.turns if turn.units and mark(turn) == -1.0]
    assert empty and {turn.reply for turn in empty} == {"I see nothing."}


def test_what_was_said_is_asked_for_in_between() -> None:
    repeated = [
        (one, other)
        for call in CALLS
        for one, other in pairwise(call.turns)
        if not other.units and normal(other.typed or "") in ECHOES and one.reply == other.reply
    ]
    assert repeated


def test_without_pictures_it_says_what_is_missing() -> None:
    with pytest.raises(ValueError, match="encode some first"):
        Drills([]).call(Random(0))
