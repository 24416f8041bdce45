"""A call placed with a session in virtual time: speaks, is silent, and notes what it is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from server.config import Config
from server.session.events import SessionOutput
from server.session.options import SessionOptions, TurnOptions
from server.session.session import Session
from server.session.session_manager import SessionManager
from tests.fakes.fake_engine import FakeEngine
from tests.fakes.fake_voice_activity import LoudnessVoiceActivity
from tests.virtual_time import LoopClock

T = TypeVar("T")

LOUD = 8_000
FRAME_S = 0.02
SETTLE_S = 1e-4


def tone(seconds: float, amplitude: int = LOUD, rate_hz: int = 16_000) -> bytes:
    """A square wave of ``amplitude`` (0: silence), 16-bit mono."""
    samples = np.full(round(seconds * rate_hz), amplitude, dtype="<i2")
    samples[::2] *= -1
    return samples.tobytes()


def config_with(**sections: dict[str, Any]) -> Config:
    """The default settings with some changed: ``config_with(session={"max_sessions": 1})``."""
    return Config.model_validate(sections)


def manual(**options: Any) -> SessionOptions:
    """Options of a client that commits turns itself."""
    return SessionOptions(turn_detection=None, **options)


def detected(mode: str = "audio", **turn_options: Any) -> SessionOptions:
    """Options with turn detection."""
    return SessionOptions(mode=mode, turn_detection=TurnOptions(**turn_options))  # type: ignore[arg-type]


@dataclass(slots=True)
class Told:
    """An output and when it was taken."""

    output: SessionOutput
    at_s: float


@dataclass(slots=True)
class ScriptedCall:
    """One caller."""

    session: Session
    engine: FakeEngine
    told: list[Told] = field(default_factory=list)
    _more: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def outputs(self) -> list[SessionOutput]:
        """Everything told so far."""
        return [told.output for told in self.told]

    def all_of(self, kind: type[T]) -> list[T]:
        """Everything told of one kind."""
        return [output for output in self.outputs if isinstance(output, kind)]

    def one(self, kind: type[T]) -> T:
        """The only thing told of one kind."""
        (only,) = self.all_of(kind)
        return only

    def names(self, *left_out: type) -> list[str]:
        """Kinds of everything told, in order, but for some."""
        return [
            type(output).__name__ for output in self.outputs if not isinstance(output, left_out)
        ]

    def when(self, kind: type) -> list[float]:
        """When each output of a kind was taken."""
        return [told.at_s for told in self.told if isinstance(told.output, kind)]

    async def say(self, seconds: float, amplitude: int = LOUD, frame_s: float = FRAME_S) -> None:
        """Speak at real-time pace, in frames of ``frame_s``."""
        for _ in range(round(seconds / frame_s)):
            await asyncio.sleep(frame_s)
            self.session.append_audio(tone(frame_s, amplitude), 16_000)
        await self.settle()

    async def be_silent(self, seconds: float) -> None:
        """Send silence at real-time pace."""
        await self.say(seconds, amplitude=0)

    async def ask(self, seconds: float = 1.0) -> str:
        """Speak, commit and ask for a response; returns its id."""
        await self.say(seconds)
        self.session.commit()
        return self.session.respond()

    async def settle(self) -> None:
        """Let everything happen that is due now."""
        await asyncio.sleep(SETTLE_S)

    async def listen(self) -> None:
        """Note outputs until the session is over."""
        async for output in self.session.outputs():
            self.told.append(Told(output, asyncio.get_running_loop().time()))
            self._more.set()

    async def until(self, kind: type[T], n: int = 1, timeout_s: float = 60.0) -> T:
        """Wait for the ``n``-th output of a kind."""
        async with asyncio.timeout(timeout_s):
            while len(self.all_of(kind)) < n:
                self._more.clear()
                await self._more.wait()
        return self.all_of(kind)[n - 1]


@asynccontextmanager
async def calls_to(
    engine: FakeEngine, *options: SessionOptions, config: Config | None = None, reads: bool = True
) -> AsyncIterator[list[ScriptedCall]]:
    """Callers with these options at one server, which is shut down afterwards."""
    manager = SessionManager(config or Config(), engine, LoopClock(), LoudnessVoiceActivity)
    async with asyncio.TaskGroup() as listeners, manager:
        calls = [ScriptedCall(manager.admit(wanted), engine) for wanted in options]
        if reads:
            for call in calls:
                listeners.create_task(call.listen(), name=f"listener of {call.session.id}")
        yield calls
        for call in calls:
            call.session.close("closed", "the test is over")


@asynccontextmanager
async def call_to(
    engine: FakeEngine, options: SessionOptions, config: Config | None = None, reads: bool = True
) -> AsyncIterator[ScriptedCall]:
    """One caller, see :func:`calls_to`."""
    async with calls_to(engine, options, config=config, reads=reads) as (call,):
        yield call
