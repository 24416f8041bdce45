"""Where an answer looks: which of a picture's vectors tells a word of it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from model.training.batches import SeenWord
from model.training.scenes.scene import COLOURS, PLACES, SHAPES, Scene, SceneObject


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
    for match in re.finditer(r"[a-z]+", text.lower()):
        pictures_ago, such = _newest_with(match[0], scenes)
        if len(such) == 1 and len(such[0].ninths) == 1:
            vector = PLACES.index(such[0].ninths[0])
            found.append(SeenWord(match.start(), match.end(), vector, pictures_ago))
    return tuple(found)


def _newest_with(word: str, scenes: Sequence[Scene]) -> tuple[int, list[SceneObject]]:
    if word in COLOURS or word in SHAPES:
        for pictures_ago, scene in enumerate(scenes):
            such = [thing for thing in scene.objects if word in (thing.colour, thing.shape)]
            if such:
                return pictures_ago, such
    return 0, []
