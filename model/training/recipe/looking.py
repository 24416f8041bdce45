"""Where an answer looks: which of a picture's vectors tells a word of it."""

from __future__ import annotations

import re

from model.training.batches import SeenWord
from model.training.scenes.scene import COLOURS, PLACES, SHAPES, Scene


def words_seen(reply: str, scene: Scene) -> tuple[SeenWord, ...]:
    """The colours and shapes in an answer that one thing in view alone has.

    The vector is that of the thing's ninth, as :class:`NamedPlaces` has them learnt; a thing
    between two ninths is nowhere.
    """
    found = []
    for match in re.finditer(r"[a-z]+", reply.lower()):
        word = match[0]
        if word in COLOURS:
            such = [thing for thing in scene.objects if thing.colour == word]
        elif word in SHAPES:
            such = [thing for thing in scene.objects if thing.shape == word]
        else:
            continue
        if len(such) == 1 and such[0].place:
            found.append(SeenWord(match.start(), match.end(), PLACES.index(such[0].place)))
    return tuple(found)
