"""The model's voice as a track: 20 ms of Opus every 20 ms, for as long as the call lasts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from fractions import Fraction
from typing import Any

from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError
from av import Packet

from server.clock import Clock
from server.media.opus_decoder import OPUS_HZ
from server.media.opus_encoder import FRAME_S, OpusEncoder
from server.media.pcm import Samples

MAX_BEHIND_S = 0.1
"""A track that is later than this skips what it missed instead of sending it in a burst."""
FRAME_TICKS = round(FRAME_S * OPUS_HZ)
TIME_BASE = Fraction(1, OPUS_HZ)


class SpeechTrack(MediaStreamTrack):
    """Pulls speech by an absolute clock, so that no error adds up; sends silence in between.

    Hands out encoded packets: aiortc would otherwise use a thread for each of them.
    """

    kind = "audio"

    def __init__(self, pull: Callable[[], Samples | None], clock: Clock) -> None:
        """
        Args:
            pull: Gives the next 20 ms at 24 kHz, or None for silence.
            clock: Decides when they are due.
        """
        super().__init__()
        self._pull = pull
        self._clock = clock
        self._encoder = OpusEncoder()
        self._started_at_s: float | None = None
        self._n_frames = 0

    async def recv(self) -> Packet[Any]:
        """The next 20 ms, when they are due. Cancelling is safe, nothing is lost.

        Raises:
            MediaStreamError: The track was stopped.
        """
        if self.readyState != "live":
            raise MediaStreamError
        now_s = self._clock.monotonic()
        if self._started_at_s is None:
            self._started_at_s = now_s
        early_s = self._started_at_s + self._n_frames * FRAME_S - now_s
        if early_s > 0:
            await asyncio.sleep(early_s)
        elif early_s < -MAX_BEHIND_S:
            self._n_frames += int(-early_s / FRAME_S)
        packet = Packet(self._encoder.encode(self._pull()))
        packet.pts = self._n_frames * FRAME_TICKS
        packet.time_base = TIME_BASE
        self._n_frames += 1
        return packet
