"""The engine's answer, end to end: generate → first audio, and the real-time factor."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from model.config import SAMPLES_PER_UNIT
from server.cli.bench_measure import FRAME_SHAPE, MS_PER_S, NOISE_AMPLITUDE
from server.config import Config
from server.engine.client import EngineClient
from server.engine.interface import (
    CommandRejected,
    ImageFrame,
    InputUnit,
    Open,
    Opened,
    Prefill,
    Respond,
    ResponseDone,
    ResponseSpec,
    Rewind,
    Rewound,
    SamplingSpec,
    SessionEvent,
    SessionLost,
    SessionSpec,
    UnitPrefilled,
)
from server.engine.thread_client import ThreadEngineClient
from server.errors import EngineError

AnyEvent = TypeVar("AnyEvent", bound=SessionEvent)

SESSION = "bench"
ANSWER_TOKENS = 64
"""Long enough for about ten seconds of speech."""


@dataclass(slots=True)
class AnswerTimes:
    """Repeated answers at one fill of the context."""

    first_audio_ms: list[float] = field(default_factory=list)
    """Respond to the first samples."""
    rtf: list[float] = field(default_factory=list)
    """Time of the whole answer over the length of its speech."""
    audio_s: list[float] = field(default_factory=list)


class AnswerBench:
    """One session of a running engine, asked again and again."""

    def __init__(self, engine: EngineClient) -> None:
        self._engine = engine
        self._events: asyncio.Queue[SessionEvent] = asyncio.Queue()
        self._units = 0
        self._mark = 0

    async def open(self) -> None:
        """Open the session."""
        self._engine.attach(SESSION, self._events.put_nowait)
        self._engine.submit(Open(SESSION, SessionSpec()))
        self._mark = (await self._expect(Opened)).mark

    async def fill_to(self, units: int) -> None:
        """Prefill video units until the context holds ``units``."""
        generator = np.random.default_rng(0)
        height, width, _ = FRAME_SHAPE
        pixels = generator.integers(0, 256, FRAME_SHAPE, dtype=np.uint8).tobytes()
        noise = generator.normal(0, NOISE_AMPLITUDE, SAMPLES_PER_UNIT).astype("<i2").tobytes()
        while self._units < units:
            unit = InputUnit(self._units, noise, ImageFrame(width, height, pixels))
            self._engine.submit(Prefill(SESSION, unit))
            self._mark = (await self._expect(UnitPrefilled)).mark
            self._units += 1

    async def answer(self, repeats: int) -> AnswerTimes:
        """Answer ``repeats`` times from the same moment, after once that does not count."""
        times = AnswerTimes()
        spec = ResponseSpec(max_output_tokens=ANSWER_TOKENS, sampling=SamplingSpec(seed=1))
        for run in range(repeats + 1):
            self._engine.submit(Respond(SESSION, f"answer-{self._units}-{run}", spec))
            done = await self._expect(ResponseDone)
            timings = done.timings
            if run and timings.ttfa_s is not None and timings.rtf is not None:
                times.first_audio_ms.append(timings.ttfa_s * MS_PER_S)
                times.rtf.append(timings.rtf)
                times.audio_s.append(timings.audio_s)
            self._engine.submit(Rewind(SESSION, self._mark))
            await self._expect(Rewound)
        return times

    async def _expect(self, kind: type[AnyEvent]) -> AnyEvent:
        """The next event of a kind; chunks in between are passed over.

        Raises:
            EngineError: The engine rejected the command or lost the session.
        """
        while True:
            event = await self._events.get()
            if isinstance(event, kind):
                return event
            if isinstance(event, CommandRejected):
                raise EngineError(f"{event.command} was rejected: {event.message}")
            if isinstance(event, SessionLost):
                raise EngineError(f"the engine lost the session: {event.reason}")


@asynccontextmanager
async def running_engine(config: Config) -> AsyncIterator[EngineClient]:
    """An engine in a thread of this process, stopped at the end."""
    engine = ThreadEngineClient(config)
    try:
        await engine.start()
        yield engine
    finally:
        await engine.stop()
