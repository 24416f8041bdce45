"""Streaming change of sample rate: frame by frame sounds the same as in one piece."""

from __future__ import annotations

import numpy as np
import soxr
from numpy.typing import NDArray

from server.errors import ProtocolError
from server.media.pcm import FULL_SCALE, LARGEST, MODEL_HZ, NO_SAMPLES, Samples

SUPPORTED_HZ = (8_000, 16_000, 24_000, 48_000)
"""Rates taken from clients: G.711, the model's own, OpenAI Realtime, Opus."""

# soxr's 16-bit grade: the grades above it hold back 6 to 40 ms more of a live call.
QUALITY = "MQ"


class Resampler:
    """Brings one stream of audio from ``from_hz`` to ``to_hz``; remembers the filter's past.

    Holds back about 15 ms (26 ms from 8 kHz) until more audio or :meth:`flush` comes. Rounding
    is plain, without dither, so the result does not depend on how the stream was cut.
    """

    def __init__(self, from_hz: int, to_hz: int = MODEL_HZ) -> None:
        """
        Raises:
            ProtocolError: ``invalid_audio_rate`` when ``from_hz`` is not in ``SUPPORTED_HZ``.
        """
        if from_hz not in SUPPORTED_HZ:
            rates = ", ".join(str(rate) for rate in SUPPORTED_HZ)
            raise ProtocolError(
                f"audio at {from_hz} Hz is not supported; send one of {rates} Hz",
                code="invalid_audio_rate",
                param="session.audio.input.format",
            )
        self.from_hz = from_hz
        self.to_hz = to_hz
        self._stream = self._new_stream()

    def push(self, samples: Samples) -> Samples:
        """Resample the next piece ``[n]`` of the stream; the result may be empty at first."""
        if self._stream is None:
            return samples
        if not samples.size:
            return NO_SAMPLES
        return self._resample(samples, last=False)

    def flush(self) -> Samples:
        """What was held back. The stream ends here; the next :meth:`push` begins another."""
        if self._stream is None:
            return NO_SAMPLES
        tail = self._resample(NO_SAMPLES, last=True)
        self._stream = self._new_stream()
        return tail

    def clear(self) -> None:
        """Forget what was held back."""
        self._stream = self._new_stream()

    def _new_stream(self) -> soxr.ResampleStream | None:
        if self.from_hz == self.to_hz:
            return None
        return soxr.ResampleStream(self.from_hz, self.to_hz, 1, dtype="float32", quality=QUALITY)

    def _resample(self, samples: Samples, *, last: bool) -> Samples:
        assert self._stream is not None
        wave: NDArray[np.float32]
        wave = self._stream.resample_chunk(samples.astype(np.float32), last=last)
        np.rint(wave, out=wave)
        # Band-limiting overshoots at full scale; wrapping round would be a loud crack.
        np.clip(wave, -FULL_SCALE, LARGEST, out=wave)
        return wave.astype(np.int16)
