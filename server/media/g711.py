"""G.711 telephony audio, both laws, by table.

Source: ITU-T G.711 (11/1988). The tables are computed once from the definition of the two laws.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from server.media.pcm import FULL_SCALE, LARGEST, Samples

G711_HZ = 8_000
Law = Literal["pcmu", "pcma"]
"""``pcmu``: mu-law; ``pcma``: A-law."""

N_CODES = 256
SIGN_BIT = 0x80
MULAW_BIAS = 132
MULAW_CLIP = LARGEST - MULAW_BIAS
ALAW_EVEN_BITS = 0x55
"""A-law inverts every other bit on the line."""


def decode(encoded: bytes, law: Law) -> Samples:
    """Linear samples ``[len(encoded)]`` at 8 kHz."""
    return DECODING[law][np.frombuffer(encoded, dtype=np.uint8)]


def encode(samples: Samples, law: Law) -> bytes:
    """One byte per linear sample at 8 kHz."""
    return ENCODING[law][samples.astype(np.int32) + FULL_SCALE].tobytes()


def _mulaw_decoding() -> Samples:
    code = ~np.arange(N_CODES) & 0xFF
    segment, step = (code >> 4) & 0x07, code & 0x0F
    magnitude = (((step << 3) + MULAW_BIAS) << segment) - MULAW_BIAS
    return np.where(code & SIGN_BIT, -magnitude, magnitude).astype(np.int16)


def _alaw_decoding() -> Samples:
    code = np.arange(N_CODES) ^ ALAW_EVEN_BITS
    segment, step = (code >> 4) & 0x07, code & 0x0F
    in_first = (step << 4) + 8
    in_others = ((step << 4) + 0x108) << np.maximum(segment - 1, 0)
    magnitude = np.where(segment == 0, in_first, in_others)
    return np.where(code & SIGN_BIT, magnitude, -magnitude).astype(np.int16)


def _mulaw_encoding() -> NDArray[np.uint8]:
    linear = np.arange(-FULL_SCALE, FULL_SCALE)
    # 14 bits, as the recommendation has it: the two lowest of 16 are dropped before the sign.
    linear = (linear >> 2) << 2
    magnitude = np.minimum(np.abs(linear), MULAW_CLIP) + MULAW_BIAS
    segment = np.floor(np.log2(magnitude)).astype(np.int64) - 7
    step = (magnitude >> (segment + 3)) & 0x0F
    code = (segment << 4) | step | np.where(linear < 0, SIGN_BIT, 0)
    encoded: NDArray[np.uint8] = (~code & 0xFF).astype(np.uint8)
    return encoded


def _alaw_encoding() -> NDArray[np.uint8]:
    linear = np.arange(-FULL_SCALE, FULL_SCALE) >> 3  # 13 bits
    negative = linear < 0
    magnitude = np.where(negative, -linear - 1, linear)
    segment = np.maximum(np.floor(np.log2(np.maximum(magnitude, 1))).astype(np.int64) - 4, 0)
    step = (magnitude >> np.maximum(segment, 1)) & 0x0F
    code = (segment << 4) | step | np.where(negative, 0, SIGN_BIT)
    return ((code ^ ALAW_EVEN_BITS) & 0xFF).astype(np.uint8)


DECODING: dict[Law, Samples] = {"pcmu": _mulaw_decoding(), "pcma": _alaw_decoding()}
ENCODING: dict[Law, NDArray[np.uint8]] = {"pcmu": _mulaw_encoding(), "pcma": _alaw_encoding()}
