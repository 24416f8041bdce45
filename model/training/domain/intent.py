"""An intent: a kind of question, the ways to ask it, and how its answer comes about."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Literal

from model.training.domain.exchange import Exchange, History, Split
from model.training.domain.phrasings import Phrasings

Group = Literal["talk", "fact", "sum", "picture", "memory", "sound", "limits"]
MAX_ATTEMPTS = 5000


class EmptySplitError(RuntimeError):
    """An intent has no sentence in one of the splits; it needs more phrasings."""


@dataclass(frozen=True, slots=True)
class Intent:
    """One kind of question."""

    name: str
    """As in reports: ``see_colour``."""
    group: Group
    """The row of the evaluation's table it counts for."""
    phrasings: Phrasings
    """All ways to ask it."""
    attempt: Callable[[Random, History], Exchange]
    """Draws one exchange of either split, given the call so far."""

    def draw(self, rng: Random, split: Split, history: History = ()) -> Exchange:
        """An exchange whose sentence belongs to ``split``.

        Raises:
            EmptySplitError: None was found.
        """
        for _ in range(MAX_ATTEMPTS):
            exchange = self.attempt(rng, history)
            if exchange.split is split:
                return exchange
        raise EmptySplitError(f"{self.name} has no {split.value} sentence; add phrasings")
