"""The evaluation's calls: every intent, held-out sentences, fixed seeds, one scored turn each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from model.training.domain.call_script import RECALL, CallScript, Manner, compose_call
from model.training.domain.domain import INTENTS
from model.training.domain.exchange import Exchange, Split
from model.training.domain.intent import Group, Intent
from model.training.domain.memory_questions import TALK_MEMORY

PER_INTENT = 12
"""Questions per intent: more than 500 in all."""
SHORT_PER_INTENT = 2
"""Of the short form that runs with the tests."""
TALKED_ABOUT = ("plus", "opposite", "day_after", "see_colour", "animal_sound", "see_shape")
"""What a call talks about before a question about the talk itself."""
OUTSIDE_FACTOR = 5
"""One intent stands for everything outside the domain; it is asked this many times as often."""
_MOST_EARLIER_TURNS = 3
_RECALL_SHOWING = ("see_colour", "see_shape", "see_place")


@dataclass(frozen=True, slots=True)
class EvaluationCall:
    """A call whose last turn is scored."""

    script: CallScript
    """What happens."""
    group: Group
    """The row of the table it counts for."""

    @property
    def scored(self) -> Exchange:
        """The question that counts."""
        return self.script.turns[-1].exchange


def evaluation_calls(
    per_intent: int = PER_INTENT, manner: Manner = "either"
) -> list[EvaluationCall]:
    """Calls over all intents and, across turns, about all that was shown.

    Args:
        per_intent: How many of each; a larger set begins with the smaller one's questions of
            every intent.
        manner: How all questions are asked; the questions are the same in every manner.
    """
    calls: list[EvaluationCall] = []
    for intent in INTENTS:
        factor = OUTSIDE_FACTOR if intent.group == "limits" else 1
        for index in range(per_intent * factor):
            seed = _seed(intent.name, index)
            plan = [*_earlier(intent, seed), intent.name]
            camera = intent.group == "picture" or any(name.startswith("see_") for name in plan)
            calls.append(_call(seed, plan, intent.group, camera or _shows(intent), manner))
    for index in range(per_intent):
        seed = _seed(RECALL, index)
        showing = Random(seed).choices(_RECALL_SHOWING, k=2 + index % 2)
        calls.append(_call(seed, [*showing, RECALL], "memory", True, manner))
    return calls


def _call(
    seed: int, plan: Sequence[str], group: Group, camera: bool, manner: Manner
) -> EvaluationCall:
    script = compose_call(seed, Split.EVAL, camera=camera, intents=plan, manner=manner)
    return EvaluationCall(script, group)


def _seed(name: str, index: int) -> int:
    return Random(f"evaluation {name} {index}").getrandbits(40)


def _shows(intent: Intent) -> bool:
    return intent.group == "memory" and intent not in TALK_MEMORY


def _earlier(intent: Intent, seed: int) -> list[str]:
    if intent not in TALK_MEMORY:
        return []
    rng = Random(f"earlier {seed}")
    return rng.choices(TALKED_ABOUT, k=rng.randint(1, _MOST_EARLIER_TURNS))
