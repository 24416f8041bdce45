"""Sentences that nobody said, put together from words that were heard.

What the audio encoder makes of a word depends little on the words around it. Cut out of the encoded
questions and put into another order, words are questions without end for the language model, which
otherwise guesses the rest of one that it knows by heart.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from random import Random

import numpy as np

from model.training.joint_sequence import AUDIO_TOKENS_PER_S

QUIET_BEFORE = (2, 30)
QUIET_AFTER = (8, 25)
"""Vectors of quiet before the first word and after the last."""
SHORTEST_QUIET = 4


@dataclass(frozen=True, slots=True)
class Utterance:
    """Words as they were heard once."""

    text: str
    """In lower case, one space between two words."""
    vectors: np.ndarray
    """Float ``[n, E]``: what the audio encoder and its projection made of them."""
    heard_s: np.ndarray
    """Float ``[len(text), 2]``: when each character begins and ends, from the first vector on."""


class WordBank:
    """Every word, each time it was heard."""

    def __init__(self, utterances: Iterable[Utterance]) -> None:
        """Cut utterances into words.

        Args:
            utterances: At least one, with quiet before its first word or after its last.
        """
        words: dict[str, list[np.ndarray]] = defaultdict(list)
        quiet: list[np.ndarray] = []
        for utterance in utterances:
            start = 0
            for word in utterance.text.split(" "):
                times_s = utterance.heard_s[start : start + len(word)]
                words[word].append(_between(utterance.vectors, times_s[0, 0], times_s[-1, 1]))
                start += len(word) + 1
            begins_s, ends_s = utterance.heard_s[0, 0], utterance.heard_s[-1, 1]
            quiet.append(_between(utterance.vectors, 0.0, begins_s))
            quiet.append(_between(utterance.vectors, ends_s, np.inf))
        self._words: Mapping[str, Sequence[np.ndarray]] = {
            word: [part for part in parts if len(part)] for word, parts in words.items()
        }
        self._quiet = [part for part in quiet if len(part) >= SHORTEST_QUIET]

    def knows(self, text: str) -> bool:
        """Whether every word of a text was heard."""
        return all(self._words.get(word) for word in text.split(" "))

    def say(self, text: str, rng: Random) -> Utterance:
        """A text, of words as different callers said them.

        Args:
            text: As :attr:`Utterance.text`, of words that the bank :meth:`knows`.
            rng: Chooses who says which word, and how long it is quiet.
        """
        parts = [self._some_quiet(rng.randint(*QUIET_BEFORE), rng)]
        times = []
        n_vectors = len(parts[0])
        for word in text.split(" "):
            part = rng.choice(self._words[word])
            edges = n_vectors + np.linspace(0, len(part), len(word) + 1)
            times += [*pairwise(edges), (edges[-1], edges[-1])]
            parts.append(part)
            n_vectors += len(part)
        parts.append(self._some_quiet(rng.randint(*QUIET_AFTER), rng))
        # After the last word there is no space.
        heard_s = np.array(times[:-1], np.float32) / AUDIO_TOKENS_PER_S
        return Utterance(text, np.concatenate(parts), heard_s)

    def _some_quiet(self, count: int, rng: Random) -> np.ndarray:
        part = rng.choice(self._quiet)
        start = rng.randrange(len(part))
        return np.take(part, range(start, start + count), axis=0, mode="wrap")


def units_of(vectors: np.ndarray) -> list[np.ndarray]:
    """Vectors ``[n, E]`` as they come in a call, those of one second at a time."""
    return np.split(vectors, range(AUDIO_TOKENS_PER_S, len(vectors), AUDIO_TOKENS_PER_S))


def _between(vectors: np.ndarray, begins_s: float, ends_s: float) -> np.ndarray:
    first = round(begins_s * AUDIO_TOKENS_PER_S)
    last = round(min(ends_s * AUDIO_TOKENS_PER_S, len(vectors)))
    return vectors[first:last]
