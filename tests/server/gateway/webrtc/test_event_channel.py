from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest

from server.gateway.outbox import SlowClientError
from server.gateway.webrtc.event_channel import (
    HIGH_WATER_BYTES,
    MAX_BYTES_PER_S,
    MAX_MESSAGES_PER_S,
    MAX_WAITING_MESSAGES,
    EventChannel,
)
from tests.virtual_time import LoopClock, virtual_time

pytestmark = pytest.mark.unit


class FakeDataChannel:
    """The surface of aiortc's data channel that is used."""

    def __init__(self) -> None:
        self.bufferedAmount = 0
        self.bufferedAmountLowThreshold = 0
        self.readyState = "open"
        self.sent: list[str] = []
        self.handlers: dict[str, Callable[..., Any]] = {}

    def on(self, name: str, handler: Callable[..., Any]) -> None:
        self.handlers[name] = handler

    def send(self, text: str) -> None:
        self.sent.append(text)
        self.bufferedAmount += len(text)

    def drain(self) -> None:
        """The peer takes everything."""
        self.bufferedAmount = 0
        self.handlers["bufferedamountlow"]()


class Ends:
    """Counts what is reported."""

    def __init__(self) -> None:
        self.n_floods = 0
        self.n_closed = 0

    def flood(self) -> None:
        self.n_floods += 1

    def close(self) -> None:
        self.n_closed += 1


def opened() -> tuple[EventChannel, FakeDataChannel, Ends]:
    fake, ends = FakeDataChannel(), Ends()
    channel = EventChannel(cast("Any", fake), LoopClock(), ends.flood, ends.close)
    return channel, fake, ends


@virtual_time
async def test_messages_come_out_in_order_and_wake_the_reader() -> None:
    channel, fake, ends = opened()
    take = fake.handlers["message"]
    take("a")
    take(b"b")
    assert [await channel.receive(), await channel.receive()] == ["a", b"b"]
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(channel.receive())
        await asyncio.sleep(1)
        take("c")
    assert waiting.result() == "c"
    assert ends.n_floods == 0


@virtual_time
async def test_messages_nobody_can_act_on_in_time_are_a_flood() -> None:
    channel, fake, ends = opened()
    for index in range(MAX_WAITING_MESSAGES):
        fake.handlers["message"](f"{index}")
    assert ends.n_floods == 0
    fake.handlers["message"]("one more")
    assert ends.n_floods == 1
    assert await channel.receive() == "0"


@virtual_time
@pytest.mark.parametrize(
    ("message", "count"),
    [("x", MAX_MESSAGES_PER_S), (b"x" * (MAX_BYTES_PER_S // 8), 8)],
    ids=["number", "bytes"],
)
async def test_more_than_a_client_has_reason_to_send_is_a_flood(
    message: str | bytes, count: int
) -> None:
    channel, fake, ends = opened()
    for _ in range(count):
        fake.handlers["message"](message)
        await channel.receive()
    assert ends.n_floods == 0
    fake.handlers["message"](message)
    assert ends.n_floods == 1


@virtual_time
async def test_an_event_waits_for_room_but_not_for_ever() -> None:
    channel, fake, _ = opened()
    large = "x" * (HIGH_WATER_BYTES + 1)
    await channel.send(large, 5.0)
    with pytest.raises(SlowClientError, match="5 s"):
        await channel.send("waits", 5.0)
    async with asyncio.TaskGroup() as tasks:
        sending = tasks.create_task(channel.send("waits", 5.0))
        await asyncio.sleep(4)
        fake.drain()
        await sending
    assert fake.sent == [large, "waits"]


@virtual_time
async def test_a_closed_channel_takes_nothing() -> None:
    channel, fake, ends = opened()
    fake.readyState = "closed"
    fake.handlers["close"]()
    assert ends.n_closed == 1
    with pytest.raises(ConnectionError):
        await channel.send("late", 1.0)


@virtual_time
async def test_flushing_waits_until_everything_was_taken_or_too_long() -> None:
    channel, fake, _ = opened()
    await channel.flush(1.0)
    await channel.send("x", 1.0)
    loop = asyncio.get_running_loop()
    before_s = loop.time()
    await channel.flush(1.0)
    assert loop.time() - before_s == pytest.approx(1.0)
    async with asyncio.TaskGroup() as tasks:
        flushing = tasks.create_task(channel.flush(60.0))
        await asyncio.sleep(2)
        fake.drain()
        await flushing
    assert loop.time() - before_s == pytest.approx(3.0)
