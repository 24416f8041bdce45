"""Joining the waves of overlapping code windows into one stream."""

from __future__ import annotations

import torch
from torch import Tensor

SAMPLES_PER_FRAME = 512
"""Samples at 24 kHz that one frame of codes stands for."""
OVERLAP_FRAMES = 4
"""Frames that a window repeats of the one before, so that their waves can be cross-faded."""
OVERLAP_SAMPLES = OVERLAP_FRAMES * SAMPLES_PER_FRAME


def crossfade(first: Tensor, second: Tensor, overlap_samples: int) -> Tensor:
    """Join two waves whose end and beginning are the same moment.

    Args:
        first: ``[n]``.
        second: ``[m]``.
        overlap_samples: Samples at the end of ``first`` and the start of ``second`` that are faded
            linearly into each other.

    Returns:
        ``[n + m - overlap_samples]``.

    Raises:
        ValueError: A wave is shorter than the overlap.
    """
    if overlap_samples > min(len(first), len(second)):
        raise ValueError(
            f"cannot cross-fade {overlap_samples} samples of waves of {len(first)} and "
            f"{len(second)} samples"
        )
    if overlap_samples == 0:
        return torch.cat([first, second])
    # Neither end of the fade is reached: the first sample already has a part of the second wave.
    steps = torch.arange(1, overlap_samples + 1, device=second.device, dtype=second.dtype)
    weight = steps / (overlap_samples + 1)
    before, tail = first.split([len(first) - overlap_samples, overlap_samples])
    head, after = second.split([overlap_samples, len(second) - overlap_samples])
    return torch.cat([before, tail * (1 - weight) + head * weight, after])


class WaveJoiner:
    """Holds back what the next wave will still change and lets the rest go.

    Source: openbmb/MiniCPM-o-2_6, modeling_minicpmo.py::_linear_overlap_add2_wav.
    Differs: holds only the overlap, unless ``holds_whole_wave``.
    """

    def __init__(self, *, holds_whole_wave: bool = False) -> None:
        """Prepare for a response.

        Args:
            holds_whole_wave: Hold all that is new in a wave until the next exists, as the
                reference does.
        """
        self.held = torch.empty(0)
        """Samples that have not left yet."""
        self._holds_whole_wave = holds_whole_wave

    def join(self, wave: Tensor, overlap_samples: int) -> Tensor:
        """Append a wave.

        Args:
            wave: ``[n]``.
            overlap_samples: How many of its first samples repeat the last samples so far.

        Returns:
            The samples that may leave now; what is held may be longer or shorter than before.
        """
        joined = crossfade(self.held.to(wave), wave, overlap_samples)
        n_held = min(len(joined), OVERLAP_SAMPLES)
        if self._holds_whole_wave:
            n_held = len(wave) - overlap_samples
        leaving, self.held = joined.split([len(joined) - n_held, n_held])
        return leaving

    def replace(self, wave: Tensor) -> Tensor:
        """Put a wave in the place of what is held; what it has beyond that is held after.

        Args:
            wave: ``[n]``, the held span made anew and what follows it.

        Returns:
            The samples that may leave now: as many as were held.
        """
        n_leaving = min(len(self.held), len(wave))
        leaving, self.held = wave.split([n_leaving, len(wave) - n_leaving])
        return leaving

    def flush(self) -> Tensor:
        """The held samples; nothing follows them."""
        leaving, self.held = self.held, torch.empty(0)
        return leaving
