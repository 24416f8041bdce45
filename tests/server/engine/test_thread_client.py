"""The engine in a thread: one call end to end on the real clock, and its failures."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from server.engine.client import EngineStatus
from server.engine.interface import (
    AudioChunk,
    Close,
    ImageFrame,
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
    TextChunk,
    UnitPrefilled,
)
from server.engine.thread_client import ThreadEngineClient
from server.engine.worker import EngineWorker
from server.errors import EngineUnavailableError
from tests.fakes.stepped_engine import GREEDY
from tests.server.engine.conftest import tiny_config

pytestmark = pytest.mark.integration

PATIENCE_S = 60.0


async def hear(events: asyncio.Queue[SessionEvent], last: type) -> list[SessionEvent]:
    """Everything up to the first event of a kind."""
    heard: list[SessionEvent] = []
    async with asyncio.timeout(PATIENCE_S):
        while not heard or not isinstance(heard[-1], last):
            heard.append(await events.get())
    return heard


@pytest.mark.asyncio
async def test_one_call_from_units_to_speech() -> None:
    client = ThreadEngineClient(tiny_config())
    await client.start()
    assert client.info is not None and client.info.load_s > 0
    events: asyncio.Queue[SessionEvent] = asyncio.Queue()
    client.attach("a", events.put_nowait)
    client.submit(Open("a", SessionSpec(mode="omni")))
    frame = ImageFrame(320, 240, bytes(320 * 240 * 3))
    for index in range(3):
        client.submit(Prefill("a", InputUnit(index, bytes(32_000), frame)))
    client.submit(Respond("a", "r", ResponseSpec(max_output_tokens=20, sampling=GREEDY)))
    heard = await hear(events, ResponseDone)
    kinds = [type(event) for event in heard]
    assert kinds[:4] == [Opened, UnitPrefilled, UnitPrefilled, UnitPrefilled]
    assert kinds.index(TextChunk) < kinds.index(AudioChunk)
    done = heard[-1]
    assert isinstance(done, ResponseDone)
    assert done.status in (ResponseStatus.COMPLETED, ResponseStatus.INCOMPLETE)
    n_bytes = sum(len(event.pcm) for event in heard if isinstance(event, AudioChunk))
    assert n_bytes == done.usage.audio_tokens * 2 * 512 > 0
    timings = done.timings
    assert timings.ttft_s is not None and timings.ttfa_s is not None
    assert 0 < timings.ttft_s < timings.ttfa_s <= timings.total_s
    client.submit(Close("a"))
    await client.stop()
    assert client.status is EngineStatus.STOPPED
    with pytest.raises(EngineUnavailableError):
        client.submit(Close("a"))


@pytest.mark.asyncio
async def test_an_engine_thread_that_breaks_is_replaced() -> None:
    workers: list[EngineWorker] = []

    def build(*args: Any) -> EngineWorker:
        from server.engine.worker import load_worker

        workers.append(load_worker(*args))
        return workers[-1]

    client = ThreadEngineClient(tiny_config(), build_worker=build)
    await client.start()
    events: asyncio.Queue[SessionEvent] = asyncio.Queue()
    ready_again = asyncio.Event()
    client.attach("a", events.put_nowait)
    client.on_status(lambda status: status is EngineStatus.READY and ready_again.set())

    def break_down() -> bool:
        raise MemoryError("no more")

    workers[0].tick = break_down  # type: ignore[method-assign]
    client.submit(Open("a", SessionSpec()))
    (lost,) = await hear(events, SessionLost)
    assert lost == SessionLost("a", "MemoryError: no more")
    async with asyncio.timeout(PATIENCE_S):
        await ready_again.wait()
    client.submit(Open("a", SessionSpec()))
    (opened,) = await hear(events, Opened)
    assert isinstance(opened, Opened)
    await client.stop()


@pytest.mark.asyncio
async def test_a_worker_that_cannot_be_built_is_a_clear_error() -> None:
    def build(*_args: Any) -> EngineWorker:
        raise FileNotFoundError("no such checkpoint")

    client = ThreadEngineClient(tiny_config(), build_worker=build)
    with pytest.raises(EngineUnavailableError, match="no such checkpoint"):
        await client.start()
    await client.stop()


@pytest.mark.asyncio
async def test_stopping_before_the_worker_is_there_ends_it_at_once() -> None:
    import threading

    building, may_go_on = threading.Event(), threading.Event()

    def build(*args: Any) -> EngineWorker:
        from server.engine.worker import load_worker

        building.set()
        may_go_on.wait()
        return load_worker(*args)

    client = ThreadEngineClient(tiny_config(), build_worker=build)
    async with asyncio.TaskGroup() as tasks:
        starting = tasks.create_task(_fails_to_start(client))
        await asyncio.to_thread(building.wait)
        stopping = tasks.create_task(client.stop())
        await asyncio.sleep(0)
        may_go_on.set()
        await stopping
        await starting
    assert client.status is EngineStatus.STOPPED


async def _fails_to_start(client: ThreadEngineClient) -> None:
    with pytest.raises(EngineUnavailableError):
        await client.start()
