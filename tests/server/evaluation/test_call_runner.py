"""Calls held with the real engine on the tiny golden checkpoint."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from server.engine.client import EngineClient
from server.engine.interface import TextMessage
from server.errors import EngineError
from server.evaluation import call_runner
from server.evaluation.call_runner import (
    OWN_VOICE,
    CallRunner,
    CallStyle,
    VoiceReference,
    evaluation_config,
    running_engine,
)
from server.evaluation.conditions import PlannedCall
from server.evaluation.scoring import PlacedCall
from tests.server.evaluation.placed_calls import planned

pytestmark = pytest.mark.integration

GOLDEN = Path(__file__).parents[2] / "golden"
BUZZ = VoiceReference("buzz", b"\0\x10\0\xf0" * 8000)


@pytest.fixture(autouse=True)
def short_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call_runner, "ANSWER_TOKENS", 4)


def held(plan: list[PlannedCall], n_sessions: int, style: CallStyle) -> list[PlacedCall]:
    async def hold() -> list[PlacedCall]:
        async with (
            asyncio.timeout(120),
            running_engine(evaluation_config(GOLDEN, n_sessions, threads=1)) as (engine, info),
        ):
            assert info.n_rows == n_sessions
            return await CallRunner(engine, n_sessions, style=style).hold_all(plan)

    return asyncio.run(hold())


def test_calls_are_held_to_their_end_the_same_however_many_at_a_time() -> None:
    talk = [c for c in planned("memory") if c.call.scored.intent in ("first_question", "slower")]
    plan = [planned("typed")[0], planned("pictures")[0], *talk]
    assert any(len(call.call.script.turns) > 1 for call in plan)
    one = held(plan, 1, CallStyle())
    three = held(plan, 3, CallStyle())
    assert [[turn.said for turn in call.turns] for call in one] == [
        [turn.said for turn in call.turns] for call in three
    ]
    assert any(turn.said for call in one for turn in call.turns)
    for call, placed in zip(plan, one, strict=True):
        assert placed.planned is call
        assert [turn.turn for turn in placed.turns] == list(call.call.script.turns)
        assert placed.pcm == b"" and placed.voice == ""


def test_scored_answers_are_spoken_where_that_is_wanted_by_voices_in_turns() -> None:
    plan = planned("typed")[:2]
    first, second = held(plan, 1, CallStyle((OWN_VOICE, BUZZ), spoken_replies=True))
    assert (first.voice, second.voice) == ("", "buzz")
    assert first.pcm and second.pcm


def test_progress_is_told_after_every_call() -> None:
    told: list[int] = []

    async def hold() -> None:
        async with running_engine(evaluation_config(GOLDEN, 2, threads=1)) as (engine, _):
            await CallRunner(engine, 2).hold_all(planned("typed")[:3], told.append)
            assert await CallRunner(engine, 2).hold_all([]) == []

    asyncio.run(hold())
    assert told == [1, 2, 3]


def test_one_call_that_cannot_be_held_ends_all_with_its_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The engine refuses an empty message."""
    monkeypatch.setattr(
        call_runner.CallMaterial, "turn", lambda self, index: [TextMessage("user", "")]
    )

    async def hold() -> None:
        async with running_engine(evaluation_config(GOLDEN, 2, threads=1)) as (engine, _):
            await _refused(engine)

    async def _refused(engine: EngineClient) -> None:
        with pytest.raises(EngineError, match="neither text nor pictures"):
            await CallRunner(engine, 2).hold_all(planned("typed")[:3])

    asyncio.run(hold())


def test_the_environment_does_not_change_an_evaluation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMNICALL_SESSION__MAX_SESSIONS", "1")
    config = evaluation_config(GOLDEN, 7)
    assert config.session.max_sessions == 7
