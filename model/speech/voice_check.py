"""Hearing that generated speech has fallen silent or turned into steady noise."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from model.config import SPEECH_SAMPLE_RATE_HZ

PIECE_SAMPLES = 2560
"""Length of what is compared: 5 frames of codes, 107 ms."""
SILENT_PEAK = 3e-3
"""A piece whose samples all stay below this is silent."""
SAME_SOUND_DISTANCE = 100.0
"""Pieces whose spectra are nearer than this sound the same, in dB over all mel bands."""
MAX_SILENT_PIECES = 12
MAX_SAME_PIECES = 5

_FFT_SAMPLES = 2048
_HOP_SAMPLES = 512
_N_MELS = 128
_MIN_POWER = 1e-10
_DYNAMIC_RANGE_DB = 80.0
# The Slaney mel scale: linear below a corner, logarithmic above.
_LINEAR_HZ_PER_MEL = 200.0 / 3.0
_CORNER_HZ = 1000.0
_CORNER_MEL = _CORNER_HZ / _LINEAR_HZ_PER_MEL
_LOG_STEP = np.log(6.4) / 27.0


class VoiceChecker:
    """Counts silent pieces, and pieces that sound like the one before, over a response.

    Source: openbmb/MiniCPM-o-2_6, utils.py::VoiceChecker.
    """

    def __init__(self) -> None:
        self.n_silent = 0
        """Silent pieces in a row."""
        self.n_same = 0
        """Pieces in a row that sound like the one before them; a first piece counts."""
        self._previous: np.ndarray | None = None

    def reset(self) -> None:
        """Forget what was heard."""
        self.n_silent = self.n_same = 0
        self._previous = None

    def is_bad(self, wave: np.ndarray, piece_samples: int = PIECE_SAMPLES) -> bool:
        """Listen to more of the speech, stopping at the first piece that makes it bad.

        Args:
            wave: ``[n]`` at 24 kHz; a rest shorter than a piece is not heard.
            piece_samples: Length of a piece.

        Returns:
            Whether it has been silent, or has sounded the same, for too long.
        """
        whole = len(wave) // piece_samples * piece_samples
        for piece in wave[:whole].reshape(-1, piece_samples):
            self._hear(piece)
            if self.n_silent >= MAX_SILENT_PIECES or self.n_same >= MAX_SAME_PIECES:
                return True
        return False

    def _hear(self, piece: np.ndarray) -> None:
        if np.abs(piece).max() < SILENT_PEAK:
            self.n_silent += 1
            self.n_same = 0
            return
        spectrum = mean_mel_db(piece)
        same = self._previous is None or (
            float(np.linalg.norm(spectrum - self._previous)) < SAME_SOUND_DISTANCE
        )
        self._previous = spectrum
        self.n_silent = 0
        self.n_same = self.n_same + 1 if same else 0


def mean_mel_db(piece: np.ndarray) -> np.ndarray:
    """Mel spectrum ``[128]`` in dB of a piece ``[n]``, averaged over its frames."""
    padded = np.pad(piece.astype(np.float64), _FFT_SAMPLES // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, _FFT_SAMPLES)[::_HOP_SAMPLES]
    power = np.abs(np.fft.rfft(frames * _window())) ** 2  # [F, bins]
    level = 10 * np.log10(np.maximum(power @ _mel_filters(), _MIN_POWER))  # [F, 128]
    return np.maximum(level, level.max() - _DYNAMIC_RANGE_DB).mean(axis=0)


@lru_cache(maxsize=1)
def _window() -> np.ndarray:
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(_FFT_SAMPLES) / _FFT_SAMPLES)


@lru_cache(maxsize=1)
def _mel_filters() -> np.ndarray:
    """Triangles of equal area ``[bins, 128]``."""
    nyquist_hz = SPEECH_SAMPLE_RATE_HZ / 2
    corners = _hz(np.linspace(0.0, _mel(nyquist_hz), _N_MELS + 2))
    bins = np.linspace(0.0, nyquist_hz, _FFT_SAMPLES // 2 + 1)[:, None]
    low, centre, high = corners[:-2], corners[1:-1], corners[2:]
    rising = (bins - low) / (centre - low)
    falling = (high - bins) / (high - centre)
    return np.maximum(0.0, np.minimum(rising, falling)) * (2.0 / (high - low))


def _mel(hz: float) -> float:
    return float(_CORNER_MEL + np.log(hz / _CORNER_HZ) / _LOG_STEP)


def _hz(mel: np.ndarray) -> np.ndarray:
    above = _CORNER_HZ * np.exp(_LOG_STEP * (mel - _CORNER_MEL))
    return np.where(mel < _CORNER_MEL, mel * _LINEAR_HZ_PER_MEL, above)
