"""Small sums: plus and minus between zero and ten, times up to five."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from model.training.domain.exchange import Exchange, History, answered
from model.training.domain.intent import Intent
from model.training.domain.numbers import word_of
from model.training.domain.phrasings import Phrasings

MAX_TERM = 10
MAX_FACTOR = 5

_FRAMES = (
    "[please|now|and|so|okay] (what is|what's) {sum} [please]",
    "how much is {sum} [please]",
    "[please|now|can you|could you] tell me (what {sum} is|how much {sum} is|what is {sum})",
    "what do (you|i) get (for|from) {sum}",
    "what does {sum} (make|give)",
    "do you know (what {sum} is|what is {sum}|how much is {sum})",
    "{sum} (is|makes) [what|how much]",
    "[please] work it out {sum}",
    "(calculate|count) {sum} [please|for me]",
)


def _question(rng: Random, phrasings: Phrasings, first: int, sign: str, second: int) -> str:
    return phrasings.draw(rng, {"sum": f"{word_of(first)} {sign} {word_of(second)}"})


def _answers(first: int, sign: str, second: int, result: int) -> Sequence[str]:
    a, b, c = word_of(first), word_of(second), word_of(result)
    return f"{c.capitalize()}.", f"{a.capitalize()} {sign} {b} is {c}.", f"It is {c}."


def _exchange(
    rng: Random, name: str, phrasings: Phrasings, first: int, sign: str, second: int, result: int
) -> Exchange:
    return answered(
        rng,
        _question(rng, phrasings, first, sign, second),
        _answers(first, sign, second, result),
        intent=name,
        topic="numbers",
    )


PLUS_PHRASINGS = Phrasings(*_FRAMES, "[please] add them {sum}")
MINUS_PHRASINGS = Phrasings(*_FRAMES, "what is left of {sum}")
TIMES_PHRASINGS = Phrasings(*_FRAMES)


def _plus(rng: Random, history: History) -> Exchange:
    first, second = rng.randint(0, MAX_TERM), rng.randint(0, MAX_TERM)
    return _exchange(rng, "plus", PLUS_PHRASINGS, first, "plus", second, first + second)


def _minus(rng: Random, history: History) -> Exchange:
    first = rng.randint(0, MAX_TERM)
    second = rng.randint(0, first)
    return _exchange(rng, "minus", MINUS_PHRASINGS, first, "minus", second, first - second)


def _times(rng: Random, history: History) -> Exchange:
    first, second = rng.randint(1, MAX_FACTOR), rng.randint(1, MAX_FACTOR)
    return _exchange(rng, "times", TIMES_PHRASINGS, first, "times", second, first * second)


SUMS = (
    Intent("plus", "sum", PLUS_PHRASINGS, _plus),
    Intent("minus", "sum", MINUS_PHRASINGS, _minus),
    Intent("times", "sum", TIMES_PHRASINGS, _times),
)
