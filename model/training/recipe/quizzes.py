"""Calls that ask much of little: many typed questions about one picture, or about a few of them.

A question of a call is preceded by seconds of sound and pictures. To learn how to look, and to keep
what was seen in mind, is a matter of how many questions were asked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random

import numpy as np

from model.training.batches import Call, CallTurn, CallUnit
from model.training.domain.arithmetic import SUMS
from model.training.domain.call_script import style_seed
from model.training.domain.exchange import Exchange, SceneNeed, Split
from model.training.domain.facts import FACTS
from model.training.domain.memory_questions import (
    MAX_SHOWN,
    TALK_MEMORY,
    how_many_exchange,
    recall_exchange,
)
from model.training.domain.picture_questions import PICTURE_QUESTIONS
from model.training.domain.typed_text import typed
from model.training.recipe.looking import looks
from model.training.scenes.looks import TRAIN_LOOKS
from model.training.scenes.scene import EMPTY, Scene
from model.training.scenes.scene_sampler import alike, mixed

N_ANY = 8_000
"""Quiz scenes of anything that can be asked about; those after them have several things."""
SEVERAL = (3, 5)
ALIKE_SHARE = 0.3
"""How many scenes of several things have the same thing several times."""
QUESTIONS_PER_PICTURE = (6, 14)
SHOWN_AGAIN_SHARE = 0.2
"""Before how many of the later questions the picture is shown again."""
THINGS = (2, 5)
"""Shown one after another."""
RECALLED = (3, 6)
"""Questions about all of them."""
ASKED_BETWEEN_SHARE = 0.5
"""After how many of them there is a question about the thing in view."""
STAYS_SHARE = 0.3
"""How many of them stay for a second picture."""
GAP_SHARE = 0.15
"""After how many of them there is nothing."""
COUNTED_STAYS = (1, 1, 2)
"""For how many seconds a thing stays that is one of some to be counted."""
COUNTED_ON_THE_WAY_SHARE = 0.15
"""After how many of them it is asked how many there were up to now."""
COUNTED_GONE_SHARE = 0.3
"""At the end of how many such calls nothing is in view any more."""
TALKED_OF = (1, 4)
"""Questions of a call that are not about what was said."""
OF_THINGS_SHARE = 0.6
"""How many of them are about what is in view, the others facts and sums."""
ECHOED_SHARE = 0.5
"""How many of them are followed by one about what was said; the last always is."""
_TRIES = 50
_PLAIN = ("see_colour", "see_shape", "see_size", "see_place")
_BETWEEN = tuple(question for question in PICTURE_QUESTIONS if question.name in _PLAIN)
_OF_NO_PICTURE = (*FACTS, *SUMS)


@dataclass(frozen=True, slots=True)
class Picture:
    """A scene as the vision encoder sees it."""

    scene: Scene
    vectors: np.ndarray
    """``[Q, E]``."""


@dataclass(frozen=True, slots=True)
class QuizScene:
    """A scene of no call, there to be asked about."""

    scene: Scene
    """As likely of one thing as of several."""
    look: str
    style_seed: int
    """As in a :class:`CallScript`."""


def quiz_scene(number: int) -> QuizScene:
    """One of any number of scenes; the same for the same number."""
    rng = Random(f"quiz {number}")
    scene = rng.choice(PICTURE_QUESTIONS).sample(rng) if number < N_ANY else _several(rng)
    return QuizScene(scene, rng.choice(TRAIN_LOOKS), style_seed(number, Split.TRAIN))


def _several(rng: Random) -> Scene:
    count = rng.randint(*SEVERAL)
    return alike(rng, count) if rng.random() < ALIKE_SHARE else mixed(rng, count)


@dataclass(slots=True)
class Quiz:
    """A call while it is being made."""

    rng: Random
    turns: list[CallTurn] = field(default_factory=list)
    units: list[CallUnit] = field(default_factory=list)
    """Shown since the last question."""
    scenes: list[Scene] = field(default_factory=list)
    """Of all pictures, newest first."""
    history: list[Exchange] = field(default_factory=list)
    """Everything asked and answered."""

    @property
    def in_view(self) -> Scene:
        """The newest."""
        return self.scenes[0] if self.scenes else EMPTY

    def show(self, picture: Picture) -> None:
        """A second of it."""
        self.units.append(CallUnit(image_vectors=picture.vectors))
        self.scenes.insert(0, picture.scene)

    def ask(self, exchange: Exchange) -> None:
        """Typed, and answered."""
        question = typed(exchange, self.rng)
        turn = CallTurn(
            reply=exchange.reply,
            units=tuple(self.units),
            typed=question,
            seen=looks(exchange, exchange.reply, self.scenes),
            asked_about=looks(exchange, question, self.scenes),
        )
        self.turns.append(turn)
        self.history.append(exchange)
        self.units = []

    def ask_one_of(self, draw: Callable[[], Exchange]) -> None:
        """The first that is drawn in words of training; none where no such words are found."""
        for _ in range(_TRIES):
            exchange = draw()
            if exchange.split is Split.TRAIN:
                self.ask(exchange)
                return

    def ask_what_was_said(self) -> None:
        """A question about the answer before, or about the question."""
        self.ask(self.rng.choice(TALK_MEMORY).draw(self.rng, Split.TRAIN, self.history))

    def call(self) -> Call:
        """All of it."""
        return Call(tuple(self.turns), mode="omni", foresees_typed=False)


def quizzed_call(picture: Picture, rng: Random) -> Call:
    """One picture and whatever can be asked about it."""
    quiz = Quiz(rng)
    quiz.show(picture)
    wanted = rng.randint(*QUESTIONS_PER_PICTURE)
    while len(quiz.turns) < wanted:
        exchange = rng.choice(PICTURE_QUESTIONS).about(rng, picture.scene, Split.TRAIN)
        if exchange is None:
            continue
        if quiz.turns and rng.random() < SHOWN_AGAIN_SHARE:
            quiz.show(picture)
        quiz.ask(exchange)
    return quiz.call()


def recalled_call(singles: Sequence[Picture], nothing: Sequence[Picture], rng: Random) -> Call:
    """Things shown one after another, and questions about all of them.

    Args:
        singles: Pictures of one thing each, of many colours and shapes.
        nothing: Pictures of nothing, at least one.
        rng: Of everything drawn.
    """
    quiz = Quiz(rng)
    shown = _unlike(singles, rng.randint(*THINGS), rng)
    for picture in shown:
        quiz.show(picture)
        if rng.random() < STAYS_SHARE:
            quiz.show(picture)
        if rng.random() < ASKED_BETWEEN_SHARE:
            exchange = rng.choice(_BETWEEN).about(rng, quiz.in_view, Split.TRAIN)
            if exchange is not None:
                quiz.ask(exchange)
        if rng.random() < GAP_SHARE:
            quiz.show(rng.choice(nothing))
    scenes = [picture.scene for picture in shown]
    wanted = len(quiz.turns) + rng.randint(*RECALLED)
    while len(quiz.turns) < wanted:
        quiz.ask_one_of(lambda: recall_exchange(rng, scenes, SceneNeed(quiz.in_view)))
    return quiz.call()


def talked_call(singles: Sequence[Picture], rng: Random) -> Call:
    """Things shown while one talks of them and of others, and of what was said.

    Args:
        singles: Pictures of one thing each.
        rng: Of everything drawn.
    """
    quiz = Quiz(rng)
    n_talked_of = rng.randint(*TALKED_OF)
    for number in range(1, n_talked_of + 1):
        picture = rng.choice(singles)
        quiz.show(picture)
        exchange = rng.choice(_BETWEEN).about(rng, picture.scene, Split.TRAIN)
        if exchange is None or rng.random() >= OF_THINGS_SHARE:
            exchange = rng.choice(_OF_NO_PICTURE).draw(rng, Split.TRAIN)
        quiz.ask(exchange)
        if rng.random() < ECHOED_SHARE or number == n_talked_of:
            quiz.show(picture)
            quiz.ask_what_was_said()
    return quiz.call()


def counted_call(singles: Sequence[Picture], nothing: Sequence[Picture], rng: Random) -> Call:
    """Things shown one after another, and how many there were.

    Args:
        singles: Pictures of one thing each, of many colours and shapes.
        nothing: Pictures of nothing, at least one.
        rng: Of everything drawn.
    """
    quiz = Quiz(rng)
    shown = _unlike(singles, rng.randint(1, MAX_SHOWN), rng)
    for count, picture in enumerate(shown, 1):
        for _ in range(rng.choice(COUNTED_STAYS)):
            quiz.show(picture)
        if count < len(shown) and rng.random() < COUNTED_ON_THE_WAY_SHARE:
            _ask_how_many(quiz, count)
        if rng.random() < GAP_SHARE:
            quiz.show(rng.choice(nothing))
    quiz.show(rng.choice(nothing) if rng.random() < COUNTED_GONE_SHARE else shown[-1])
    _ask_how_many(quiz, len(shown))
    return quiz.call()


def _ask_how_many(quiz: Quiz, count: int) -> None:
    quiz.ask_one_of(lambda: how_many_exchange(quiz.rng, count, SceneNeed(quiz.in_view)))


def _unlike(singles: Sequence[Picture], count: int, rng: Random) -> list[Picture]:
    """Pictures of things of different colours and shapes."""
    chosen: list[Picture] = []
    while len(chosen) < count:
        picture = rng.choice(singles)
        (thing,) = picture.scene.objects
        others = [other.scene.objects[0] for other in chosen]
        if all(thing.colour != o.colour and thing.shape != o.shape for o in others):
            chosen.append(picture)
    return chosen
