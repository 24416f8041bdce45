"""Opus packets from a caller to mono samples at 48 kHz."""

from __future__ import annotations

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext

from server.media.pcm import NO_SAMPLES, Samples

OPUS_HZ = 48_000
"""Opus counts in samples at this rate, whatever was encoded."""
MS_PER_S = 1000
SILK_FRAME_MS = (10, 20, 40, 60)
HYBRID_FRAME_MS = (10, 20)
CELT_FRAME_MS = (2.5, 5, 10, 20)
FIRST_HYBRID_CONFIG = 12
FIRST_CELT_CONFIG = 16
MAX_PACKET_MS = 120
"""RFC 6716: no packet is longer."""


class OpusDecoder:
    """Decodes one caller's packets in order; remembers the codec's past.

    Takes less than 0.1 ms a packet, so it runs where it is called.
    """

    def __init__(self) -> None:
        codec = av.CodecContext.create("libopus", "r")
        assert isinstance(codec, AudioCodecContext)
        codec.format = "s16"
        codec.layout = "mono"
        codec.sample_rate = OPUS_HZ
        self._codec = codec

    def decode(self, payload: bytes) -> Samples:
        """Samples ``[n]`` of one packet; none of one that is damaged."""
        if not opus_samples(payload):
            return NO_SAMPLES
        try:
            frames = self._codec.decode(av.Packet(payload))
        except av.FFmpegError:
            return NO_SAMPLES
        pieces = [_samples(frame) for frame in frames]
        if len(pieces) == 1:
            return pieces[0]
        return np.concatenate(pieces) if pieces else NO_SAMPLES


def _samples(frame: av.AudioFrame) -> Samples:
    """A view of the frame, which it keeps alive; ``to_ndarray`` takes six times as long."""
    return np.frombuffer(memoryview(frame.planes[0]), dtype=np.int16, count=frame.samples)


def opus_samples(payload: bytes) -> int:
    """How long a packet plays at 48 kHz, by its first bytes (RFC 6716, 3.1); 0: it is none."""
    if not payload:
        return 0
    config, count_code = payload[0] >> 3, payload[0] & 3
    if config >= FIRST_CELT_CONFIG:
        frame_ms = CELT_FRAME_MS[config % 4]
    elif config >= FIRST_HYBRID_CONFIG:
        frame_ms = HYBRID_FRAME_MS[config % 2]
    else:
        frame_ms = SILK_FRAME_MS[config % 4]
    if count_code == 3:  # any number of frames, told by the second byte
        n_frames = payload[1] & 0x3F if len(payload) > 1 else 0
    else:
        n_frames = 1 if count_code == 0 else 2
    packet_ms = frame_ms * n_frames
    return round(packet_ms * OPUS_HZ / MS_PER_S) if packet_ms <= MAX_PACKET_MS else 0
