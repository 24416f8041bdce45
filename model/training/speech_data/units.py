"""Cuts what was heard and shown into the model's units of one second, as the server does.

The same rules as ``server/media/unitizer.py``, of which the training code may import nothing; a
test holds the two together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

MODEL_HZ = 16_000
SAMPLES_PER_UNIT = MODEL_HZ
FEWEST_SAMPLES = 480
"""A shorter last unit is filled up to this with silence: below it there is no audio token."""

Image = TypeVar("Image")


@dataclass(frozen=True, slots=True)
class Shown(Generic[Image]):
    """A picture and when the camera took it."""

    at_s: float
    """Seconds of audio before it."""
    image: Image
    """Anything that stands for the picture."""


@dataclass(frozen=True, slots=True)
class HeardUnit(Generic[Image]):
    """One second of a call, or its shorter end."""

    samples: np.ndarray
    """``[n]`` in the type of the audio that was cut; empty where there is only a picture."""
    image: Image | None
    """The newest picture of this second."""


def cut_units(samples: np.ndarray, shown: Sequence[Shown[Image]] = ()) -> list[HeardUnit[Image]]:
    """Cut one turn, whose last unit is flushed when the turn ends.

    Args:
        samples: ``[n]`` at 16 kHz since the turn began.
        shown: Pictures in the order of their times; one that comes on the border of two units
            belongs to the second, one that comes after the audio to the unit that is open then.

    Returns:
        Units of 16,000 samples, the last one shorter (but not below 480 samples where it has
        sound at all).
    """
    samples = np.asarray(samples)
    # A whole number of seconds leaves an open unit without sound, for a picture that comes then.
    n_open = samples.size // SAMPLES_PER_UNIT
    newest: dict[int, Image] = {}
    for picture in shown:
        at = min(round(picture.at_s * MODEL_HZ), samples.size)
        newest[min(at // SAMPLES_PER_UNIT, n_open)] = picture.image
    units: list[HeardUnit[Image]] = []
    for index in range(n_open + 1):
        piece = samples[index * SAMPLES_PER_UNIT : (index + 1) * SAMPLES_PER_UNIT]
        if piece.size == 0 and index not in newest:
            continue
        if 0 < piece.size < FEWEST_SAMPLES:
            piece = np.pad(piece, (0, FEWEST_SAMPLES - piece.size))
        units.append(HeardUnit(piece, newest.get(index)))
    return units
