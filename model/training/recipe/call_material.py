"""What training calls are made of: what was said and shown in them, each encoded once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from model.training.domain.memory_questions import SHOWN_MEMORY
from model.training.recipe.drills import Drills
from model.training.recipe.encoded_calls import EncodedTurn, name_of, scenes_of, typed_again
from model.training.recipe.questions import training_call
from model.training.recipe.quizzes import Picture
from model.training.recipe.watching import WatchedPictures
from model.training.recipe.word_bank import Utterance, WordBank

WATCHED = frozenset(intent.name for intent in SHOWN_MEMORY)
"""Intents whose questions are about several pictures."""


@dataclass(frozen=True)
class CallMaterial:
    """Sounds and pictures of the first training calls."""

    n_calls: int
    """Calls whose sounds and pictures are there."""
    sounds: Mapping[str, EncodedTurn] = field(default_factory=dict)
    """Turns by ``name_of``."""
    pictures: Mapping[int, np.ndarray] = field(default_factory=dict)
    """Per call with a camera the vectors ``[n_scenes, Q, E]`` of ``scenes_of``."""
    quiz_pictures: Sequence[Picture] = ()
    """To be asked about, besides those of calls."""

    @cached_property
    def seen_seeds(self) -> list[int]:
        return sorted(seed for seed in self.pictures if seed < self.n_calls)

    @cached_property
    def said(self) -> list[tuple[int, int]]:
        """Seed and turn of everything that is spoken."""
        return [
            (seed, index)
            for seed in range(self.n_calls)
            for index, turn in enumerate(training_call(seed)[0].turns)
            if turn.spoken
        ]

    @cached_property
    def watched(self) -> list[tuple[int, int]]:
        """Seed and turn of every question that all of its pictures come with."""
        return [
            (seed, index)
            for seed in self.seen_seeds
            for index, turn in enumerate(typed_again(seed).turns)
            if turn.exchange.intent in WATCHED and turn.lead
        ]

    @cached_property
    def words(self) -> WordBank:
        utterances = []
        for seed, index in self.said:
            encoded = self.sounds[name_of(seed, index)]
            units, heard_s = from_first_word(encoded)
            text = training_call(seed)[0].turns[index].spoken
            utterances.append(Utterance(text, np.concatenate(units), heard_s))
        return WordBank(utterances)

    @cached_property
    def drills(self) -> Drills:
        return Drills(self.shown.pictures)

    @cached_property
    def shown(self) -> WatchedPictures:
        """All pictures, to put together what is to be watched."""
        of_calls = [
            Picture(scene, vectors)
            for seed in self.seen_seeds
            for scene, vectors in zip(
                scenes_of(training_call(seed)[0]), self.pictures[seed], strict=True
            )
        ]
        return WatchedPictures([*of_calls, *self.quiz_pictures])


def from_first_word(encoded: EncodedTurn) -> tuple[list[np.ndarray], np.ndarray]:
    """Units of a spoken turn and when its characters are heard in them; what is only seen before
    the first word is left out."""
    first = int(encoded.heard_s[0, 0])
    return [unit for unit in encoded.units[first:] if len(unit)], encoded.heard_s - first
