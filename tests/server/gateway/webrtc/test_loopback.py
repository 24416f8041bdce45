from __future__ import annotations

import asyncio

import pytest
from aiortc import RTCIceGatherer

from server.gateway.webrtc.loopback import LOOPBACK, offer_loopback

pytestmark = pytest.mark.integration


async def gathered(*, with_loopback: bool) -> list[str]:
    gatherer = RTCIceGatherer(iceServers=[])
    if with_loopback:
        offer_loopback(gatherer)
    await gatherer.gather()
    try:
        return [candidate.ip for candidate in gatherer.getLocalCandidates()]
    finally:
        await gatherer._connection.close()


def test_loopback_is_offered_once_and_only_when_asked_for() -> None:
    assert LOOPBACK not in asyncio.run(gathered(with_loopback=False))
    addresses = asyncio.run(gathered(with_loopback=True))
    assert addresses.count(LOOPBACK) == 1
    assert len(addresses) == len(set(addresses))
