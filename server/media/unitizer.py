"""Cuts a session's audio into the model's units of one second and gives each its newest frame."""

from __future__ import annotations

import numpy as np

from server.engine.interface import ImageFrame, InputUnit
from server.media.pcm import MODEL_HZ, Samples, bytes_from_samples

UNIT_S = 1.0
SAMPLES_PER_UNIT = round(MODEL_HZ * UNIT_S)
FEWEST_SAMPLES = 480
"""A shorter clip yields no audio token at all; a flushed tail is filled up to this with silence."""


class Unitizer:
    """Collects audio of any cut and the newest frame; hands out :class:`InputUnit`.

    No sample is dropped: the units' audio, joined, is the audio pushed (and, where a flushed tail
    is shorter than ``FEWEST_SAMPLES``, silence after it). Of several frames in one unit the newest
    wins. Bounded: it never holds a whole unit after :meth:`push_audio` returned.
    """

    def __init__(self) -> None:
        self._pieces: list[Samples] = []
        self._open_samples = 0
        self._image: ImageFrame | None = None
        self._next_index = 0

    @property
    def open_s(self) -> float:
        """Audio of the unit that is not complete, in seconds."""
        return self._open_samples / MODEL_HZ

    @property
    def has_image(self) -> bool:
        """Whether the open unit has a frame."""
        return self._image is not None

    @property
    def is_empty(self) -> bool:
        """Whether a flush would give nothing."""
        return not self._open_samples and self._image is None

    def push_audio(self, samples: Samples) -> list[InputUnit]:
        """Take audio ``[n]`` at 16 kHz; return the units that are complete now."""
        units = []
        while samples.size:
            room = SAMPLES_PER_UNIT - self._open_samples
            piece, samples = samples[:room], samples[room:]
            self._pieces.append(piece)
            self._open_samples += piece.size
            if self._open_samples == SAMPLES_PER_UNIT:
                units.append(self._close_unit())
        return units

    def push_image(self, frame: ImageFrame) -> None:
        """Make ``frame`` the open unit's; an earlier one of the same unit is forgotten."""
        self._image = frame

    def flush(self) -> InputUnit | None:
        """The open unit, shorter than a second; None when there is nothing in it."""
        if self.is_empty:
            return None
        if 0 < self._open_samples < FEWEST_SAMPLES:
            self._pieces.append(np.zeros(FEWEST_SAMPLES - self._open_samples, dtype=np.int16))
        return self._close_unit()

    def clear(self) -> None:
        """Forget the open unit; the count of units goes on."""
        self._pieces.clear()
        self._open_samples = 0
        self._image = None

    def _close_unit(self) -> InputUnit:
        audio = bytes_from_samples(np.concatenate(self._pieces)) if self._pieces else b""
        unit = InputUnit(self._next_index, audio, self._image)
        self._next_index += 1
        self.clear()
        return unit
