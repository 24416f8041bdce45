from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiortc.rtcsctptransport import HeartbeatChunk

from server.gateway.webrtc.liveness import MAX_PACKETS_PER_S, POLL_S, PeerFate, watch
from tests.virtual_time import LoopClock, virtual_time

pytestmark = pytest.mark.unit

DEAD_S = 4.5


class FakeSctp:
    """A data channel's transport whose peer answers heartbeats, or not."""

    def __init__(self, *, answers: bool) -> None:
        self.answers = answers
        self.n_received = 0
        self.n_asked = 0
        self._advertised_rwnd = 1024
        self.transport = SimpleNamespace(_stats_id="t", _get_stats=self._stats)

    def _stats(self) -> dict[str, Any]:
        return {"t": SimpleNamespace(packetsReceived=self.n_received)}

    async def _send_chunk(self, chunk: HeartbeatChunk) -> None:
        assert isinstance(chunk, HeartbeatChunk)
        assert bytes(chunk)
        self.n_asked += 1
        self.n_received += self.answers


async def watched(sctp: FakeSctp, timeout_s: float = 60.0) -> tuple[PeerFate | None, float]:
    """What becomes of a peer, and when; None when nothing does."""
    loop = asyncio.get_running_loop()
    started_at_s = loop.time()
    try:
        async with asyncio.timeout(timeout_s):
            fate = await watch(cast("Any", sctp), LoopClock(), DEAD_S)
    except TimeoutError:
        return None, loop.time() - started_at_s
    return fate, loop.time() - started_at_s


@virtual_time
async def test_a_silent_peer_is_asked_and_given_up_within_five_seconds() -> None:
    sctp = FakeSctp(answers=False)
    fate, after_s = await watched(sctp)
    assert fate is PeerFate.SILENT
    assert DEAD_S <= after_s <= 5.0
    assert sctp.n_asked >= 3


@virtual_time
async def test_a_peer_that_answers_heartbeats_is_there() -> None:
    sctp = FakeSctp(answers=True)
    assert (await watched(sctp))[0] is None
    assert 20 <= sctp.n_asked <= 70


@virtual_time
async def test_a_peer_that_sends_is_not_asked() -> None:
    sctp = FakeSctp(answers=False)

    async def talk() -> None:
        while True:
            await asyncio.sleep(0.1)
            sctp.n_received += 1

    async with asyncio.TaskGroup() as tasks:
        talking = tasks.create_task(talk())
        assert (await watched(sctp))[0] is None
        talking.cancel()
    assert sctp.n_asked == 0


@virtual_time
async def test_a_pause_of_three_seconds_is_survived() -> None:
    sctp = FakeSctp(answers=False)
    async with asyncio.TaskGroup() as tasks:
        watching = tasks.create_task(watched(sctp, 7.0))
        for _ in range(2):
            await asyncio.sleep(3.0)
            sctp.n_received += 1
    assert watching.result()[0] is None


@virtual_time
async def test_more_packets_than_any_camera_sends_are_a_flood() -> None:
    sctp = FakeSctp(answers=True)

    async def flood() -> None:
        while True:
            await asyncio.sleep(0.01)
            sctp.n_received += MAX_PACKETS_PER_S // 50

    async with asyncio.TaskGroup() as tasks:
        flooding = tasks.create_task(flood())
        fate, after_s = await watched(sctp)
        flooding.cancel()
    assert fate is PeerFate.FLOODING
    assert after_s < 1.5


@virtual_time
async def test_a_message_without_end_is_a_flood() -> None:
    sctp = FakeSctp(answers=True)
    sctp._advertised_rwnd = -1
    assert await watched(sctp) == (PeerFate.FLOODING, POLL_S)
