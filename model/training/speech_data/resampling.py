"""Changes the sampling rate of a wave with numpy alone."""

from __future__ import annotations

import numpy as np

ZERO_CROSSINGS = 16
"""Half the length of the interpolating filter, in samples of the slower rate."""
TRANSITION = 0.06
"""Share of the slower rate's band given to the filter's slope."""
_PHASES = 512
"""Positions between two samples that have filters of their own."""
_BLOCK_SAMPLES = 8192
"""Samples made at once, which bounds the memory."""


def resample(samples: np.ndarray, from_hz: float, to_hz: float) -> np.ndarray:
    """Resample ``[n]`` to ``[round(n * to_hz / from_hz)]`` float32 with a windowed sinc.

    Any two rates will do; played back at ``from_hz``, the result is the wave slowed down or sped up
    by ``to_hz / from_hz``.

    Raises:
        ValueError: A rate is not positive.
    """
    if from_hz <= 0 or to_hz <= 0:
        raise ValueError(f"sampling rates are positive, not {from_hz} and {to_hz} Hz")
    samples = np.asarray(samples, dtype=np.float32)
    n_out = round(samples.size * to_hz / from_hz)
    if from_hz == to_hz or n_out == 0:
        return samples[:n_out].copy()
    ratio = from_hz / to_hz
    filters = _filter_table(min(1.0, 1.0 / ratio))  # [phases, taps]
    reach = filters.shape[1] // 2
    padded = np.pad(samples, (reach, reach + 1))
    taps = np.arange(filters.shape[1])
    out = np.empty(n_out, dtype=np.float32)
    for start in range(0, n_out, _BLOCK_SAMPLES):
        at = np.arange(start, min(start + _BLOCK_SAMPLES, n_out)) * ratio
        ticks = np.rint(at * _PHASES).astype(np.int64)
        first, phase = ticks // _PHASES, ticks % _PHASES
        windows = padded[np.minimum(first, samples.size)[:, None] + taps]
        out[start : start + at.size] = np.einsum("nt,nt->n", windows, filters[phase])
    return out


def _filter_table(band: float) -> np.ndarray:
    """Filters ``[phases, taps]`` that pass ``band`` of the input's band, of unit gain."""
    cutoff = band * (1.0 - TRANSITION)
    reach = int(np.ceil(ZERO_CROSSINGS / cutoff))
    offsets = np.arange(-reach, reach + 1) - np.arange(_PHASES)[:, None] / _PHASES
    inside = np.clip(1.0 - (offsets / (reach + 1)) ** 2, 0.0, 1.0)
    window = np.i0(8.0 * np.sqrt(inside)) / np.i0(8.0)
    filters = np.sinc(offsets * cutoff) * window
    return (filters / filters.sum(axis=1, keepdims=True)).astype(np.float32)
