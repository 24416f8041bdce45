"""Who speaks: every voice, its engine, its person, and what it may be used for.

The person counts, not the voice: ``slt`` (flite and festival) and ``ked`` (festival) are the
unheard voices of the evaluation and never train hearing, whatever engine speaks for them. They may
answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

import numpy as np


class Role(Enum):
    """What a voice is used for."""

    HEAR_TRAIN = "hear_train"
    """Questions the model learns to understand."""
    HEAR_EVAL = "hear_eval"
    """Questions of the evaluation, by people never heard in training."""
    REPLY = "reply"
    """The model's own voices."""


class Engine(Enum):
    """A program that speaks."""

    FLITE = "flite"
    ESPEAK = "espeak"
    FESTIVAL = "festival"


@dataclass(frozen=True, slots=True)
class Voice:
    """One voice of one engine."""

    name: str
    """``engine/voice``, unique."""
    engine: Engine
    """The program."""
    engine_voice: str
    """The program's own name of it."""
    speaker: str
    """The person behind the voice; two voices of one person are never on both sides of a split."""
    roles: frozenset[Role]
    """What it is used for."""


UNHEARD_SPEAKERS = frozenset({"slt", "ked"})
"""People whose speech never trains hearing."""

ESPEAK_ACCENTS = (
    "en-us",
    "en",
    "en-gb-scotland",
    "en-gb-x-rp",
    "en-gb-x-gbclan",
    "en-gb-x-gbcwmd",
    "en-us-nyc",
    "en-029",
)
"""America, Great Britain, Scotland, Received Pronunciation, Lancaster, West Midlands, New York and
the Caribbean."""

# fmt: off
ESPEAK_VARIANTS = (
    "f1", "f2", "f3", "f4", "f5", "m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8",
    "klatt", "klatt2", "klatt3", "klatt4", "klatt5", "klatt6",
    "Alex", "Alicia", "Andrea", "Andy", "Annie", "Denis", "Diogo", "Gene", "Gene2", "Henrique",
    "Hugo", "Jacky", "Lee", "Marco", "Mario", "Michael", "Mike", "Nguyen",
    "adam", "anika", "antonio", "aunty", "belinda", "benjamin", "boris", "caleb", "david", "ed",
    "edward", "edward2", "grandma", "grandpa", "iven", "iven2", "iven3", "iven4", "john", "linda",
    "marcelo", "max", "michel", "miguel", "norbert", "pablo", "paul", "pedro", "quincy", "rob",
    "robert", "sandro", "shelby", "steph", "steph2", "steph3", "travis", "victor", "zac",
)
# fmt: on
"""Variants that sound like people; robots, whispers and effects are left out."""


def _espeak_voices() -> list[Voice]:
    heard = frozenset({Role.HEAR_TRAIN})
    return [
        Voice(f"espeak/{accent}+{variant}", Engine.ESPEAK, f"{accent}+{variant}", variant, heard)
        for accent in ESPEAK_ACCENTS
        for variant in ESPEAK_VARIANTS
    ]


def _voice(engine: Engine, engine_voice: str, name: str, speaker: str, *roles: Role) -> Voice:
    return Voice(f"{engine.value}/{name}", engine, engine_voice, speaker, frozenset(roles))


VOICES = MappingProxyType(
    {
        voice.name: voice
        for voice in (
            _voice(Engine.FLITE, "rms", "rms", "rms", Role.HEAR_TRAIN, Role.REPLY),
            _voice(Engine.FLITE, "awb", "awb", "awb", Role.HEAR_TRAIN),
            _voice(Engine.FLITE, "kal16", "kal16", "kal", Role.HEAR_TRAIN),
            _voice(Engine.FLITE, "slt", "slt", "slt", Role.HEAR_EVAL),
            _voice(
                Engine.FESTIVAL,
                "cmu_us_slt_arctic_hts",
                "slt_hts",
                "slt",
                Role.HEAR_EVAL,
                Role.REPLY,
            ),
            _voice(Engine.FESTIVAL, "ked_diphone", "ked", "ked", Role.HEAR_EVAL),
            *_espeak_voices(),
        )
    }
)
"""All voices by name."""


def voices_for(role: Role) -> tuple[Voice, ...]:
    """The voices of a role, in a fixed order."""
    return tuple(voice for voice in VOICES.values() if role in voice.roles)


def voice_named(name: str) -> Voice:
    """Look up a voice.

    Raises:
        ValueError: There is none of that name.
    """
    if name not in VOICES:
        raise ValueError(f"no voice is called {name!r}; flite/rms and espeak/en-us+f2 are examples")
    return VOICES[name]


def draw_voice(voices: Sequence[Voice], rng: np.random.Generator) -> Voice:
    """Draw a voice: every engine is equally likely, then every voice of it.

    espeak-ng has hundreds of voices that are one synthesizer; they are not to crowd out the few
    recorded people.
    """
    engines = list(dict.fromkeys(voice.engine for voice in voices))
    engine = engines[int(rng.integers(len(engines)))]
    choice = [voice for voice in voices if voice.engine is engine]
    return choice[int(rng.integers(len(choice)))]
