"""Turns one speaker into another: tempo, pitch and vocal tract, each by itself.

Numpy only and about a hundred times faster than real time. The vocal tract is changed by warping
the spectral envelope of every frame, the tempo by overlapping pieces of the wave where they match.
"""

from __future__ import annotations

import numpy as np

from model.training.speech_data.resampling import resample

STRETCH_FRAME_S = 0.03
"""Length of the pieces that are overlapped."""
STRETCH_SEARCH_S = 0.008
"""How far a piece may move to match; more than half the period of the lowest voice."""
WARP_FRAME_S = 0.032
ENVELOPE_S = 0.0012
"""Quefrencies below this belong to the vocal tract, those above to the voice."""
_QUIET = 1e-5
_MOST_GAIN = 10.0
"""The envelope of an empty band is noise: no band is raised more than this."""


def change_voice(
    samples: np.ndarray, rate_hz: int, *, speed: float = 1.0, pitch: float = 1.0, tract: float = 1.0
) -> np.ndarray:
    """Change a voice.

    Args:
        samples: Float ``[n]``.
        rate_hz: Samples per second.
        speed: Tempo; 1.1 is a tenth faster.
        pitch: Height of the voice; 1.1 is a tenth higher.
        tract: Formant frequencies; 1.1 is a vocal tract a tenth shorter.

    Returns:
        Float32 ``[round(n / speed)]``.
    """
    n_out = round(samples.size / speed)
    changed = np.asarray(samples, dtype=np.float32)
    if pitch != 1.0:
        changed = resample(changed, pitch, 1.0)  # Raises the formants as well, undone below.
    changed = stretch(changed, rate_hz, n_out)
    if tract != pitch:
        changed = warp_vocal_tract(changed, rate_hz, tract / pitch)
    return changed


def stretch(samples: np.ndarray, rate_hz: int, n_out: int) -> np.ndarray:
    """Change the length to ``n_out`` samples without changing the pitch."""
    samples = np.asarray(samples, dtype=np.float32)
    if n_out == samples.size:
        return samples
    hop = round(STRETCH_FRAME_S * rate_hz / 2)
    frame = 2 * hop
    search = round(STRETCH_SEARCH_S * rate_hz)
    n_frames = -(-n_out // hop) + 1
    factor = samples.size / max(n_out, 1)
    padded = np.pad(samples, (hop + search, frame + hop + 2 * search))
    window = np.hanning(frame + 1)[:frame].astype(np.float32)
    out = np.zeros(n_frames * hop + frame, dtype=np.float32)
    at = search
    for index in range(n_frames):
        ideal = min(round(index * hop * factor), samples.size) + search
        if index:
            # What would follow the last piece is what the next piece should look like.
            wanted = padded[at + hop : at + hop + frame]
            region = padded[ideal - search : ideal + search + frame]
            at = ideal - search + _best_match(region, wanted)
        out[index * hop : index * hop + frame] += padded[at : at + frame] * window
    return out[hop : hop + n_out]


def _best_match(region: np.ndarray, wanted: np.ndarray) -> int:
    """Offset in ``region`` where ``wanted`` correlates best."""
    scores = np.correlate(region, wanted)
    n_offsets = scores.size
    energy = np.concatenate(([0.0], np.cumsum(region.astype(np.float64) ** 2)))
    power = energy[wanted.size :][:n_offsets] - energy[:n_offsets]
    return int(np.argmax(scores / np.sqrt(np.maximum(power, _QUIET))))


def warp_vocal_tract(samples: np.ndarray, rate_hz: int, factor: float) -> np.ndarray:
    """Multiply the formant frequencies by ``factor``; pitch and length stay."""
    samples = np.asarray(samples, dtype=np.float32)
    if samples.size == 0 or factor == 1.0:
        return samples
    size = 1 << (round(WARP_FRAME_S * rate_hz) - 1).bit_length()
    hop = size // 4
    window = np.sqrt(np.hanning(size + 1)[:size]).astype(np.float32)
    padded = np.pad(samples, (size, 2 * size))
    starts = np.arange(0, samples.size + size + hop, hop)
    frames = padded[starts[:, None] + np.arange(size)] * window  # [F, size]
    spectra = np.fft.rfft(frames)
    log_power = np.log(np.abs(spectra) + _QUIET)
    cepstra = np.fft.irfft(log_power)
    lifter = max(round(ENVELOPE_S * rate_hz), 2)
    cepstra[:, lifter : size - lifter + 1] = 0.0
    envelope = np.fft.rfft(cepstra).real  # [F, bins]
    source = np.minimum(np.arange(envelope.shape[1]) / factor, envelope.shape[1] - 1.0)
    low = np.floor(source).astype(int)
    high = np.minimum(low + 1, envelope.shape[1] - 1)
    share = source - low
    warped = envelope[:, low] * (1.0 - share) + envelope[:, high] * share
    gain = np.exp(np.minimum(warped - envelope, np.log(_MOST_GAIN)))
    frames = np.fft.irfft(spectra * gain)[:, :size] * window
    out = np.zeros(padded.size + size, dtype=np.float32)
    for frame, start in zip(frames, starts, strict=True):
        out[start : start + size] += frame
    return out[size : size + samples.size] / 2.0  # Four windows overlap and add up to two.
