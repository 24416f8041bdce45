"""Typed calls for the joint stage."""

from __future__ import annotations

import numpy as np
import pytest

from model.training.domain.call_script import compose_call
from model.training.domain.exchange import Split, normal
from model.training.domain.memory_questions import TALK_MEMORY
from model.training.domain.wording import NO_PICTURE
from model.training.domain.written_calls import (
    CALLS_PER_BATCH,
    MAX_ECHOES,
    PICTURE_SIZE,
    echoing_script,
    held_out_written_calls,
    silent_script,
    written_call,
    written_calls,
    written_talk,
)

pytestmark = pytest.mark.unit
SIZE = (80, 60)


def test_a_call_has_one_picture_a_second_and_then_the_words() -> None:
    script = compose_call(
        3, Split.TRAIN, camera=True, intents=["what_changed", "thanks"], manner="typed"
    )
    call = written_call(script, SIZE)
    for turn, scripted in zip(call.turns, script.turns, strict=True):
        assert len(turn.units) == len(scripted.lead) + 1
        assert turn.typed == scripted.written
        assert turn.reply == scripted.exchange.reply
        assert all(unit.samples is None for unit in turn.units)
    image = call.turns[0].units[0].image
    assert image is not None and image.shape == (60, 80, 3)


def test_a_call_without_a_camera_is_words_alone() -> None:
    call = written_call(silent_script(1, Split.TRAIN, camera=False))
    assert all(turn.typed and not turn.units for turn in call.turns)


def test_a_call_without_a_camera_is_mostly_about_what_needs_none() -> None:
    scripts = [silent_script(seed, Split.TRAIN, camera=False) for seed in range(200)]
    replies = [turn.exchange.reply for script in scripts for turn in script.turns]
    assert 0.02 < replies.count(NO_PICTURE[0]) / len(replies) < 0.12


def test_nothing_is_heard_in_a_typed_call() -> None:
    for seed in range(60):
        script = silent_script(seed, Split.EVAL)
        assert all(turn.exchange.heard is None and turn.written for turn in script.turns)
    assert silent_script(4, Split.EVAL) == silent_script(4, Split.EVAL)


def test_every_second_question_of_an_echoing_call_is_about_what_was_said() -> None:
    about = {intent.name for intent in TALK_MEMORY}
    asked = set()
    for seed in range(60):
        turns = echoing_script(seed, Split.TRAIN).turns
        assert 2 <= len(turns) <= 2 * MAX_ECHOES and all(turn.written for turn in turns)
        asked |= {turn.exchange.intent for turn in turns[1::2]}
    assert asked == about
    assert echoing_script(4, Split.TRAIN) == echoing_script(4, Split.TRAIN)


def test_a_stopped_run_goes_on_with_the_same_calls() -> None:
    data = written_talk(7)
    stream = data.source(0)
    first, second = next(stream), next(stream)
    assert first != second
    assert next(data.source(1)) == second
    assert len(first.calls) == CALLS_PER_BATCH


def test_training_and_evaluation_share_no_typed_sentence() -> None:
    said = []
    for data in (written_talk(0), held_out_written_calls(0)):
        said.append(
            {normal(turn.typed or "") for call in next(data.source(0)).calls for turn in call.turns}
        )
    assert said[0] and said[1] and not said[0] & said[1]


def test_pictures_of_a_batch_have_the_size_the_model_looks_at() -> None:
    images = [
        unit.image
        for call in next(written_calls(1).source(0)).calls
        for turn in call.turns
        for unit in turn.units
    ]
    assert images
    for image in images:
        assert image is not None and image.dtype == np.uint8
        assert image.shape == (*PICTURE_SIZE[::-1], 3)
