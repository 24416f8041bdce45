"""Nobody who is heard in training is heard in the evaluation."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from model.training.speech_data.reply_voices import REPLY_VOICES
from model.training.speech_data.voices import (
    UNHEARD_SPEAKERS,
    VOICES,
    Engine,
    Role,
    draw_voice,
    voice_named,
    voices_for,
)

pytestmark = pytest.mark.unit


def test_the_unheard_speakers_never_train_hearing() -> None:
    trained = {voice.speaker for voice in voices_for(Role.HEAR_TRAIN)}
    evaluated = {voice.speaker for voice in voices_for(Role.HEAR_EVAL)}
    assert evaluated == UNHEARD_SPEAKERS
    assert not trained & evaluated
    assert not any(person in name for name in trained for person in UNHEARD_SPEAKERS)


def test_every_engine_has_voices_for_what_it_is_there_for() -> None:
    engines = {voice.engine for voice in voices_for(Role.HEAR_TRAIN)}
    assert engines == {Engine.FLITE, Engine.ESPEAK}
    assert len(voices_for(Role.HEAR_TRAIN)) > 300
    assert len(voices_for(Role.HEAR_EVAL)) == 3


def test_names_are_unique_and_found() -> None:
    assert all(name == voice.name for name, voice in VOICES.items())
    assert voice_named("flite/rms").speaker == "rms"


def test_an_unknown_voice_is_refused_with_an_example() -> None:
    with pytest.raises(ValueError, match="flite/rms"):
        voice_named("flite/nobody")


def test_every_reply_voice_has_a_teacher_of_that_role() -> None:
    teachers = {voice.voice for voice in REPLY_VOICES}
    assert teachers == {voice.name for voice in voices_for(Role.REPLY)}
    assert len({voice_named(teacher).speaker for teacher in teachers}) == len(REPLY_VOICES) >= 2


def test_draws_are_even_over_engines_and_over_the_voices_of_each() -> None:
    rng = np.random.default_rng(1)
    drawn = [draw_voice(voices_for(Role.HEAR_TRAIN), rng) for _ in range(900)]
    flite = Counter(voice.name for voice in drawn if voice.engine is Engine.FLITE)
    assert sum(flite.values()) == pytest.approx(450, abs=60)
    assert min(flite.values()) > 110
    assert len({voice.name for voice in drawn}) > 250
