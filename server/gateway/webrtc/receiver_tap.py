"""Takes packets out of aiortc where its own jitter buffers would hold them.

aiortc's audio jitter buffer stays 300 ms late after a single loss, and its video is decoded whether
anybody looks or not. Everything else of its receiver is kept: statistics for the sender's
congestion control, requests for lost packets, retransmissions.

This is the one place that reaches into aiortc's private parts; its test notices when they move.
"""

from __future__ import annotations

from typing import Protocol

from aiortc import RTCRtpReceiver
from aiortc.rtcrtpparameters import RTCRtpReceiveParameters
from aiortc.rtp import RtpPacket

JITTER_BUFFER = "_RTCRtpReceiver__jitter_buffer"


class PacketSink(Protocol):
    """Stands where the jitter buffer was."""

    def add(self, packet: RtpPacket) -> tuple[bool, None]:
        """Take a packet, whose ``_data`` is without the codec's packet header.

        Returns:
            Whether to ask the sender for a picture that stands alone; and never a frame.
        """
        ...


class _TappedReceiver(RTCRtpReceiver):
    """aiortc's receiver without its decoder thread."""

    async def receive(self, parameters: RTCRtpReceiveParameters) -> None:
        await super().receive(parameters)
        self._handle_disconnect()  # what aiortc does at the end of a track: it stops the decoder


def tap(receiver: RTCRtpReceiver, sink: PacketSink) -> None:
    """Let every packet of a receiver that has not begun to receive go to ``sink``."""
    if not hasattr(receiver, JITTER_BUFFER):
        raise RuntimeError("this version of aiortc has no jitter buffer to replace")
    receiver.__class__ = _TappedReceiver
    setattr(receiver, JITTER_BUFFER, sink)
