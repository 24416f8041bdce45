"""What every speech program is asked for, and how it fails."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from model.training.speech_data.clips import Clip
from model.training.speech_data.voice_change import change_voice

SLOWEST, FASTEST = 0.5, 2.0
"""Limits of :attr:`SpeechRequest.rate`."""
LOWEST, HIGHEST = 0.5, 2.0
"""Limits of :attr:`SpeechRequest.pitch`."""


class MissingProgramError(RuntimeError):
    """A speech program is not installed; the text says which and how to install it."""


@dataclass(frozen=True, slots=True)
class SpeechRequest:
    """One utterance to be made."""

    voice: str
    """Name of the voice, such as ``flite/rms``."""
    text: str
    """Plain English; numbers as words."""
    rate: float = 1.0
    """Tempo as a multiple of the voice's own; above 1 is faster."""
    pitch: float = 1.0
    """Height as a multiple of the voice's own; above 1 is higher."""


class Synthesizer(Protocol):
    """One engine. An object belongs to one thread."""

    def speak(self, requests: Sequence[SpeechRequest]) -> list[Clip]:
        """Say every request in a voice of this engine; float samples at the voice's own rate."""


def changed_afterwards(clip: Clip, rate: float, pitch: float) -> Clip:
    """Tempo and pitch for voices whose program cannot change them."""
    if rate == 1.0 and pitch == 1.0:
        return clip
    samples = change_voice(clip.samples, clip.rate_hz, speed=rate, pitch=pitch)
    return clip.with_samples(np.clip(samples, -1.0, 1.0))
