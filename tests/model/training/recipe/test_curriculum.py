"""One skill after another, and none is dropped."""

from __future__ import annotations

from itertools import accumulate

import numpy as np
import pytest

from model.training.batches import CallBatch
from model.training.domain.exchange import normal
from model.training.recipe.call_material import CallMaterial
from model.training.recipe.curriculum import SKILLS, SkillBatches
from model.training.recipe.quizzes import Picture, quiz_scene
from tests.model.training.recipe.toy_calls import seen_vectors

pytestmark = pytest.mark.unit

N_CALLS = 150
QUIZ = [Picture(quiz_scene(n).scene, np.zeros((2, 4), np.float16)) for n in range(200)]
BATCHES = SkillBatches(3, CallMaterial(range(N_CALLS), {}, seen_vectors(N_CALLS), QUIZ))
BEGINS = dict(
    zip(
        [skill.name for skill in SKILLS],
        accumulate((skill.n_steps for skill in SKILLS), initial=0),
        strict=False,
    )
)


def share(batch: CallBatch, *words: str) -> float:
    """Of the questions, those with any of the words."""
    asked = [set(normal(t.typed or "").split()) for call in batch.calls for t in call.turns]
    return sum(bool(each & set(words)) for each in asked) / len(asked)


def shares(first: int, *words: str) -> list[float]:
    return [share(BATCHES.batch(step), *words) for step in range(first, first + 12)]


def test_the_first_steps_are_about_one_skill_alone() -> None:
    batch = BATCHES.batch(0)
    assert len(batch.calls) == SKILLS[0].n_calls
    replies = [turn.reply for call in batch.calls for turn in call.turns]
    assert sum(reply in ("Yes.", "No.") for reply in replies) > 0.8 * len(replies)


def test_later_ones_are_mostly_about_one_and_practise_those_before() -> None:
    balls = shares(BEGINS["cups"], "ball")
    assert 0.4 < np.mean([each > 0.9 for each in balls]) < 1
    assert not any(each > 0.1 for each in shares(BEGINS["count"], "ball")), "comes later"


def test_it_goes_on_with_the_last_skill() -> None:
    late = BEGINS["counted"] + SKILLS[-1].n_steps + 5
    assert any(each > 0.9 for each in shares(late, "many"))


def test_a_batch_depends_on_seed_and_step_alone() -> None:
    one, other = BATCHES.batch(7), BATCHES.batch(7)
    assert [t.typed for c in one.calls for t in c.turns] == [
        t.typed for c in other.calls for t in c.turns
    ]
