"""Drills: typed calls in which one kind of question is asked again and again, of other pictures.

One skill at a time is learnt soon; among a dozen it may not be found at all. Whether a thing is
there was guessed after some 6,600 such questions within quizzes, and known after 80 steps of them
alone. And of one picture the same question has the same answer: from the second time on, it is
read off the first, not off the picture.

Who counts is shown one thing as often as five, and things that are alike as often as others: of all
pictures there are, one in fifteen had more than two, and how many of a kind it had was told right
half of the time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from random import Random

from model.training.batches import Call
from model.training.domain.exchange import Split
from model.training.domain.picture_questions import PICTURE_QUESTIONS
from model.training.recipe.quizzes import Picture, Quiz
from model.training.scenes.scene import Scene

QUESTIONS = 10
"""Of one call."""
DRILLED: Mapping[str, int] = {
    "see_there": 4,
    "see_count": 5,
    "see_count_of": 7,
    "see_bigger": 3,
    "see_is_related": 3,
    "see_neighbour": 2,
    "see_relation": 1,
    "see_all": 5,
    "see_colour_of": 1,
    "see_colour": 1,
    "see_shape": 1,
    "see_size": 1,
    "see_place": 1,
}
"""How often each kind of question is drilled, relative to others."""
OF_ONE_PICTURE: Mapping[str, int] = {
    "see_there": 4,
    "see_count_of": 2,
    "see_is_related": 3,
    "see_neighbour": 2,
    "see_relation": 2,
    "see_colour_of": 2,
}
"""How often a picture is asked about where it has several answers; once where it has one."""
COUNTS = ("see_count", "see_count_of", "see_all")
"""What is as likely asked of any number of things, and of things that are alike."""
ECHO_SHARE = 0.15
"""How many of the questions are followed by one about what was just said."""
NOTHING_SHARE = 0.08
"""Of pictures of nothing, where the question takes a thing for granted."""
_KINDS = {question.name: question for question in PICTURE_QUESTIONS}


class Drills:
    """What can be drilled with the pictures there are."""

    def __init__(self, pictures: Sequence[Picture]) -> None:
        """Sort them.

        Args:
            pictures: Of all kinds.
        """
        self._fitting: Mapping[str, Sequence[Sequence[Sequence[Picture]]]] = {
            name: _groups(
                [p for p in pictures if not p.scene.is_empty and _KINDS[name].fits(p.scene)],
                counted=name in COUNTS,
            )
            for name in DRILLED
        }
        self._nothing = [picture for picture in pictures if picture.scene.is_empty]

    def call(self, rng: Random, shares: Mapping[str, int] = DRILLED) -> Call:
        """One kind of question about some pictures.

        Args:
            rng: Of everything drawn.
            shares: How often each kind is drilled, relative to others.

        Raises:
            ValueError: There are no pictures to ask about.
        """
        kinds = [name for name in shares if self._fitting[name]]
        if not kinds:
            raise ValueError("no picture has anything to ask about; encode some first")
        name = rng.choices(kinds, [shares[kind] for kind in kinds])[0]
        quiz = Quiz(rng)
        while len(quiz.turns) < QUESTIONS:
            self._ask_about(self._picture(name, rng), name, quiz)
        return quiz.call()

    def _picture(self, name: str, rng: Random) -> Picture:
        if self._nothing and _KINDS[name].presupposes and rng.random() < NOTHING_SHARE:
            return rng.choice(self._nothing)
        return rng.choice(rng.choice(rng.choice(self._fitting[name])))

    def _ask_about(self, picture: Picture, name: str, quiz: Quiz) -> None:
        quiz.show(picture)
        for _ in range(OF_ONE_PICTURE.get(name, 1)):
            exchange = _KINDS[name].about(quiz.rng, picture.scene, Split.TRAIN)
            if exchange is not None:
                quiz.ask(exchange)
                if quiz.rng.random() < ECHO_SHARE:
                    quiz.ask_what_was_said()


def _groups(pictures: Sequence[Picture], *, counted: bool) -> list[list[list[Picture]]]:
    """The pictures, by how many things they have and by whether these are alike; in one group if
    that does not matter."""
    if not counted:
        return [[list(pictures)]] if pictures else []
    by_number = _grouped(pictures, lambda scene: len(scene.objects))
    return [_grouped(group, _all_alike) for group in by_number]


def _grouped(pictures: Sequence[Picture], by: Callable[[Scene], int]) -> list[list[Picture]]:
    groups: defaultdict[int, list[Picture]] = defaultdict(list)
    for picture in pictures:
        groups[by(picture.scene)].append(picture)
    return list(groups.values())


def _all_alike(scene: Scene) -> bool:
    return len({thing.name for thing in scene.objects}) == 1
