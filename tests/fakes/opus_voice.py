"""Sounds as Opus packets, and as a caller sends them."""

from __future__ import annotations

import numpy as np

from server.media.audio_jitter_buffer import AudioPacket
from server.media.opus_encoder import FRAME_SAMPLES, OpusEncoder
from server.media.pcm import SPEECH_HZ, Samples

PACKET_SAMPLES = 960
"""20 ms at 48 kHz."""


def tone(frequency_hz: float, length_s: float, amplitude: int = 8000) -> Samples:
    """A sine at 24 kHz."""
    time_s = np.arange(round(length_s * SPEECH_HZ)) / SPEECH_HZ
    return (np.sin(2 * np.pi * frequency_hz * time_s) * amplitude).astype(np.int16)


def opus_packets(wave: Samples) -> list[bytes]:
    """20 ms packets of a wave ``[n]`` at 24 kHz; its last piece is dropped where it is shorter."""
    encoder = OpusEncoder()
    n_frames = wave.size // FRAME_SAMPLES
    return [
        encoder.encode(frame) for frame in wave[: n_frames * FRAME_SAMPLES].reshape(n_frames, -1)
    ]


def numbered(
    payloads: list[bytes], first_sequence: int = 0, first_timestamp: int = 0
) -> list[AudioPacket]:
    """Packets in their order, with RTP's numbers."""
    return [
        AudioPacket(
            (first_sequence + index) % 2**16,
            (first_timestamp + index * PACKET_SAMPLES) % 2**32,
            payload,
        )
        for index, payload in enumerate(payloads)
    ]
