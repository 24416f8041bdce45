"""Supervision: status, sinks, deaths and restarts, with lives that a test scripts."""

from __future__ import annotations

import asyncio
import queue
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from server.config import Config, EngineConfig
from server.engine import client as client_module
from server.engine.client import EngineStatus, SupervisedEngineClient
from server.engine.interface import (
    Close,
    Command,
    EngineEvent,
    EngineFailed,
    EngineInfo,
    EngineReady,
    SessionEvent,
    SessionLost,
    WasReset,
)
from server.errors import EngineUnavailableError

ROOT = Path(__file__).parents[3]

pytestmark = pytest.mark.integration

INFO = EngineInfo("fake", True, "cpu", "float32", 4, 8192, 1, 0.1)
END = "end"


class ScriptedClient(SupervisedEngineClient):
    """An engine whose lives deliver what the test puts into ``script``.

    ``END`` ends a life; any other text is an error that does.
    """

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.script: queue.Queue[EngineEvent | str] = queue.Queue()
        self.sent: list[Command] = []
        self.lives = 0
        self.life_began = threading.Event()

    def _live(self) -> str:
        self.lives += 1
        self.life_began.set()
        while (event := self.script.get()) != END:
            if isinstance(event, str):
                raise OSError(event)
            self._deliver(event)
        return f"life {self.lives} ended"

    def _request_stop(self) -> None:
        self.script.put(END)

    def _send(self, command: Command) -> None:
        self.sent.append(command)


@pytest.fixture(autouse=True)
def _no_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "RESTART_DELAY_S", 0.0)


def config(restart_limit: int = 5) -> Config:
    """Settings that allow so many restarts."""
    return Config(engine=EngineConfig(restart_limit=restart_limit))


async def reached(client: SupervisedEngineClient, status: EngineStatus) -> None:
    """Wait for a status, at most 10 s."""
    changed = asyncio.Event()
    client.on_status(lambda _: changed.set())
    async with asyncio.timeout(10):
        while client.status is not status:
            changed.clear()
            await changed.wait()


async def started(client: ScriptedClient) -> ScriptedClient:
    """The client, ready."""
    client.script.put(EngineReady(INFO))
    await client.start()
    return client


@pytest.mark.asyncio
async def test_start_waits_until_the_engine_is_ready() -> None:
    client = ScriptedClient(config())
    assert client.status is EngineStatus.STARTING and client.info is None
    with pytest.raises(EngineUnavailableError):
        client.submit(Close("a"))
    await started(client)
    assert client.status is EngineStatus.READY and client.info == INFO
    client.submit(Close("a"))
    assert client.sent == [Close("a")]
    await client.stop()
    assert client.status is EngineStatus.STOPPED


@pytest.mark.asyncio
async def test_an_engine_that_cannot_start_is_not_tried_again() -> None:
    client = ScriptedClient(config())
    client.script.put(EngineFailed("no checkpoint"))
    client.script.put(END)
    with pytest.raises(EngineUnavailableError, match="life 1 ended"):
        await client.start()
    assert client.status is EngineStatus.FAILED and client.lives == 1
    await client.stop()
    assert client.status is EngineStatus.FAILED


@pytest.mark.asyncio
async def test_events_reach_the_sink_of_their_session_only_while_it_is_attached() -> None:
    client = await started(ScriptedClient(config()))
    events: asyncio.Queue[SessionEvent] = asyncio.Queue()
    client.attach("a", events.put_nowait)
    client.script.put(WasReset("b", 1))
    client.script.put(WasReset("a", 2))
    assert await asyncio.wait_for(events.get(), 10) == WasReset("a", 2)
    client.detach("a")
    client.detach("a")
    client.script.put(WasReset("a", 3))
    await client.stop()
    assert events.empty()


@pytest.mark.asyncio
async def test_a_death_loses_every_attached_session_and_another_engine_follows() -> None:
    client = await started(ScriptedClient(config()))
    events: list[SessionEvent | EngineStatus] = []
    client.on_status(events.append)
    client.attach("a", events.append)
    client.attach("b", events.append)
    client.script.put(END)
    await reached(client, EngineStatus.RESTARTING)
    client.script.put(EngineReady(INFO))
    await reached(client, EngineStatus.READY)
    assert events == [
        EngineStatus.RESTARTING,
        SessionLost("a", "life 1 ended"),
        SessionLost("b", "life 1 ended"),
        EngineStatus.READY,
    ]
    await client.stop()


@pytest.mark.asyncio
async def test_an_error_of_the_placement_itself_is_a_death_like_any_other() -> None:
    client = await started(ScriptedClient(config()))
    client.script.put("no process could be spawned")
    await reached(client, EngineStatus.RESTARTING)
    client.script.put(EngineReady(INFO))
    await reached(client, EngineStatus.READY)
    await client.stop()


@pytest.mark.asyncio
async def test_too_many_deaths_are_final() -> None:
    client = await started(ScriptedClient(config(restart_limit=2)))
    lost: list[SessionEvent] = []
    client.attach("a", lost.append)
    for _ in range(3):
        client.script.put(END)
    await reached(client, EngineStatus.FAILED)
    assert client.lives == 3
    assert len(lost) == 3
    with pytest.raises(EngineUnavailableError):
        client.submit(Close("a"))
    await client.stop()


@pytest.mark.asyncio
async def test_stopping_while_it_loads_ends_the_wait_for_it() -> None:
    client = ScriptedClient(config())
    async with asyncio.TaskGroup() as tasks:
        starting = tasks.create_task(_start_expecting_failure(client))
        await asyncio.to_thread(client.life_began.wait)
        await client.stop()
        await client.stop()
        await starting
    assert client.status is EngineStatus.STOPPED


async def _start_expecting_failure(client: ScriptedClient) -> None:
    with pytest.raises(EngineUnavailableError):
        await client.start()


def test_the_client_side_of_the_engine_does_not_import_torch() -> None:
    code = (
        "import sys, server.engine.process_client, server.engine.thread_client;"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
