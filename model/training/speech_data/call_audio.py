"""Gives the script of a call its sound: one caller, one microphone, turns cut into units."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from model.training.domain.call_script import CallScript, CallTurn
from model.training.scenes.scene import Scene
from model.training.speech_data.augmentation import (
    SPEECH_RMS,
    AugmentationRanges,
    Recipe,
    apply_recipe,
    coloured_noise,
    draw_recipe,
)
from model.training.speech_data.clips import Clip
from model.training.speech_data.sounds import Sound
from model.training.speech_data.synthesis import SpeechRequest
from model.training.speech_data.timeline import MODEL_HZ, Placement, Timeline, place, sound_clip
from model.training.speech_data.units import HeardUnit, Shown
from model.training.speech_data.voices import Voice, draw_voice

RATES = (0.85, 1.0, 1.0, 1.15)
"""Tempos asked of the synthesizer; few, so that clips are found in the cache again."""
PITCHES = (0.88, 1.0, 1.0, 1.12)
"""Heights asked of the synthesizer."""
RAISED_VOICES = frozenset({"flite/awb", "flite/kal16"})
"""Men whose programs speak as high as asked. All recorded people that training hears are men; what
a woman or a child sounds like, it knows from them alone and from the formant synthesizer."""
RAISED_SHARE = 0.4
"""Share of their callers that speak as a woman or a child does."""
RAISED_PITCHES = (1.4, 1.6, 1.8)
"""Heights asked of the synthesizer for them."""
RAISED_TRACT = (1.02, 1.25)
"""Their formant frequencies."""
HISS_DB = (-78.0, -58.0)
"""Noise of a microphone in a quiet room, in dB of full scale."""
KEPT_EDGE_S = 0.15
"""Silence of the synthesizer that is kept around an utterance, for the room to ring in."""
TYPING_S = 1.0
"""What the camera and the microphone pick up while the user types."""
SECOND_S = 1.0
CAMERA_DELAY_S = 0.4
"""A second's picture comes this much after it began."""


@dataclass(frozen=True, slots=True)
class Caller:
    """One person on one microphone in one room, the same through a call."""

    voice: str
    """Name of the voice."""
    rate: float
    """Tempo asked of the synthesizer."""
    pitch: float
    """Height asked of the synthesizer."""
    recipe: Recipe
    """What is done to every utterance; its noise goes on through the whole turn."""
    hiss_db: float
    """Noise of the microphone, in dB of full scale."""


def draw_caller(
    voices: Sequence[Voice], ranges: AugmentationRanges, rng: np.random.Generator
) -> Caller:
    """Draw who calls."""
    caller = Caller(
        voice=draw_voice(voices, rng).name,
        rate=float(rng.choice(RATES)),
        pitch=float(rng.choice(PITCHES)),
        recipe=draw_recipe(ranges, rng),
        hiss_db=float(rng.uniform(*HISS_DB)),
    )
    raised = rng.uniform() < RAISED_SHARE and caller.voice in RAISED_VOICES
    pitch = float(rng.choice(RAISED_PITCHES))
    if not raised:
        return caller
    return replace(caller, pitch=pitch, recipe=recipe_at(pitch, caller.recipe, rng))


def recipe_at(pitch: float, recipe: Recipe, rng: np.random.Generator) -> Recipe:
    """What is done to the speech of a synthesizer that was asked for a height: the same, unless it
    has raised a man's voice to a woman's or a child's, whose vocal tract is shorter."""
    if pitch not in RAISED_PITCHES:
        return recipe
    return replace(recipe, pitch=1.0, tract=float(np.exp(rng.uniform(*np.log(RAISED_TRACT)))))


def requests_of(script: CallScript, caller: Caller) -> list[SpeechRequest]:
    """What the caller says in a call; to fill a cache with before the calls are made."""
    return [_request(turn, caller) for turn in script.turns if turn.spoken]


def turn_timeline(
    turn: CallTurn,
    caller: Caller,
    speak: Callable[[SpeechRequest], Clip],
    rng: np.random.Generator,
) -> tuple[Timeline, list[Shown[Scene]]]:
    """What is heard and shown in one turn before its answer.

    Args:
        turn: Its lead of scenes and sounds, then the question, spoken or typed.
        caller: Who speaks.
        speak: Makes a clip, such as ``partial(clips.speak, synthesizer=…)`` of a cache.
        rng: Makes sounds, noise and rooms.

    Returns:
        The sound, of no length where there is none, and the pictures with their times.
    """
    shown: list[Shown[Scene]] = []
    placements: list[Placement] = []
    for index, second in enumerate(turn.lead):
        if second.sound is not None:
            clip = sound_clip(Sound(second.sound), SECOND_S, rng)
            placements.append(Placement(index * SECOND_S, clip))
        if second.scene is not None:
            shown.append(Shown(index * SECOND_S + CAMERA_DELAY_S, second.scene))
    end_s = len(turn.lead) * SECOND_S
    question_s = end_s
    if turn.spoken:
        clip = _uttered(speak(_request(turn, caller)), caller, rng)
        placements.append(Placement(end_s + turn.silence_before_s, clip))
        end_s += turn.silence_before_s + clip.duration_s + turn.silence_after_s
    elif turn.scene is not None:
        end_s += TYPING_S
    if turn.scene is not None:
        at_s = question_s + CAMERA_DELAY_S
        while at_s < end_s:
            shown.append(Shown(at_s, turn.scene))
            at_s += SECOND_S
    return place(placements, end_s, _background(end_s, caller, rng)), shown


def turn_units(
    turn: CallTurn,
    caller: Caller,
    speak: Callable[[SpeechRequest], Clip],
    rng: np.random.Generator,
) -> list[HeardUnit[Scene]]:
    """The units of one turn, as :func:`turn_timeline` lays it out; none where words are typed and
    nothing is heard or shown."""
    timeline, shown = turn_timeline(turn, caller, speak, rng)
    return timeline.units(shown)


def _request(turn: CallTurn, caller: Caller) -> SpeechRequest:
    return SpeechRequest(caller.voice, turn.spoken, caller.rate, caller.pitch)


def _uttered(clip: Clip, caller: Caller, rng: np.random.Generator) -> Clip:
    """The clip as it reaches the microphone, without the noise that is there anyway."""
    recipe = replace(caller.recipe, noise_db=None)
    return apply_recipe(clip.at_rate(MODEL_HZ).without_edges(KEPT_EDGE_S), recipe, rng)


def _background(duration_s: float, caller: Caller, rng: np.random.Generator) -> np.ndarray:
    n_samples = round(duration_s * MODEL_HZ)
    hiss = coloured_noise(n_samples, 0.5, rng) * 10.0 ** (caller.hiss_db / 20.0)
    recipe = caller.recipe
    if recipe.noise_db is None:
        return hiss
    level = SPEECH_RMS * 10.0 ** ((recipe.gain_db - recipe.noise_db) / 20.0)
    return hiss + coloured_noise(n_samples, recipe.noise_exponent, rng) * level
