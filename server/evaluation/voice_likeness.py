"""Whose voice is it? The nearest of a few voices by the sound of their speech alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import soxr

ANALYSIS_HZ = 16_000
FRAME_SAMPLES = 512
"""32 ms."""
HOP_SAMPLES = 160
"""10 ms."""
N_BANDS = 40
N_CEPSTRA = 14
"""Of the mean spectrum; the first says how loud it is and is left out."""
PITCH_HZ = (60.0, 400.0)
VOICED = 0.5
"""Autocorrelation at the pitch's period from which a frame counts as voiced."""
QUIET_DB = 30.0
"""Frames this much below the loudest are silence."""
PITCH_WEIGHT = 3.0
"""Of one octave's difference against the spectrum's."""

EMPTY_BAND = 1e-6
"""Of the loudest band's power; below it a band says nothing of a voice."""
_MEL_HZ, _MEL = 700.0, 2595.0


class UnusableSpeechError(ValueError):
    """There is no speech to tell a voice by."""


def voice_print(samples: np.ndarray, rate_hz: int) -> np.ndarray:
    """What tells a voice from others: the mean cepstrum of its frames and the median pitch.

    Args:
        samples: Float ``[n]`` of one utterance.
        rate_hz: Samples per second.

    Returns:
        Float ``[N_CEPSTRA]``: cepstra 1 .. N_CEPSTRA - 1, then octaves of pitch, weighted.

    Raises:
        UnusableSpeechError: It is silent.
    """
    wave = soxr.resample(np.asarray(samples, np.float32), rate_hz, ANALYSIS_HZ)
    n_frames = 1 + (wave.size - FRAME_SAMPLES) // HOP_SAMPLES
    if n_frames < 1:
        raise UnusableSpeechError("shorter than one frame")
    starts = np.arange(n_frames)[:, None] * HOP_SAMPLES
    frames = wave[starts + np.arange(FRAME_SAMPLES)].astype(np.float64)  # [F, n]
    power = np.mean(frames**2, axis=1)
    if power.max() < 1e-10:
        raise UnusableSpeechError("silence")
    frames = frames[power >= power.max() * 10.0 ** (-QUIET_DB / 10.0)] / np.sqrt(power.max())
    cepstrum = _cepstra(frames).mean(axis=0)[1:]
    return np.append(cepstrum, PITCH_WEIGHT * np.log2(_median_pitch_hz(frames) / PITCH_HZ[0]))


def _cepstra(frames: np.ndarray) -> np.ndarray:
    """Mel cepstra ``[F, N_CEPSTRA]``."""
    spectrum = np.abs(np.fft.rfft(frames * np.hanning(FRAME_SAMPLES))) ** 2
    hz = np.fft.rfftfreq(FRAME_SAMPLES, 1.0 / ANALYSIS_HZ)
    top_mel = _MEL * np.log10(1.0 + ANALYSIS_HZ / 2.0 / _MEL_HZ)
    corners = _MEL_HZ * (10.0 ** (np.linspace(0.0, top_mel, N_BANDS + 2) / _MEL) - 1.0)
    rising = (hz[:, None] - corners[:-2]) / np.diff(corners)[:-1]
    falling = (corners[2:] - hz[:, None]) / np.diff(corners)[1:]
    power = spectrum @ np.clip(np.minimum(rising, falling), 0.0, None)
    bands = np.log(power + EMPTY_BAND * power.max())
    order = np.arange(N_CEPSTRA)[:, None] * (np.arange(N_BANDS) + 0.5) * np.pi / N_BANDS
    return np.asarray(bands @ np.cos(order).T / N_BANDS)


def _median_pitch_hz(frames: np.ndarray) -> float:
    """Median pitch of the voiced frames; of all frames where hardly any is voiced."""
    spectrum = np.fft.rfft(frames - frames.mean(axis=1, keepdims=True), 2 * FRAME_SAMPLES)
    correlation = np.fft.irfft(np.abs(spectrum) ** 2)[:, :FRAME_SAMPLES]
    # Fewer samples overlap at a longer lag.
    overlap = 1.0 - np.arange(FRAME_SAMPLES) / FRAME_SAMPLES
    correlation = correlation / (correlation[:, :1] + 1e-12) / np.maximum(overlap, 0.1)
    shortest, longest = (round(ANALYSIS_HZ / hz) for hz in reversed(PITCH_HZ))
    lags = correlation[:, shortest:longest]
    best = lags.argmax(axis=1)
    strength = lags[np.arange(len(lags)), best]
    voiced = strength >= VOICED
    chosen = best[voiced] if voiced.sum() >= 3 else best
    return ANALYSIS_HZ / (shortest + float(np.median(chosen)))


class VoiceJudge:
    """Tells voices apart by the nearest mean print."""

    def __init__(self, prints: Mapping[str, Sequence[np.ndarray]]) -> None:
        """
        Args:
            prints: Per voice, prints of some of its utterances; each voice has two at least.
        """
        self._names = list(prints)
        self._means = np.stack([np.mean(own, axis=0) for own in prints.values()])
        # A quality that varies within one voice says little about whose it is.
        within = [np.var(own, axis=0, ddof=1) for own in prints.values()]
        self._spread = np.sqrt(np.mean(within, axis=0)) + 1e-6

    def nearest(self, voice: np.ndarray) -> str:
        """Name of the voice whose prints are nearest."""
        distances = np.sum(((self._means - voice) / self._spread) ** 2, axis=1)
        return self._names[int(np.argmin(distances))]
