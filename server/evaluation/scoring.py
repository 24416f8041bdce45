"""Right and wrong answers, counted with their uncertainty."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from model.training.domain.call_script import CallTurn
from model.training.domain.exchange import is_right
from server.evaluation.conditions import PlannedCall

Z_95 = 1.959964
"""Standard deviations that hold 95 % of a normal distribution."""
PERCENT = 100.0


@dataclass(frozen=True, slots=True)
class Score:
    """How many of some answers are right."""

    n: int
    """Questions asked."""
    right: int
    """Right answers."""

    @property
    def percent(self) -> float | None:
        """Right answers in percent; None where nothing was asked."""
        return PERCENT * self.right / self.n if self.n else None

    @property
    def interval(self) -> tuple[float, float]:
        """Where the true share lies with 95 % confidence, in percent (Wilson's interval)."""
        if not self.n:
            return 0.0, PERCENT
        share, z2 = self.right / self.n, Z_95**2
        scale = 1.0 + z2 / self.n
        centre = (share + z2 / (2 * self.n)) / scale
        half = Z_95 / scale * math.sqrt(share * (1 - share) / self.n + z2 / (4 * self.n**2))
        # Exactly 0 and 100 at the ends, where rounding would leave a trace beyond them.
        low = 0.0 if self.right == 0 else centre - half
        high = 1.0 if self.right == self.n else centre + half
        return PERCENT * low, PERCENT * high

    def as_json(self) -> dict[str, Any]:
        """For the JSON file."""
        low, high = self.interval
        percent = self.percent
        return {
            "n": self.n,
            "right": self.right,
            "percent": None if percent is None else round(percent, 2),
            "low_95": round(low, 2),
            "high_95": round(high, 2),
        }


@dataclass(frozen=True, slots=True)
class ScoredTurn:
    """One turn of a call and what was answered."""

    turn: CallTurn
    """As scripted."""
    said: str
    """The text streamed."""

    @property
    def right(self) -> bool:
        """Whether it is one of the right answers."""
        return is_right(self.said, self.turn.exchange)

    @property
    def asked(self) -> str:
        """The question as it was put: as typed, as spoken, or the sound that was heard."""
        exchange = self.turn.exchange
        return self.turn.written or exchange.question or f"[{exchange.heard}]"


@dataclass(frozen=True, slots=True)
class PlacedCall:
    """A call that was held; its last turn counts."""

    planned: PlannedCall
    """What was to happen."""
    turns: tuple[ScoredTurn, ...]
    """What happened."""
    pcm: bytes = b""
    """The last answer's speech, 16-bit mono at 24 kHz; empty where it was text alone."""
    voice: str = ""
    """Whose reference audio the model was given; empty for none."""

    @property
    def scored(self) -> ScoredTurn:
        """The turn that counts."""
        return self.turns[-1]


def score_of(calls: Iterable[PlacedCall]) -> Score:
    """The score of some calls."""
    rights = [call.scored.right for call in calls]
    return Score(len(rights), sum(rights))


def scores_by(calls: Iterable[PlacedCall], key: Callable[[PlacedCall], str]) -> dict[str, Score]:
    """The scores of calls by what ``key`` says of them, in the order they come."""
    groups: dict[str, list[PlacedCall]] = {}
    for call in calls:
        groups.setdefault(key(call), []).append(call)
    return {name: score_of(members) for name, members in groups.items()}


def group_of(call: PlacedCall) -> str:
    """What a call's question is about."""
    return call.planned.call.group


def intent_of(call: PlacedCall) -> str:
    """Which intent a call asks."""
    return call.scored.turn.exchange.intent


def caller_of(call: PlacedCall) -> str:
    """Who asks in a call."""
    return call.planned.caller.voice


def wrong_answers(calls: Iterable[PlacedCall], limit: int) -> list[dict[str, str]]:
    """Some wrong answers, an intent's first one before any intent's second.

    Args:
        calls: In any order.
        limit: How many.
    """
    seen: dict[str, int] = {}
    ranked: list[tuple[int, int, dict[str, str]]] = []
    for place, call in enumerate(call for call in calls if not call.scored.right):
        exchange = call.scored.turn.exchange
        rank = seen.get(exchange.intent, 0)
        seen[exchange.intent] = rank + 1
        entry = {
            "intent": exchange.intent,
            "question": call.scored.asked,
            "expected": exchange.answers[0],
            "got": call.scored.said,
        }
        ranked.append((rank, place, entry))
    return [entry for _, _, entry in sorted(ranked, key=lambda item: item[:2])[:limit]]
