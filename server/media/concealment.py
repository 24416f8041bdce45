"""Fills the holes that lost packets leave in a voice.

Repeats the last pitch period of what was heard and fades it out, as ITU-T G.711 Appendix I does;
where the sound has no pitch, the last 20 ms are repeated.
"""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from server.media.opus_decoder import OPUS_HZ
from server.media.pcm import FULL_SCALE, LARGEST, Samples

HOLD_S = 0.02
"""What is repeated of a sound without pitch; also the stretch that pitch is looked for in."""
FULL_S = 0.01
"""The fill is as loud as the voice was for this long."""
FADED_S = 0.06
"""Then it fades out, and is silent from here on."""
JOIN_S = 0.004
"""Cross-fade between repetitions, and from the fill back to the voice."""
LOWEST_PITCH_HZ = 66
HIGHEST_PITCH_HZ = 400
DECIMATION = 4
"""Pitch is looked for at 12 kHz."""
VOICED_CORRELATION = 0.6
"""Normalised correlation from which a sound has a pitch."""

HOLD = round(HOLD_S * OPUS_HZ)
JOIN = round(JOIN_S * OPUS_HZ)
SHORTEST_LAG = OPUS_HZ // HIGHEST_PITCH_HZ
LONGEST_LAG = OPUS_HZ // LOWEST_PITCH_HZ
HISTORY = HOLD + LONGEST_LAG + JOIN

Wave = NDArray[np.float32]


class Concealment:
    """Knows the last samples heard; ``fill`` goes on with them until the voice is back."""

    def __init__(self) -> None:
        self._recent: deque[Samples] = deque()
        self._n_recent = 0
        self._cycle: Wave | None = None
        self._n_filled = 0

    def heard(self, samples: Samples) -> Samples:
        """Take what was received, ``[n]`` at 48 kHz; the result follows smoothly on a fill."""
        if not samples.size:
            return samples
        if self._cycle is not None:
            wave = samples.astype(np.float32)
            n_joined = min(JOIN, wave.size)
            rising = np.linspace(0.0, 1.0, n_joined, endpoint=False, dtype=np.float32)
            wave[:n_joined] = wave[:n_joined] * rising + self._go_on(n_joined) * (1 - rising)
            samples = _rounded(wave)
            self._cycle = None
            self._n_filled = 0
        self._remember(samples)
        return samples

    def fill(self, n_samples: int) -> Samples:
        """``n_samples`` in place of what was lost."""
        if self._cycle is None:
            self._cycle = _repeatable(self._history())
        return _rounded(self._go_on(n_samples))

    def pause(self, n_samples: int) -> Samples:
        """``n_samples`` of the silence that the caller's encoder left out."""
        return self.heard(np.zeros(n_samples, dtype=np.int16))

    def _go_on(self, n_samples: int) -> Wave:
        assert self._cycle is not None
        positions = np.arange(self._n_filled, self._n_filled + n_samples)
        self._n_filled += n_samples
        fading = (FADED_S * OPUS_HZ - positions) / ((FADED_S - FULL_S) * OPUS_HZ)
        gain = np.clip(fading, 0.0, 1.0).astype(np.float32)
        wave: Wave = self._cycle[positions % self._cycle.size] * gain
        return wave

    def _remember(self, samples: Samples) -> None:
        """Keep the pieces that hold the last ``HISTORY`` samples; nothing is computed yet."""
        self._recent.append(samples)
        self._n_recent += samples.size
        while self._n_recent - self._recent[0].size >= HISTORY:
            self._n_recent -= self._recent.popleft().size

    def _history(self) -> Wave:
        """The last ``HISTORY`` samples heard, silence before the first of them."""
        silence = np.zeros(max(HISTORY - self._n_recent, 0), dtype=np.int16)
        history: Wave = np.concatenate([silence, *self._recent])[-HISTORY:].astype(np.float32)
        return history


def _repeatable(history: Wave) -> Wave:
    """The end of ``history`` as a cycle: its last samples lead into its first ones."""
    lag = pitch_lag(history) or HOLD
    cycle = history[-lag:].copy()
    n_joined = min(JOIN, lag // 4)
    rising = np.linspace(0.0, 1.0, n_joined, dtype=np.float32)
    before = history[-lag - n_joined : -lag]
    cycle[-n_joined:] = cycle[-n_joined:] * (1 - rising) + before * rising
    return cycle


def pitch_lag(history: Wave) -> int | None:
    """The pitch period at the end of ``history``, in samples; None where there is no pitch."""
    coarse = history[: history.size // DECIMATION * DECIMATION].reshape(-1, DECIMATION).mean(axis=1)
    template = coarse[-HOLD // DECIMATION :]
    shortest, longest = SHORTEST_LAG // DECIMATION, LONGEST_LAG // DECIMATION
    earlier = coarse[-template.size - longest : -shortest]
    windows = sliding_window_view(earlier, template.size)  # [lags, n], the longest lag first
    energy = np.sqrt((windows**2).sum(axis=1) * (template**2).sum())
    correlation = windows @ template / np.maximum(energy, 1.0)
    best = int(np.argmax(correlation))
    if correlation[best] < VOICED_CORRELATION:
        return None
    return (longest - best) * DECIMATION


def _rounded(wave: Wave) -> Samples:
    samples: Samples = np.clip(np.rint(wave), -FULL_SCALE, LARGEST).astype(np.int16)
    return samples
