"""A voice activity detector that hears loudness: quick, exact and without a network."""

from __future__ import annotations

import numpy as np

LOUD_AMPLITUDE = 1000


class LoudnessVoiceActivity:
    """Probability 1 for a window that holds a sample of ``LOUD_AMPLITUDE`` or more, else 0."""

    def __init__(self) -> None:
        self.n_windows = 0
        self.n_resets = 0

    def probability(self, window: np.ndarray) -> float:
        """Probability of speech in 512 samples at 16 kHz, int16."""
        assert window.shape == (512,), window.shape
        self.n_windows += 1
        return float(np.abs(window.astype(np.int32)).max() >= LOUD_AMPLITUDE)

    def reset(self) -> None:
        """Forget what was heard."""
        self.n_resets += 1
