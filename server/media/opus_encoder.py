"""The model's speech to Opus packets of 20 ms."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext

from server.media.pcm import SPEECH_HZ, Samples

FRAME_S = 0.02
FRAME_SAMPLES = round(FRAME_S * SPEECH_HZ)
BITS_PER_S = 40_000
EXPECTED_LOSS_PERCENT = 5
"""How much of a frame is repeated in the next one, for receivers that lose packets."""
SETTLING_FRAMES = 4
"""Frames of silence until nothing of the speech before is left in the encoder."""
TIME_BASE = Fraction(1, SPEECH_HZ)


class OpusEncoder:
    """Encodes one call's speech; silence costs next to nothing."""

    def __init__(self) -> None:
        codec = av.CodecContext.create("libopus", "w")
        assert isinstance(codec, AudioCodecContext)
        codec.sample_rate = SPEECH_HZ
        codec.layout = "mono"
        codec.format = "s16"
        codec.bit_rate = BITS_PER_S
        codec.time_base = TIME_BASE
        codec.options = {
            "application": "voip",
            "frame_duration": str(round(FRAME_S * 1000)),
            "fec": "1",
            "packet_loss": str(EXPECTED_LOSS_PERCENT),
        }
        self._codec = codec
        self._n_samples = 0
        self._n_silent = 0
        self._silence = b""

    def encode(self, samples: Samples | None) -> bytes:
        """The packet of the next ``[480]`` samples at 24 kHz; None is silence."""
        if samples is not None:
            self._n_silent = 0
            return self._encode(samples)
        if self._n_silent < SETTLING_FRAMES:
            self._n_silent += 1
            self._silence = self._encode(np.zeros(FRAME_SAMPLES, dtype=np.int16))
        return self._silence

    def _encode(self, samples: Samples) -> bytes:
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = SPEECH_HZ
        frame.time_base = TIME_BASE
        frame.pts = self._n_samples
        self._n_samples += samples.size
        (packet,) = self._codec.encode(frame)
        return bytes(packet)
