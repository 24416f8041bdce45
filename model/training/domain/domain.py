"""The whole domain: every intent, how often each is drawn, and its words."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from model.training.domain.arithmetic import SUMS
from model.training.domain.exchange import Exchange, Split, normal
from model.training.domain.facts import FACTS
from model.training.domain.intent import Group, Intent
from model.training.domain.limits import LIMITS
from model.training.domain.memory_questions import SHOWN_MEMORY, TALK_MEMORY
from model.training.domain.picture_questions import PICTURE
from model.training.domain.sound_questions import SOUND_INTENTS
from model.training.domain.talk import TALK

INTENTS: tuple[Intent, ...] = (
    *TALK,
    *FACTS,
    *SUMS,
    *PICTURE,
    *SHOWN_MEMORY,
    *TALK_MEMORY,
    *SOUND_INTENTS,
    *LIMITS,
)
GROUP_WEIGHTS: dict[Group, float] = {
    "talk": 0.14,
    "fact": 0.17,
    "sum": 0.11,
    "picture": 0.26,
    "memory": 0.18,
    "sound": 0.04,
    "limits": 0.10,
}
"""How often a drawn exchange is of each group; within a group all intents are equally likely."""


class UnknownIntentError(KeyError):
    """No intent has that name."""


def intent_named(name: str) -> Intent:
    """The intent called ``name``.

    Raises:
        UnknownIntentError: There is none.
    """
    for intent in INTENTS:
        if intent.name == name:
            return intent
    raise UnknownIntentError(f"no intent {name!r}; there are {[i.name for i in INTENTS]}")


def draw_intent(rng: Random) -> Intent:
    """An intent, by ``GROUP_WEIGHTS``."""
    groups = list(GROUP_WEIGHTS)
    group = rng.choices(groups, [GROUP_WEIGHTS[name] for name in groups])[0]
    return rng.choice([intent for intent in INTENTS if intent.group == group])


def draw_exchanges(seed: int, split: Split, per_intent: int) -> Iterator[Exchange]:
    """``per_intent`` exchanges of every intent, each as if it were the first of its call."""
    for intent in INTENTS:
        rng = Random(f"{seed} {split.value} {intent.name}")
        for _ in range(per_intent):
            yield intent.draw(rng, split)


def vocabulary(split: Split, per_intent: int = 400, *, outside: bool = False) -> set[str]:
    """Words of questions and answers as a drawing of the domain meets them.

    Args:
        split: Whose sentences.
        per_intent: How many exchanges of each intent are looked at.
        outside: Whether questions outside the domain count; their words are open-ended.
    """
    words: set[str] = set()
    for exchange in draw_exchanges(0, split, per_intent):
        if outside or exchange.intent != "outside":
            words.update(exchange.question.split())
        for answer in exchange.answers:
            words.update(normal(answer).split())
    return words
