"""The engine in its own process: start, death, restart and an orderly end."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from server.config import CheckpointConfig, Config, EngineConfig
from server.engine import process_client
from server.engine.client import EngineStatus
from server.engine.interface import (
    Close,
    InputUnit,
    Open,
    Opened,
    Prefill,
    Respond,
    ResponseDone,
    ResponseSpec,
    ResponseStatus,
    SessionEvent,
    SessionLost,
    SessionSpec,
    UnitPrefilled,
)
from server.engine.process_client import ProcessEngineClient
from server.errors import EngineBusyError, EngineUnavailableError
from tests.fakes.stepped_engine import GREEDY
from tests.server.engine.conftest import tiny_config

ROOT = Path(__file__).parents[3]

pytestmark = [pytest.mark.integration, pytest.mark.asyncio(loop_scope="module")]

SPEC = SessionSpec(mode="audio")
PATIENCE_S = 60.0


class Ear:
    """A session's sink that can be waited for."""

    def __init__(self) -> None:
        self.heard: list[SessionEvent] = []
        self._changed = asyncio.Event()

    def __call__(self, event: SessionEvent) -> None:
        self.heard.append(event)
        self._changed.set()

    async def hears(self, kind: type[SessionEvent], within_s: float = PATIENCE_S) -> SessionEvent:
        """The first event of a kind."""
        async with asyncio.timeout(within_s):
            while True:
                for event in self.heard:
                    if isinstance(event, kind):
                        return event
                    assert not isinstance(event, SessionLost), event
                self._changed.clear()
                await self._changed.wait()


async def until(client: ProcessEngineClient, met: Callable[[], bool]) -> None:
    """Wait until something is true, looked at whenever the status changes."""
    changed = asyncio.Event()
    client.on_status(lambda _: changed.set())
    async with asyncio.timeout(PATIENCE_S):
        while not met():
            changed.clear()
            await changed.wait()


async def converse(client: ProcessEngineClient, session_id: str) -> Ear:
    """Open a session, give it a unit and let it answer."""
    ear = Ear()
    client.attach(session_id, ear)
    client.submit(Open(session_id, SPEC))
    client.submit(Prefill(session_id, InputUnit(0, bytes(32_000))))
    client.submit(
        Respond(session_id, "r", ResponseSpec(audio=False, max_output_tokens=4, sampling=GREEDY))
    )
    await ear.hears(ResponseDone)
    return ear


async def test_a_killed_engine_is_seen_within_a_second_and_replaced() -> None:
    client = ProcessEngineClient(tiny_config())
    await client.start()
    assert client.info is not None and client.info.n_rows == 2
    ear = await converse(client, "a")
    assert [type(event) for event in ear.heard[:2]] == [Opened, UnitPrefilled]
    first_pid = client.pid
    assert first_pid is not None and first_pid != os.getpid()

    statuses: list[EngineStatus] = []
    client.on_status(statuses.append)
    os.kill(first_pid, signal.SIGKILL)
    lost = await ear.hears(SessionLost, within_s=1.0)
    assert isinstance(lost, SessionLost) and "signal 9" in lost.reason
    assert statuses == [EngineStatus.RESTARTING]
    with pytest.raises(EngineUnavailableError):
        client.submit(Close("a"))

    await until(client, lambda: client.status is EngineStatus.READY)
    assert client.pid != first_pid
    second = await converse(client, "b")
    assert isinstance(second.heard[0], Opened)

    last_pid = client.pid
    await client.stop()
    assert client.status is EngineStatus.STOPPED and client.pid is None
    assert last_pid is not None and not psutil.pid_exists(last_pid)


async def test_a_checkpoint_that_cannot_be_loaded_is_a_clear_error() -> None:
    config = Config(checkpoint=CheckpointConfig(path="/nonexistent"))
    client = ProcessEngineClient(config)
    with pytest.raises(EngineUnavailableError, match="not a folder"):
        await client.start()
    assert client.status is EngineStatus.FAILED
    await client.stop()


async def test_an_engine_that_loads_for_too_long_is_given_up() -> None:
    client = ProcessEngineClient(tiny_config(engine=EngineConfig(start_timeout_s=0.05)))
    with pytest.raises(EngineUnavailableError, match="not ready after"):
        await client.start()
    await client.stop()


async def test_an_engine_can_be_stopped_while_it_loads() -> None:
    client = ProcessEngineClient(tiny_config())
    async with asyncio.TaskGroup() as tasks:
        starting = tasks.create_task(_fails_to_start(client))
        async with asyncio.timeout(PATIENCE_S):
            while client.pid is None:  # noqa: ASYNC110 (a spawn has no event)
                await asyncio.sleep(0.005)
        pid = client.pid
        await client.stop()
        await starting
    assert not psutil.pid_exists(pid)


async def _fails_to_start(client: ProcessEngineClient) -> None:
    with pytest.raises(EngineUnavailableError):
        await client.start()


async def test_a_stopped_process_that_hangs_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_client, "STOP_GRACE_S", 0.1)
    client = ProcessEngineClient(tiny_config())
    await client.start()
    pid = client.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    await client.stop()
    assert not psutil.pid_exists(pid)


async def test_a_full_queue_refuses_commands_instead_of_waiting() -> None:
    client = ProcessEngineClient(tiny_config(engine=EngineConfig(max_pending_commands=16)))
    await client.start()
    pid = client.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    big = Prefill("a", InputUnit(0, bytes(32_000)))
    with pytest.raises(EngineBusyError):
        for _ in range(1000):
            client.submit(big)
    os.kill(pid, signal.SIGKILL)
    await until(client, lambda: client.status is EngineStatus.RESTARTING)
    await client.stop()


async def test_the_engine_ends_with_its_parent() -> None:
    parent = (
        "import asyncio, os, signal, sys\n"
        "from server.engine.process_client import ProcessEngineClient\n"
        "from tests.server.engine.conftest import tiny_config\n"
        "async def main():\n"
        "    client = ProcessEngineClient(tiny_config())\n"
        "    await client.start()\n"
        "    print(client.pid, flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "if __name__ == '__main__':\n"
        "    asyncio.run(main())\n"
    )
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", parent],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    pid = int(done.stdout)
    deadline_s = time.monotonic() + 10
    while _is_alive(pid):
        assert time.monotonic() < deadline_s, "the engine outlives its parent"
        await asyncio.sleep(0.02)


def _is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def test_a_response_is_spoken_across_the_process_border() -> None:
    client = ProcessEngineClient(tiny_config())
    await client.start()
    ear = Ear()
    client.attach("a", ear)
    client.submit(Open("a", SPEC))
    client.submit(Prefill("a", InputUnit(0, bytes(32_000))))
    client.submit(Respond("a", "r", ResponseSpec(max_output_tokens=12, sampling=GREEDY)))
    done = await ear.hears(ResponseDone)
    assert isinstance(done, ResponseDone)
    assert done.status in (ResponseStatus.COMPLETED, ResponseStatus.INCOMPLETE)
    await client.stop()
