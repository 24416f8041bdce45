from __future__ import annotations

import asyncio
import threading

import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCRtpReceiver
from aiortc.rtp import RtpPacket

from server.gateway.webrtc.receiver_tap import JITTER_BUFFER, tap
from tests.fakes.webrtc_caller import Microphone, loopback_offered

pytestmark = pytest.mark.integration


class Sink:
    """Keeps what comes."""

    def __init__(self) -> None:
        self.packets: list[RtpPacket] = []
        self.came = asyncio.Event()

    def add(self, packet: RtpPacket) -> tuple[bool, None]:
        self.packets.append(packet)
        self.came.set()
        return False, None


def test_packets_go_to_the_sink_and_no_decoder_runs() -> None:
    async def listen() -> None:
        caller = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        listener = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        caller.addTrack(Microphone())
        sink = Sink()
        try:
            with loopback_offered():
                await caller.setLocalDescription()
                await listener.setRemoteDescription(caller.localDescription)
                receiver = listener.getReceivers()[0]
                tap(receiver, sink)
                await listener.setLocalDescription()
                await caller.setRemoteDescription(listener.localDescription)
            async with asyncio.timeout(20):
                while len(sink.packets) < 10:
                    sink.came.clear()
                    await sink.came.wait()
            assert sink.packets[0]._data == sink.packets[0].payload  # type: ignore[attr-defined]
            stats = await receiver.getStats()
            inbound = [s for s in stats.values() if s.type == "inbound-rtp"]
            assert inbound[0].packetsReceived >= 10, "statistics are still kept"
            # The caller's own receiver is aiortc's: one decoder at most.
            names = [thread.name for thread in threading.enumerate()]
            assert names.count("audio-decoder") <= 1
        finally:
            await caller.close()
            await listener.close()

    asyncio.run(listen())


def test_an_aiortc_without_the_buffer_is_noticed() -> None:
    class Moved(RTCRtpReceiver):
        def __init__(self) -> None:
            pass

    assert JITTER_BUFFER.startswith("_RTCRtpReceiver")
    with pytest.raises(RuntimeError, match="no jitter buffer"):
        tap(Moved(), Sink())
