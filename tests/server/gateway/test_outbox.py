from __future__ import annotations

import asyncio

import pytest

from server.gateway.outbox import Outbox, SlowClientError
from server.protocol.server_events import InputAudioBufferCleared, OutputAudioBufferStarted
from tests.virtual_time import virtual_time

pytestmark = pytest.mark.unit


def event(name: str) -> OutputAudioBufferStarted:
    return OutputAudioBufferStarted(response_id=name)


@virtual_time
async def test_events_come_out_in_order_and_none_after_the_end() -> None:
    outbox = Outbox(8)
    outbox.put(event("a"))
    outbox.put(event("b"))
    outbox.close()
    outbox.put(event("c"))
    outbox.put_first(event("d"))
    assert [await outbox.get() for _ in range(3)] == [event("a"), event("b"), None]


@virtual_time
async def test_a_greeting_goes_before_what_waits() -> None:
    outbox = Outbox(8)
    outbox.put(event("missed"))
    outbox.put_first(InputAudioBufferCleared())
    assert [await outbox.get(), await outbox.get()] == [InputAudioBufferCleared(), event("missed")]


@virtual_time
async def test_a_reader_is_woken_by_an_event_and_by_the_end() -> None:
    outbox = Outbox(8)
    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(outbox.get())
        await asyncio.sleep(1)
        outbox.put(event("a"))
        await first
        last = tasks.create_task(outbox.get())
        await asyncio.sleep(1)
        outbox.close()
    assert (first.result(), last.result()) == (event("a"), None)


def test_more_than_fits_gives_the_client_up() -> None:
    outbox = Outbox(2)
    outbox.put(event("a"))
    outbox.put(event("b"))
    with pytest.raises(SlowClientError, match="2 events wait"):
        outbox.put(event("c"))
