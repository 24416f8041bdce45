"""Under which conditions pocket is asked: typed or spoken, by whom, in what noise, about what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeVar

import numpy as np

from model.training.domain.call_script import Manner
from model.training.domain.evaluation_set import EvaluationCall, evaluation_calls
from model.training.domain.intent import Group
from model.training.speech_data.augmentation import Recipe
from model.training.speech_data.call_audio import HISS_DB, Caller, requests_of
from model.training.speech_data.synthesis import SpeechRequest
from model.training.speech_data.voices import Engine, Role, voice_named, voices_for
from server.errors import ConfigurationError

Item = TypeVar("Item")

ALL_GROUPS: tuple[Group, ...] = ("talk", "fact", "sum", "picture", "memory", "sound", "limits")
ESPEAK_SEEN = ("en-us+f2", "en-us+m3", "en+f4", "en-gb-x-rp+m1", "en-gb-scotland+m7", "en-us+klatt")
"""A handful of the hundreds of voices of one synthesizer, so that they do not crowd out the
recorded people."""
NOISE_DB = 20.0
"""Speech over noise."""
NOISE_EXPONENTS = (0.0, 1.0, 2.0)
"""White, pink, brown."""
SHIFTS = ((0.87, 1.0), (1.15, 1.0), (1.0, 0.87), (1.0, 1.15), (0.9, 0.9), (1.12, 1.12))
"""Tempo and pitch of a shifted voice."""


def _seen_voices() -> tuple[str, ...]:
    recorded = [v.name for v in voices_for(Role.HEAR_TRAIN) if v.engine is Engine.FLITE]
    made = [f"espeak/{name}" for name in ESPEAK_SEEN]
    return tuple(
        name
        for index, espeak in enumerate(made)
        for name in (recorded[index % len(recorded)], espeak)
    )


SEEN_VOICES = _seen_voices()
"""Recorded people and espeak-ng by turns."""
UNHEARD_VOICES = tuple(voice.name for voice in voices_for(Role.HEAR_EVAL))


@dataclass(frozen=True, slots=True)
class Condition:
    """One way of asking; every call of it has one scored question."""

    name: str
    """As in ``--conditions``."""
    title: str
    """As in tables."""
    groups: tuple[Group, ...]
    """What is asked about."""
    voices: tuple[str, ...] = ()
    """Who speaks, by turns; empty where questions are typed."""
    noise_db: float | None = None
    """Speech over noise; None: a quiet room."""
    shifts: tuple[tuple[float, float], ...] = ((1.0, 1.0),)
    """Tempo and pitch, by turns."""

    @property
    def manner(self) -> Manner:
        """How its questions are asked."""
        return "spoken" if self.voices else "typed"

    @property
    def engines(self) -> frozenset[Engine]:
        """Speech programs it needs."""
        return frozenset(voice_named(name).engine for name in self.voices)


_PLAIN: tuple[Group, ...] = ("talk", "fact", "sum", "sound")

CONDITIONS: Mapping[str, Condition] = MappingProxyType(
    {
        condition.name: condition
        for condition in (
            Condition("typed", "typed", _PLAIN),
            Condition("pictures", "about the picture, typed", ("picture",)),
            Condition("memory", "memory across units, typed", ("memory",)),
            Condition("outside", "outside the domain, typed", ("limits",)),
            Condition("seen", "spoken by seen voices", ALL_GROUPS, SEEN_VOICES),
            Condition("unheard", "spoken by unheard voices", ALL_GROUPS, UNHEARD_VOICES),
            Condition("noise", "seen voices, noise 20 dB", ALL_GROUPS, SEEN_VOICES, NOISE_DB),
            Condition(
                "shifted",
                "unheard voices, pitch and tempo shifted",
                ALL_GROUPS,
                UNHEARD_VOICES,
                shifts=SHIFTS,
            ),
        )
    }
)
"""All conditions by name. The four typed ones together ask every question once."""


@dataclass(frozen=True, slots=True)
class PlannedCall:
    """One call to place."""

    condition: Condition
    """Its row of the table."""
    call: EvaluationCall
    """What happens in it."""
    caller: Caller
    """Who calls; of a typed call only the microphone's noise matters."""
    seed: int
    """Of noise, sounds and random draws of the answer."""

    def requests(self) -> list[SpeechRequest]:
        """What has to be synthesised for it."""
        return requests_of(self.call.script, self.caller)


def conditions_named(text: str | None) -> list[Condition]:
    """Conditions of a list such as ``typed,seen``; all of them for None.

    Raises:
        ConfigurationError: A name is unknown.
    """
    if text is None:
        return list(CONDITIONS.values())
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in CONDITIONS]
    if unknown or not names:
        raise ConfigurationError(
            f"--conditions {text!r}: {unknown[0] if unknown else 'nothing'!r} is not a condition; "
            f"choose of {','.join(CONDITIONS)}"
        )
    return [CONDITIONS[name] for name in dict.fromkeys(names)]


def plan_calls(condition: Condition, per_intent: int, seed: int = 0) -> list[PlannedCall]:
    """All calls of a condition; a smaller plan asks the first questions of a larger one.

    Args:
        condition: How to ask.
        per_intent: Questions of each intent.
        seed: Of noise and of random draws; questions, pictures and voices do not depend on it.
    """
    calls = [
        call
        for call in evaluation_calls(per_intent, condition.manner)
        if call.group in condition.groups
    ]
    plan = []
    asked: Counter[str] = Counter()
    for call in calls:
        # Counted within an intent, so that every intent is asked by every voice.
        number = asked[call.scored.intent]
        asked[call.scored.intent] += 1
        call_seed = int(np.random.default_rng([seed, call.script.seed]).integers(1 << 48))
        plan.append(PlannedCall(condition, call, _caller(condition, number, call_seed), call_seed))
    return plan


def _caller(condition: Condition, number: int, seed: int) -> Caller:
    rng = np.random.default_rng([seed, 1])
    voice = _turn_of(condition.voices, number) if condition.voices else ""
    # One further after every round, so that in time every voice is shifted in every way.
    speed, pitch = _turn_of(condition.shifts, number + number // len(condition.shifts))
    exponent = float(rng.choice(NOISE_EXPONENTS))
    recipe = Recipe(speed=speed, pitch=pitch, noise_db=condition.noise_db, noise_exponent=exponent)
    return Caller(voice, 1.0, 1.0, recipe, float(rng.uniform(*HISS_DB)))


def _turn_of(items: Sequence[Item], number: int) -> Item:
    return items[number % len(items)]
