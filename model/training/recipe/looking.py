"""Where an answer looks: which of a picture's vectors tells a word of it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from model.training.batches import SeenWord
from model.training.domain.exchange import Exchange
from model.training.domain.numbers import word_of
from model.training.domain.wording import plural
from model.training.named_numbers import ALL_THINGS, FIRST_COLOUR, FIRST_SHAPE, KINDS_NAMED
from model.training.scenes.scene import COLOURS, MAX_OBJECTS, PLACES, SHAPES, Scene, SceneObject

COUNTING = ("see_count", "see_count_of")
"""Intents of questions how many things there are."""
LISTING = "see_all"
"""The intent of questions what there is."""
_NUMBERS = tuple(word_of(number) for number in range(1, MAX_OBJECTS + 1))
_KINDS = {**{colour: colour for colour in COLOURS}, **{plural(shape): shape for shape in SHAPES}}
"""Colours and shapes by the words that ask how many there are."""
_SEVERAL = re.compile(
    rf"({'|'.join(_NUMBERS)}) ({'|'.join(COLOURS)}) ({'|'.join(map(plural, SHAPES))})"
)
"""Number, colour and shape of things that are alike."""


def looks(exchange: Exchange, text: str, scenes: Sequence[Scene]) -> tuple[SeenWord, ...]:
    """The words of a question, or of its answer, that a picture tells: of how many there are the
    number and what is counted, of all else as :func:`words_seen`; of what is listed, several
    things that are alike, too.

    Args:
        exchange: Question and answer.
        text: As one of them is written.
        scenes: Of the pictures, newest first.
    """
    if exchange.intent == LISTING and scenes:
        return (*words_seen(text, scenes), *several_seen(text, scenes[0]))
    if exchange.intent not in COUNTING:
        return words_seen(text, scenes)
    vector = _number_of(exchange, scenes[0]) if scenes else None
    return tuple(
        SeenWord(match.start(), match.end(), vector)
        for match in _words(text)
        if vector is not None and (match[0] in _NUMBERS or match[0] in _KINDS)
    )


def _number_of(exchange: Exchange, scene: Scene) -> int | None:
    """The vector that names how many there are, as :class:`NamedNumbers` has them learnt; None
    where there are none."""
    if exchange.intent == "see_count":
        return None if scene.is_empty else ALL_THINGS
    words = (match[0] for match in _words(exchange.question))
    asked = next((_KINDS[word] for word in words if word in _KINDS), None)
    return _vectors_of_kinds(scene).get(asked) if asked else None


def _vectors_of_kinds(scene: Scene) -> dict[str, int]:
    """The vectors that name colours and shapes that are there, each with its number."""
    vectors = {}
    for kinds, first, of_things in (
        (COLOURS, FIRST_COLOUR, {thing.colour for thing in scene.objects}),
        (SHAPES, FIRST_SHAPE, {thing.shape for thing in scene.objects}),
    ):
        there = [kind for kind in kinds if kind in of_things][:KINDS_NAMED]
        vectors |= {kind: first + rank for rank, kind in enumerate(there)}
    return vectors


def several_seen(text: str, scene: Scene) -> tuple[SeenWord, ...]:
    """The words of ``two red squares`` in a text: colour and shape where a vector names them, the
    number where it is that of all red things, or of all squares.

    Args:
        text: What is listed.
        scene: Of the picture that is in view.
    """
    found = []
    vectors = _vectors_of_kinds(scene)
    for match in _SEVERAL.finditer(text.lower()):
        kinds = match[2], _KINDS[match[3]]
        count = sum((thing.colour, thing.shape) == kinds for thing in scene.objects)
        colour, shape = (vectors.get(kind) for kind in kinds)
        of_all = [
            vector
            for kind, vector in zip(kinds, (colour, shape), strict=True)
            if sum(kind in (thing.colour, thing.shape) for thing in scene.objects) == count
        ]
        number = next((vector for vector in of_all if vector is not None), None)
        found += [
            SeenWord(*match.span(group), vector)
            for group, vector in enumerate((number, colour, shape), 1)
            if vector is not None
        ]
    return tuple(found)


def words_seen(text: str, scenes: Sequence[Scene]) -> tuple[SeenWord, ...]:
    """The colours and shapes in a text that one thing alone has, in the newest picture that has
    any such thing.

    The vector is that of the thing's ninth, as :class:`NamedPlaces` has them learnt; a thing
    on the border of two ninths is nowhere.

    Args:
        text: An answer or a question.
        scenes: Of the pictures, newest first.
    """
    found = []
    for match in _words(text):
        pictures_ago, such = _newest_with(match[0], scenes)
        if len(such) == 1 and len(such[0].ninths) == 1:
            vector = PLACES.index(such[0].ninths[0])
            found.append(SeenWord(match.start(), match.end(), vector, pictures_ago))
    return tuple(found)


def _words(text: str) -> Iterator[re.Match[str]]:
    return re.finditer(r"[a-z]+", text.lower())


def _newest_with(word: str, scenes: Sequence[Scene]) -> tuple[int, list[SceneObject]]:
    if word in COLOURS or word in SHAPES:
        for pictures_ago, scene in enumerate(scenes):
            such = [thing for thing in scene.objects if word in (thing.colour, thing.shape)]
            if such:
                return pictures_ago, such
    return 0, []
