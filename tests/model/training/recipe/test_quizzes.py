"""What quizzes ask has one right answer about what they show."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import numpy as np
import pytest

from model.training.batches import Call
from model.training.domain.domain import intent_named
from model.training.domain.exchange import Split, normal, split_of
from model.training.domain.numbers import word_of
from model.training.domain.picture_questions import PICTURE_QUESTIONS
from model.training.recipe.quizzes import (
    N_ANY,
    Picture,
    Quiz,
    counted_call,
    quiz_scene,
    quizzed_call,
    recalled_call,
    talked_call,
)
from model.training.scenes.looks import TRAIN_LOOKS
from model.training.scenes.scene import COLOURS, EMPTY, SHAPES, Scene, SceneObject

pytestmark = pytest.mark.unit


def thing(colour: str, shape: str, x: float = 0.5, y: float = 0.5, extent: float = 0.2) -> Scene:
    return Scene((SceneObject(colour, shape, x, y, extent),))


def picture(scene: Scene, mark: float = 0.0) -> Picture:
    return Picture(scene, np.full((2, 4), mark))


def pictures_of(call: Call) -> list[float]:
    units = [unit for turn in call.turns for unit in turn.units]
    return [float(u.image_vectors.mean()) for u in units if u.image_vectors is not None]


RED = thing("red", "circle", x=0.2, y=0.2)
BOTH = Scene(RED.objects + thing("blue", "star", x=0.8, y=0.25, extent=0.5).objects)
DIAGONAL = Scene(RED.objects + thing("blue", "star", x=0.8, y=0.8).objects)


def test_questions_fit_what_is_in_view() -> None:
    def fitting(scene: Scene) -> set[str]:
        return {q.name for q in PICTURE_QUESTIONS if q.about(Random(0), scene, Split.TRAIN)}

    one = {"see_colour", "see_shape", "see_size", "see_place"}
    sides = {"see_relation", "see_is_related", "see_neighbour"}
    assert one <= fitting(RED) and not (sides | {"see_bigger", "see_colour_of"}) & fitting(RED)
    assert sides | {"see_bigger", "see_colour_of"} <= fitting(BOTH) and not one & fitting(BOTH)
    assert not sides & fitting(DIAGONAL), "left of or above"
    assert fitting(EMPTY) == one | {"see_count", "see_all"}


def test_quiz_scenes_are_as_often_of_several_things() -> None:
    scenes = [quiz_scene(number) for number in range(300)]
    assert scenes[7] == quiz_scene(7)
    several = [quiz for quiz in scenes if len(quiz.scene.objects) > 1]
    assert 100 < len(several) < 250
    assert {quiz.look for quiz in scenes} == set(TRAIN_LOOKS)
    assert all(quiz.style_seed % 2 == 0 for quiz in scenes), "odd ones are the evaluation's"


def test_the_last_quiz_scenes_have_several_things_some_of_them_alike() -> None:
    scenes = [quiz_scene(number).scene for number in range(N_ANY, N_ANY + 90)]
    assert {len(scene.objects) for scene in scenes} == {3, 4, 5}
    alike = [scene for scene in scenes if len({thing.name for thing in scene.objects}) == 1]
    assert 10 < len(alike) < 45


def test_a_quiz_shows_its_picture_first_and_asks_sentences_of_training() -> None:
    for number in range(30):
        call = quizzed_call(picture(BOTH, 7.0), Random(number))
        assert len(call.turns) >= 6 and call.turns[0].units
        assert set(pictures_of(call)) == {7.0}
        for turn in call.turns:
            assert turn.typed and split_of(turn.typed) is Split.TRAIN
            said = normal(turn.reply)
            for colour in COLOURS:
                assert colour not in said.split() or colour in ("red", "blue")


def test_words_of_a_question_are_looked_up() -> None:
    calls = [quizzed_call(picture(BOTH), Random(number)) for number in range(9)]
    turns = [turn for call in calls for turn in call.turns]
    named = [turn for turn in turns if "star" in (turn.typed or "").lower().split()]
    assert named
    for turn in named:
        words = [(turn.typed or "")[word.start : word.stop].lower() for word in turn.asked_about]
        assert "star" in words


def test_nobody_has_to_foresee_what_a_quiz_asks() -> None:
    assert not quizzed_call(picture(BOTH), Random(0)).foresees_typed


def test_what_was_said_last_is_asked_for() -> None:
    quiz = Quiz(Random(3))
    quiz.show(picture(RED))
    quiz.ask(intent_named("plus").draw(Random(0), Split.TRAIN))
    for _ in range(12):
        quiz.ask_what_was_said()
    question, answer = quiz.history[0].question, quiz.turns[0].reply
    replies = [turn.reply for turn in quiz.turns[1:]]
    assert answer in replies and replies[0] in (
        answer,
        f"You said, {question}.",
        "It was about numbers.",
    )


def test_of_an_empty_picture_there_is_nothing_to_say() -> None:
    call = quizzed_call(picture(EMPTY), Random(0))
    assert {turn.reply for turn in call.turns} == {"I see nothing."}


def test_what_was_shown_first_and_last_is_recalled() -> None:
    singles = [
        picture(thing(colour, shape), 10 * c + s)
        for c, colour in enumerate(COLOURS)
        for s, shape in enumerate(SHAPES)
    ]
    nothing, recalled = -1.0, set()
    for number in range(60):
        call = recalled_call(singles, [picture(EMPTY, nothing)], Random(number))
        shown = list(dict.fromkeys(mark for mark in pictures_of(call) if mark != nothing))
        assert 2 <= len(shown) <= 5
        colours = [COLOURS[int(mark) // 10] for mark in shown]
        shapes = [SHAPES[int(mark) % 10] for mark in shown]
        assert len(set(colours)) == len(set(shapes)) == len(shown)
        for turn in call.turns:
            words = normal(turn.typed or "").split()
            if "first" in words and "colour" in words:
                recalled.add("first")
                assert normal(turn.reply) == colours[0]
            if "second" in words and "shape" in words:
                recalled.add("second")
                assert normal(turn.reply).split()[-1] == shapes[1]
            if "last" in words and "colour" in words:
                recalled.add("last")
                assert normal(turn.reply) == colours[-1]
    assert recalled == {"first", "second", "last"}


def test_things_are_counted_however_long_they_stay() -> None:
    singles = [
        picture(thing(colour, shape), 1.0 + number)
        for number, (colour, shape) in enumerate(zip(COLOURS, SHAPES, strict=False))
    ]
    nothing, counts, stayed, gaps, on_the_way = 0.0, set(), 0, 0, 0
    for number in range(60):
        call = counted_call(singles, [picture(EMPTY, nothing)], Random(number))
        shown: list[float] = []
        for turn in call.turns:
            assert turn.typed and split_of(turn.typed) is Split.TRAIN
            shown += pictures_of(Call((turn,)))
            count = len(set(shown) - {nothing})
            assert word_of(count) in normal(turn.reply).split()
        counts.add(count)
        stayed += any(one == other != nothing for one, other in pairwise(shown[:-1]))
        gaps += nothing in shown[:-1]
        on_the_way += len(call.turns) > 1
    assert counts == {1, 2, 3, 4, 5}
    assert min(stayed, gaps, on_the_way) > 5


def test_a_talk_of_things_and_of_others_ends_with_what_was_said() -> None:
    singles = [picture(RED, 1.0), picture(thing("blue", "star"), 2.0)]
    of_things = 0
    made = [talked_call(singles, Random(number)) for number in range(60)]
    for call in made:
        assert all(turn.units for turn in call.turns), "the camera is on all the while"
        last, before = call.turns[-1], call.turns[-2]
        echoes = (before.reply, f"You said, {normal(before.typed or '')}.")
        assert last.reply in echoes or last.reply.startswith("It was about ")
        of_things += "It is" in call.turns[0].reply
    assert 0.3 * len(made) < of_things < 0.9 * len(made)
    assert {len(call.turns) for call in made} >= {2, 4, 6}
