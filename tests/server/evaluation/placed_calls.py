"""Calls that need no engine to have been held."""

from __future__ import annotations

from server.evaluation.conditions import CONDITIONS, PlannedCall, plan_calls
from server.evaluation.scoring import PlacedCall, ScoredTurn

WRONG = "that is certainly not right"


def planned(name: str = "typed", per_intent: int = 1) -> list[PlannedCall]:
    """Calls of a condition."""
    return plan_calls(CONDITIONS[name], per_intent)


def answered(
    call: PlannedCall, said: str | None = None, *, pcm: bytes = b"", voice: str = ""
) -> PlacedCall:
    """A call of which every turn is answered rightly, but for the last where ``said`` is given."""
    turns = [ScoredTurn(turn, turn.exchange.answer) for turn in call.call.script.turns]
    if said is not None:
        turns[-1] = ScoredTurn(turns[-1].turn, said)
    return PlacedCall(call, tuple(turns), pcm, voice)
