"""Finds out within seconds that a peer is gone, with any client.

aiortc notices after 30 s. Here, a peer that is silent gets a heartbeat of the data channel's own
protocol (SCTP, RFC 9260 section 8.3), which every implementation answers by itself: the dialect
has no word for it, and stock clients need none.
"""

from __future__ import annotations

import asyncio
import contextlib
from enum import Enum, auto

from aiortc import RTCSctpTransport
from aiortc.rtcsctptransport import HeartbeatChunk

from server.clock import Clock

POLL_S = 0.25
ASK_AFTER_S = 1.0
"""Silence after which a peer is asked whether it is there, with every poll."""
HEARTBEAT_INFO = 1
MAX_PACKETS_PER_S = 6000
"""About 60 Mbit/s: more than any camera sends."""


class PeerFate(Enum):
    """Why a peer is no longer listened to."""

    SILENT = auto()
    FLOODING = auto()


async def watch(sctp: RTCSctpTransport, clock: Clock, dead_peer_s: float) -> PeerFate:
    """Watch a connected peer until something is wrong with it. Cancelling is safe."""
    n_before = _packets_received(sctp)
    heard_at_s = polled_at_s = counted_at_s = clock.monotonic()
    n_counted = n_before
    while True:
        await asyncio.sleep(POLL_S)
        now_s = clock.monotonic()
        n_packets = _packets_received(sctp)
        if n_packets != n_before:
            heard_at_s = now_s
        elif now_s - polled_at_s > 4 * POLL_S:
            heard_at_s += now_s - polled_at_s  # it is this process that stood still
        n_before, polled_at_s = n_packets, now_s
        if now_s - counted_at_s >= 1.0:
            if n_packets - n_counted > MAX_PACKETS_PER_S * (now_s - counted_at_s):
                return PeerFate.FLOODING
            n_counted, counted_at_s = n_packets, now_s
        if sctp._advertised_rwnd < 0:  # it sends more than it was allowed, of a message without end
            return PeerFate.FLOODING
        silent_s = now_s - heard_at_s
        if silent_s >= dead_peer_s:
            return PeerFate.SILENT
        if silent_s >= ASK_AFTER_S:
            await _ask(sctp)


def _packets_received(sctp: RTCSctpTransport) -> int:
    transport = sctp.transport
    received: int = transport._get_stats()[transport._stats_id].packetsReceived
    return received


async def _ask(sctp: RTCSctpTransport) -> None:
    heartbeat = HeartbeatChunk()
    heartbeat.params = [(HEARTBEAT_INFO, b"alive?  ")]
    with contextlib.suppress(ConnectionError):
        await sctp._send_chunk(heartbeat)
