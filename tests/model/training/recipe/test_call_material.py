"""What was said and shown in training calls is found again, and only there."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from model.training.recipe.call_material import CallMaterial, from_first_word
from model.training.recipe.encoded_calls import name_of, typed_again
from model.training.recipe.questions import training_call
from tests.model.training.recipe.toy_calls import heard_turns, seen_vectors

pytestmark = pytest.mark.unit

N_CALLS = 12
VECTORS = seen_vectors(N_CALLS)
MATERIAL = CallMaterial(range(N_CALLS), heard_turns(N_CALLS), VECTORS)


def test_everything_that_is_said_is_known_word_by_word() -> None:
    assert MATERIAL.said
    for seed, index in MATERIAL.said:
        text = training_call(seed)[0].turns[index].spoken
        assert text and MATERIAL.words.knows(text)
    assert not MATERIAL.words.knows("zeppelin")


def test_a_spoken_turn_begins_with_the_second_of_its_first_word() -> None:
    for seed, index in MATERIAL.said:
        encoded = MATERIAL.sounds[name_of(seed, index)]
        units, heard_s = from_first_word(encoded)
        assert 0 <= heard_s[0, 0] < 1 and all(len(unit) for unit in units)
        assert len(units) <= len(encoded.units)


def test_pictures_are_sorted_by_what_is_in_them() -> None:
    assert MATERIAL.seen_seeds == sorted(VECTORS)
    assert all(len(picture.scene.objects) == 1 for picture in MATERIAL.shown.singles)
    assert all(picture.scene.is_empty for picture in MATERIAL.shown.nothing)
    assert MATERIAL.shown.singles and MATERIAL.shown.nothing
    for seed, index in MATERIAL.watched:
        assert typed_again(seed).turns[index].lead


def test_quiet_seconds_are_those_before_a_question_without_a_sound() -> None:
    quiet = {unit.tobytes() for call in MATERIAL.quiet for unit in call}
    loud = set()
    for seed in range(N_CALLS):
        for index, turn in enumerate(training_call(seed)[0].turns):
            units = MATERIAL.sounds[name_of(seed, index)].units
            sounds = any(second.sound for second in turn.lead)
            loud |= {unit.tobytes() for unit in units[0 if sounds else len(turn.lead) :]}
    assert quiet and not quiet & loud


def test_one_microphone_is_heard_through_a_call_and_in_some_calls_none() -> None:
    drawn = [MATERIAL.quiet_of_a_call(Random(number)) for number in range(60)]
    assert {bool(units) for units in drawn} == {True, False}
    for units in filter(None, drawn):
        assert any(all(map(np.array_equal, units, call)) for call in MATERIAL.quiet)
    assert CallMaterial(range(N_CALLS)).quiet_of_a_call(Random(0)) == ()
