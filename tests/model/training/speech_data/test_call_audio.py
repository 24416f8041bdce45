"""A script's turns sound as written, in one voice, and are shown second by second."""

from __future__ import annotations

from functools import cache
from typing import get_args

import numpy as np
import pytest

from model.training.domain.call_script import CallScript, CallTurn, compose_call
from model.training.domain.exchange import SoundKind, Split
from model.training.speech_data.augmentation import AugmentationRanges, Recipe
from model.training.speech_data.call_audio import (
    RAISED_PITCHES,
    RAISED_TRACT,
    RAISED_VOICES,
    Caller,
    draw_caller,
    requests_of,
    turn_timeline,
    turn_units,
)
from model.training.speech_data.clips import Clip
from model.training.speech_data.sounds import Sound
from model.training.speech_data.synthesis import SpeechRequest
from model.training.speech_data.voices import Role, voices_for
from tests.model.training.speech_data.toy_speech import toy_clip

pytestmark = pytest.mark.unit

CALLER = Caller("flite/rms", 1.0, 1.0, Recipe(), -70.0)


def speak(request: SpeechRequest) -> Clip:
    return toy_clip(0.8)


def rng(seed: int = 3) -> np.random.Generator:
    return np.random.default_rng(seed)


@cache
def scripts() -> list[CallScript]:
    return [compose_call(seed, Split.TRAIN) for seed in range(40)]


def turns() -> list[CallTurn]:
    return [turn for script in scripts() for turn in script.turns]


def test_every_sound_of_a_script_can_be_made() -> None:
    assert set(get_args(SoundKind)) == {sound.value for sound in Sound}


def test_spoken_turns_have_their_silences_around_the_words() -> None:
    spoken = [turn for turn in turns() if turn.spoken][:25]
    for turn in spoken:
        timeline, _ = turn_timeline(turn, CALLER, speak, rng())
        word = timeline.words[-1][0]
        before_s = len(turn.lead) + turn.silence_before_s + 0.1
        assert word.start_s == pytest.approx(before_s, abs=1e-3)
        after_s = timeline.duration_s - word.end_s
        assert after_s == pytest.approx(turn.silence_after_s + 0.1, abs=1e-3)


def test_scenes_come_with_their_seconds_and_the_last_one_stays() -> None:
    shown_turns = [turn for turn in turns() if turn.scene is not None][:25]
    for turn in shown_turns:
        units = turn_units(turn, CALLER, speak, rng())
        scenes = [unit.image for unit in units]
        lead = [second.scene for second in turn.lead]
        assert scenes[: len(lead)] == lead
        assert all(scene in (turn.scene, None) for scene in scenes[len(lead) :])
        assert turn.scene in scenes
        assert all(unit.samples.size for unit in units)


def test_typed_words_alone_have_no_unit() -> None:
    typed = [t for t in turns() if t.written and t.scene is None and not t.lead]
    assert typed
    assert turn_units(typed[0], CALLER, speak, rng()) == []


def test_a_caller_keeps_the_voice_and_every_request_is_announced() -> None:
    asked: list[SpeechRequest] = []

    def listen(request: SpeechRequest) -> Clip:
        asked.append(request)
        return toy_clip()

    caller = draw_caller(voices_for(Role.HEAR_TRAIN), AugmentationRanges(), rng())
    for script in scripts()[:10]:
        for turn in script.turns:
            turn_units(turn, caller, listen, rng())
    assert asked == [r for script in scripts()[:10] for r in requests_of(script, caller)]
    assert {request.voice for request in asked} == {caller.voice}


def test_noise_goes_on_through_the_whole_turn_at_the_callers_loudness() -> None:
    turn = next(turn for turn in turns() if turn.spoken)
    noisy = Caller("flite/rms", 1.0, 1.0, Recipe(noise_db=20.0, gain_db=-6.0), -90.0)
    timeline, _ = turn_timeline(turn, noisy, speak, rng())
    end = timeline.samples[-int(0.25 * 16_000) :]
    assert 20 * np.log10(np.std(end)) == pytest.approx(-20 - 6 - 20, abs=1.0)


def test_the_same_seeds_give_the_same_units() -> None:
    turn = next(turn for turn in turns() if turn.spoken and turn.lead)
    caller = draw_caller(voices_for(Role.HEAR_TRAIN), AugmentationRanges(), rng())
    first = turn_units(turn, caller, speak, rng())
    second = turn_units(turn, caller, speak, rng())
    for one, other in zip(first, second, strict=True):
        assert np.array_equal(one.samples, other.samples)


def test_some_men_who_can_speak_as_women_and_children_do() -> None:
    draw = rng()
    callers = [
        draw_caller(voices_for(Role.HEAR_TRAIN), AugmentationRanges(), draw) for _ in range(600)
    ]
    raised = [caller for caller in callers if caller.pitch in RAISED_PITCHES]
    able = [caller for caller in callers if caller.voice in RAISED_VOICES]
    assert {caller.voice for caller in raised} == RAISED_VOICES
    assert 0.25 < len(raised) / len(able) < 0.55
    for caller in raised:
        assert caller.recipe.pitch == 1.0, "the synthesizer has raised it already"
        assert RAISED_TRACT[0] <= caller.recipe.tract <= RAISED_TRACT[1]
