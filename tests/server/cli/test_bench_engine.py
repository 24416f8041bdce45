"""The bench of whole answers, on the tiny golden checkpoint."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from server.cli.bench_engine import SESSION, AnswerBench, AnswerTimes, running_engine
from server.config import Config, load_config
from server.engine.client import EngineStatus
from server.engine.interface import (
    CommandRejected,
    Open,
    Prefill,
    Respond,
    Rewind,
    SessionEvent,
    SessionLost,
)
from server.errors import EngineError

pytestmark = pytest.mark.integration

GOLDEN = Path(__file__).parents[2] / "golden"


def config() -> Config:
    return load_config(
        overrides={
            "checkpoint": {"path": str(GOLDEN), "dtype": "float32"},
            "engine": {"placement": "thread", "speech_lead_s": 1000.0},
            "session": {"max_sessions": 1},
        },
        environment={},
    )


class Recorder:
    """Passes commands on to a real engine and remembers them."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self.commands: list[Any] = []

    def attach(self, session_id: str, sink: Any) -> None:
        self._engine.attach(session_id, sink)

    def submit(self, command: Any) -> None:
        self.commands.append(command)
        self._engine.submit(command)

    def of(self, kind: type) -> list[Any]:
        return [command for command in self.commands if isinstance(command, kind)]


def test_answers_are_timed_from_the_same_moment_each_time() -> None:
    async def hold() -> tuple[AnswerTimes, AnswerTimes, Recorder]:
        async with asyncio.timeout(60), running_engine(config()) as engine:
            recorder = Recorder(engine)
            bench = AnswerBench(recorder)  # type: ignore[arg-type]
            await bench.open()
            first = await bench.answer(2)
            await bench.fill_to(1)
            await bench.fill_to(1)
            return first, await bench.answer(1), recorder

    first, second, recorder = asyncio.run(hold())
    for times, repeats in ((first, 2), (second, 1)):
        for values in (times.first_audio_ms, times.rtf, times.audio_s):
            assert len(values) == repeats
            assert min(values) > 0
    assert len(set(first.audio_s)) == 1, "the same seed at the same moment: the same answer"
    assert len(recorder.of(Open)) == 1
    assert len(recorder.of(Prefill)) == 1, "what is there already is not filled again"
    responses = [command.response_id for command in recorder.of(Respond)]
    assert len(responses) == 3 + 2, "each time the first answer does not count"
    assert len(set(responses)) == len(responses)
    marks = [command.mark for command in recorder.of(Rewind)]
    assert marks[:3] == [marks[0]] * 3 and marks[3:] == [marks[3]] * 2
    assert marks[0] != marks[3]


def test_the_engine_is_stopped_when_the_bench_breaks_off() -> None:
    async def hold() -> EngineStatus:
        with pytest.raises(ZeroDivisionError):
            async with asyncio.timeout(60), running_engine(config()) as engine:
                assert engine.status is EngineStatus.READY
                raise ZeroDivisionError
        return engine.status

    assert asyncio.run(hold()) is EngineStatus.STOPPED


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (CommandRejected(SESSION, "Open", "full", "no row is free"), "Open was rejected"),
        (SessionLost(SESSION, "out of memory"), "lost the session: out of memory"),
    ],
)
def test_an_engine_that_refuses_ends_the_bench(event: SessionEvent, said: str) -> None:
    class Refusing:
        def attach(self, session_id: str, sink: Any) -> None:
            self.sink = sink

        def submit(self, command: Any) -> None:
            self.sink(event)

    async def hold() -> None:
        async with asyncio.timeout(10):
            await AnswerBench(Refusing()).open()  # type: ignore[arg-type]

    with pytest.raises(EngineError, match=said):
        asyncio.run(hold())
