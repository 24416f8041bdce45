"""What the audio encoder hears in a call, for many calls at once and with gradients."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from model.audio_encoder import AudioEncoder
from model.audio_features import encoder_frame_count, log_mel

MIN_CLIP_SAMPLES = 400
"""Shorter units are padded with silence, as in a call."""

Context = Sequence[np.ndarray]
"""Units, float32 ``[n]`` at 16 kHz, of which each sees itself and those before."""


def unit_mel(samples: np.ndarray, device: torch.device) -> Tensor:
    """Log-mel features ``[80, F]`` of one unit; every unit has its own edges and loudness."""
    clip = torch.from_numpy(samples).to(device, torch.float32)
    if clip.shape[0] < MIN_CLIP_SAMPLES:
        clip = F.pad(clip, (0, MIN_CLIP_SAMPLES - clip.shape[0]))
    return log_mel(clip)


def encode_contexts(
    encoder: AudioEncoder, contexts: Sequence[Sequence[Tensor]]
) -> list[list[Tensor]]:
    """Encode contexts independent of each other; equal to their units one after another in a row.

    Args:
        encoder: Of the model.
        contexts: Log-mel features ``[80, F]`` per unit, per context.

    Returns:
        Frames ``[C, D]`` of 20 ms per unit, per context.

    Raises:
        ValueError: A context is too long to be remembered whole.
    """
    counts = [[encoder_frame_count(mel.shape[1]) for mel in units] for units in contexts]
    longest = max(sum(sizes) for sizes in counts)
    if longest >= encoder.max_positions:
        raise ValueError(
            f"a context of {longest} frames reaches past the {encoder.max_positions} positions, "
            "where a call would forget; cut it"
        )
    packed = encoder.convolve([mel for units in contexts for mel in units])
    frames = pad_sequence(list(packed.split([sum(sizes) for sizes in counts])), batch_first=True)
    # A frame sees the frames of its own and of earlier units. Padding counts as a last unit, which
    # nothing else sees.
    unit = torch.stack(
        [torch.repeat_interleave(torch.tensor([*sizes, longest - sum(sizes)])) for sizes in counts]
    ).to(frames.device)  # [B, T]
    hidden = encoder.transform_batch(frames, unit[:, :, None] >= unit[:, None, :])
    return [list(row[: sum(sizes)].split(sizes)) for row, sizes in zip(hidden, counts, strict=True)]


def scale_gradient(x: Tensor, scale: float) -> Tensor:
    """``x``, through which gradients pass ``scale`` times as large."""
    return x * scale + x.detach() * (1 - scale)
