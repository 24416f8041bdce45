"""A call through :class:`RealtimeConnection` without a transport."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from server.clock import Clock
from server.config import Config
from server.gateway.realtime_connection import GatewayContext, RealtimeConnection
from server.gateway.session_settings import default_settings, session_options
from server.metrics import Metrics
from server.protocol.codec import encode_server_event
from server.protocol.server_events import ServerEvent
from server.session.events import SessionEnded
from server.session.session import Session
from server.session.session_manager import SessionManager
from tests.fakes.fake_engine import FakeEngine
from tests.fakes.fake_voice_activity import LoudnessVoiceActivity
from tests.server.protocol.openai_dialect import check_server_event
from tests.virtual_time import LoopClock

RATE_HZ = 24_000
FRAME_S = 0.02
LOUD, QUIET = 8000, 0
EXTENSION_EVENTS = ("unit.prefilled", "response.timings")


def sound(length_s: float, amplitude: int = LOUD, rate_hz: int = RATE_HZ) -> bytes:
    """A constant: speech for the fake detector when loud, silence when quiet."""
    return np.full(round(length_s * rate_hz), amplitude, dtype="<i2").tobytes()


def base64_of(content: bytes) -> str:
    """Text of bytes on the wire."""
    return base64.b64encode(content).decode()


@dataclass
class WireCall:
    """One connection; every event that comes out is checked against the stock client's types."""

    connection: RealtimeConnection
    session: Session
    engine: FakeEngine
    metrics: Metrics
    events: list[dict[str, Any]]
    came: asyncio.Event
    ended: SessionEnded | None = None

    async def send(self, name: str, **fields: Any) -> None:
        """One client event."""
        await self.connection.receive(json.dumps({"type": name, **fields}))

    async def update(self, **fields: Any) -> None:
        """A session.update."""
        await self.send("session.update", session={"type": "realtime", **fields})

    async def speak(self, length_s: float, amplitude: int = LOUD) -> None:
        """Microphone audio at real-time pace."""
        for _ in range(round(length_s / FRAME_S)):
            await self.send("input_audio_buffer.append", audio=base64_of(sound(FRAME_S, amplitude)))
            await asyncio.sleep(FRAME_S)

    async def until(self, name: str, count: int = 1) -> dict[str, Any]:
        """The ``count``-th event of this name, waited for."""
        async with asyncio.timeout(60):
            while len(self.all(name)) < count:
                self.came.clear()
                await self.came.wait()
        return self.all(name)[count - 1]

    def all(self, name: str) -> list[dict[str, Any]]:
        """Every event of this name so far."""
        return [event for event in self.events if event["type"] == name]

    def names(self) -> list[str]:
        """Names so far, runs of one name as one."""
        names: list[str] = []
        for event in self.events:
            if not names or names[-1] != event["type"]:
                names.append(event["type"])
        return names

    def last_error(self) -> dict[str, Any]:
        """What the last error event says."""
        error: dict[str, Any] = self.all("error")[-1]["error"]
        return error


@asynccontextmanager
async def wire_call(
    engine: FakeEngine | None = None,
    config: Config | None = None,
    clock: Clock | None = None,
    *,
    speaks_the_dialect: bool = True,
) -> AsyncIterator[WireCall]:
    """A call that was greeted; its session ends with the block.

    Args:
        engine: What answers.
        config: The server's settings.
        clock: Wall time; the loop's own by default.
        speaks_the_dialect: False: the client asks for what the stock client's types do not know.
    """
    config = config or Config()
    clock = clock or LoopClock()
    engine = engine or FakeEngine()
    metrics = Metrics()
    events: list[dict[str, Any]] = []
    came = asyncio.Event()

    def take(event: ServerEvent) -> None:
        text = encode_server_event(event, f"event_{len(events)}")
        is_checked = speaks_the_dialect and event.type not in EXTENSION_EVENTS
        events.append(check_server_event(text) if is_checked else json.loads(text))
        came.set()

    async with SessionManager(config, engine, clock, LoudnessVoiceActivity) as manager:
        settings = default_settings(config, "fake")
        session = manager.admit(session_options(settings, config))
        context = GatewayContext(config, clock, metrics)
        connection = RealtimeConnection(session, settings, ["fake", "omnicall"], context, take)
        call = WireCall(connection, session, engine, metrics, events, came)
        connection.greet()

        async def run() -> None:
            call.ended = await connection.run()

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(run())
            yield call
            session.close("closed", "the test is over")
