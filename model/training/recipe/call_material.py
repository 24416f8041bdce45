"""What training calls are made of: what was said and shown in them, each encoded once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from random import Random

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
QUIET_SHARE = 0.7
"""Of the calls that are put together from pictures, those in which the microphone is heard, as in
a real one it is all the while. A language model that had only seen cups in silence gave 75 % of 191
answers about them right in silence, and 49 with the sound of a quiet room."""


@dataclass(frozen=True)
class CallMaterial:
    """Sounds and pictures of training calls."""

    calls: range
    """Seeds of the calls whose sounds and pictures are there."""
    sounds: Mapping[str, EncodedTurn] = field(default_factory=dict)
    """Turns by ``name_of``."""
    pictures: Mapping[int, np.ndarray] = field(default_factory=dict)
    """Per call with a camera the vectors ``[n_scenes, Q, E]`` of ``scenes_of``."""
    quiz_pictures: Sequence[Picture] = ()
    """To be asked about, besides those of calls."""

    @cached_property
    def seen_seeds(self) -> list[int]:
        return sorted(seed for seed in self.pictures if seed in self.calls)

    @cached_property
    def said(self) -> list[tuple[int, int]]:
        """Seed and turn of everything that is spoken."""
        return [
            (seed, index)
            for seed in self.calls
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
    def quiet(self) -> list[tuple[np.ndarray, ...]]:
        """Per call its seconds in which nobody speaks and nothing sounds, ``[n, E]`` each."""
        found = []
        for seed in self.calls:
            units: list[np.ndarray] = []
            for index, turn in enumerate(training_call(seed)[0].turns):
                encoded = self.sounds.get(name_of(seed, index))
                if encoded is not None and all(second.sound is None for second in turn.lead):
                    units += [unit for unit in encoded.units[: len(turn.lead)] if len(unit)]
            if units:
                found.append(tuple(units))
        return found

    def quiet_of_a_call(self, rng: Random) -> Sequence[np.ndarray]:
        """What one microphone hears where nobody speaks; of some calls nothing."""
        return rng.choice(self.quiet) if self.quiet and rng.random() < QUIET_SHARE else ()

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
