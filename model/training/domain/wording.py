"""How things seen are put into words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import permutations

from model.training.domain.numbers import word_of
from model.training.scenes.scene import Scene, SceneObject

NOTHING = ("I see nothing.", "There is nothing.", "Nothing.")
"""Right answers to any question about an empty picture."""
NO_PICTURE = ("I do not see a picture.", "There is no picture.")
"""Right answers to any question about a picture when none is sent."""

_PLACE_PHRASES = {
    "left": "on the left",
    "right": "on the right",
    "middle": "in the middle",
}
_PLURALS = {"cross": "crosses"}
MAX_LISTED = 3
"""More kinds of things than this are not listed in one answer."""


def with_article(noun: str) -> str:
    """``a red circle``, ``an orange star``."""
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"


def plural(noun: str) -> str:
    """``circles``, ``crosses``; of ``red circle``, ``red circles``."""
    *adjectives, last = noun.split()
    return " ".join((*adjectives, _PLURALS.get(last, f"{last}s")))


def sentence(text: str) -> str:
    """With a capital and a full stop."""
    return f"{text[0].upper()}{text[1:]}."


def place_phrase(place: str) -> str:
    """``at the top left``, ``in the middle``."""
    return _PLACE_PHRASES.get(place, f"at the {place}")


def counted(noun: str, count: int) -> str:
    """``a red circle``, ``three red circles``."""
    return with_article(noun) if count == 1 else f"{word_of(count)} {plural(noun)}"


def listed(parts: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    if len(parts) == 1:
        return parts[0]
    return f"{', '.join(parts[:-1])} and {parts[-1]}"


def descriptions(scene: Scene) -> tuple[str, ...]:
    """All right ways to say what is in view, in any order, with and without ``I see``; from left
    to right first.

    Raises:
        ValueError: There are too many kinds of things to list.
    """
    if scene.is_empty:
        return NOTHING
    if scene.cups is not None:
        return tuple(_both_ways("three cups"))
    kinds = Counter(thing.name for thing in sorted(scene.objects, key=lambda thing: thing.x))
    if len(kinds) > MAX_LISTED:
        raise ValueError(f"{len(kinds)} kinds of things are too many to list")
    parts = [counted(name, count) for name, count in kinds.items()]
    return tuple(answer for order in permutations(parts) for answer in _both_ways(listed(order)))


def _both_ways(phrase: str) -> tuple[str, str]:
    return f"I see {phrase}.", sentence(phrase)


def relation_answers(first: SceneObject, second: SceneObject, relation: str) -> tuple[str, ...]:
    """Right ways to say where ``first`` is."""
    return (
        f"It is {relation} the {second.name}.",
        f"The {first.name} is {relation} the {second.name}.",
    )
