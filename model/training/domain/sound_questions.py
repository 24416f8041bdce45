"""Sounds that are not speech: heard alone, or asked about."""

from __future__ import annotations

from random import Random

from model.training.domain.exchange import SOUNDS, Exchange, History, SoundKind, answered
from model.training.domain.intent import Intent
from model.training.domain.phrasings import Phrasings

SOUND_NOUNS: dict[SoundKind, str] = {"beep": "a beep", "knock": "a knock", "tone": "music"}
_MANY = 1 << 30

_ASK = "[please|now|can you|could you] tell me"

SOUND_ALONE = Phrasings("")
WHAT_SOUND = Phrasings(
    "[and|so|now|okay|pocket] what (did|do|can) you hear [please]",
    "(what|which) sound (was|is) (that|this|it) [please]",
    "what was (that sound|this sound|the sound) [please]",
    f"{_ASK} what you (hear|heard) [please]",
    f"{_ASK} (what|which) sound (it|that) was",
    "did you hear (that|it|the sound|a sound|something) [please]",
    "do you (know|hear) (what|which) sound that (is|was)",
    "(what|which) sound did you hear",
)


def _alone(rng: Random, history: History) -> Exchange:
    kind = rng.choice(SOUNDS)
    answers = (
        ("I hear nothing.", "I did not hear anything.")
        if kind == "silence"
        else (f"I hear {SOUND_NOUNS[kind]}.", f"That was {SOUND_NOUNS[kind]}.")
    )
    return answered(
        rng,
        "",
        answers,
        intent="sound_alone",
        topic="sounds",
        heard=kind,
        # There is no sentence to hold out; each drawing of the sound goes to one side.
        split_key=f"{kind} {rng.randrange(_MANY)}",
        is_question=False,
    )


def _what_sound(rng: Random, history: History) -> Exchange:
    kind = rng.choice(SOUNDS)
    answers = (
        ("I heard nothing.", "Nothing.", "There was no sound.")
        if kind == "silence"
        else (
            f"I heard {SOUND_NOUNS[kind]}.",
            f"{SOUND_NOUNS[kind].capitalize()}.",
            f"It was {SOUND_NOUNS[kind]}.",
        )
    )
    return answered(
        rng, WHAT_SOUND.draw(rng), answers, intent="what_sound", topic="sounds", heard=kind
    )


SOUND_INTENTS = (
    Intent("sound_alone", "sound", SOUND_ALONE, _alone),
    Intent("what_sound", "sound", WHAT_SOUND, _what_sound),
)
