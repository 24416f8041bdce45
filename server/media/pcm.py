"""16-bit little-endian mono PCM: bytes on the wire, int16 samples inside."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from server.errors import ProtocolError

Samples = NDArray[np.int16]
"""Mono audio ``[n]``; the rate is part of the name of whatever holds it."""

SAMPLE_BYTES = 2
MODEL_HZ = 16_000
"""Rate of everything the model hears."""
SPEECH_HZ = 24_000
"""Rate of everything the model says."""
WIRE_DTYPE = np.dtype("<i2")
FULL_SCALE = 32_768
LARGEST = FULL_SCALE - 1

NO_SAMPLES: Samples = np.zeros(0, dtype=np.int16)
NO_SAMPLES.setflags(write=False)


def samples_from_bytes(pcm: bytes) -> Samples:
    """Samples of 16-bit little-endian mono audio, ``[len(pcm) / 2]``.

    Raises:
        ProtocolError: ``invalid_audio`` when half a sample is left over.
    """
    if len(pcm) % SAMPLE_BYTES:
        raise ProtocolError(
            f"{len(pcm)} bytes of audio are not a whole number of 16-bit samples; "
            "send an even number of bytes",
            code="invalid_audio",
            param="audio",
        )
    return np.frombuffer(pcm, dtype=WIRE_DTYPE).astype(np.int16, copy=False)


def bytes_from_samples(samples: Samples) -> bytes:
    """16-bit little-endian bytes of ``samples``."""
    return samples.astype(WIRE_DTYPE, copy=False).tobytes()


def samples_from_float(wave: NDArray[np.floating]) -> Samples:
    """Samples of a float wave ``[n]`` in -1..1; louder than full scale is clipped.

    Raises:
        ProtocolError: ``invalid_audio`` when a value is infinite or not a number.
    """
    if not np.isfinite(wave).all():
        raise ProtocolError(
            "the audio holds values that are infinite or not a number; send finite samples",
            code="invalid_audio",
            param="audio",
        )
    scaled = np.rint(wave * FULL_SCALE)
    samples: Samples = np.clip(scaled, -FULL_SCALE, LARGEST).astype(np.int16)
    return samples


def duration_s(pcm: bytes, rate_hz: int) -> float:
    """Seconds of 16-bit mono audio in ``pcm``."""
    return len(pcm) / SAMPLE_BYTES / rate_hz
