"""Sounds."""

from __future__ import annotations

from random import Random

import pytest

from model.training.domain.exchange import SOUNDS, Split, is_right
from model.training.domain.sound_questions import SOUND_INTENTS

pytestmark = pytest.mark.unit

ALONE, ASKED = SOUND_INTENTS
WORDS = {"silence": "nothing", "beep": "a beep", "knock": "a knock", "tone": "music"}


@pytest.mark.parametrize("split", Split)
def test_each_sound_is_told_from_the_others(split: Split) -> None:
    seen = set()
    for seed in range(60):
        alone, asked = ALONE.draw(Random(seed), split), ASKED.draw(Random(seed), split)
        assert alone.question == "" and asked.question
        for kind in SOUNDS:
            assert is_right(f"I hear {WORDS[kind]}", alone) == (alone.heard == kind)
            assert is_right(f"I heard {WORDS[kind]}", asked) == (asked.heard == kind)
        seen |= {alone.heard, asked.heard}
    assert seen == set(SOUNDS)
