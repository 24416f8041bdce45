"""One skill after another: what is not found among many is found alone.

Every skill has its steps, and those before it are practised meanwhile. What else the language model
knows is not asked for and fades; it comes back within the first steps of whole calls, and the
skills stay.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random

from model.training.batches import Call, CallBatch
from model.training.recipe.call_material import CallMaterial
from model.training.recipe.heard_calls import seen_anew
from model.training.recipe.watching import GAME_CALLS
from model.training.speech_data.speech_batches import BatchesByStep

AGAIN_SHARE = 0.35
"""How many of the batches are of skills learnt before."""


@dataclass(frozen=True, slots=True)
class Skill:
    """What a few dozen steps are about."""

    name: str
    """One of ``GAME_CALLS``, or of what is drilled."""
    n_steps: int
    n_calls: int
    """Of a batch."""
    drilled: Mapping[str, int] = field(default_factory=dict)
    """Kinds of questions and how often each is asked, relative to others; none in a game."""


SKILLS = (
    Skill("there", 80, 7, {"see_there": 1}),
    Skill("count", 250, 7, {"see_count_of": 4, "see_all": 2, "see_count": 1}),
    Skill("related", 70, 7, {"see_is_related": 2, "see_neighbour": 1}),
    Skill("cups", 300, 12),
    Skill("bigger", 60, 7, {"see_bigger": 1}),
    Skill("changes", 120, 7),
    Skill("recalled", 60, 8),
    Skill("counted", 90, 16),
)


@dataclass(frozen=True)
class SkillBatches(BatchesByStep[CallBatch]):
    """Batches of one skill each, in the order of ``SKILLS``; after the last it goes on."""

    seed: int
    """Of everything drawn."""
    material: CallMaterial
    """What is seen, and the sound of quiet rooms."""

    def batch(self, step: int) -> CallBatch:
        """The batch of one step."""
        rng = Random(f"skills {self.seed} {step}")
        place = _place_of(step)
        if place and rng.random() < AGAIN_SHARE:
            place = rng.randrange(place)
        skill = SKILLS[place]
        return CallBatch(tuple(self._call(skill, rng) for _ in range(skill.n_calls)))

    def _call(self, skill: Skill, rng: Random) -> Call:
        if skill.drilled:
            call = self.material.drills.call(rng, skill.drilled)
        else:
            call = GAME_CALLS[skill.name](self.material.shown, rng)
        return seen_anew(call, rng, self.material.quiet_of_a_call(rng))


def _place_of(step: int) -> int:
    """Of the skill that a step is about, in ``SKILLS``."""
    until = 0
    for place, skill in enumerate(SKILLS):
        until += skill.n_steps
        if step < until:
            return place
    return len(SKILLS) - 1
