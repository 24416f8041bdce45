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

FULL_ENOUGH = 0.75
"""Contexts at least this long, relative to the longest of a group, are encoded with it."""

BLOCK = 64
"""Groups are padded to a multiple of so many frames: products of bfloat16 are compiled for every
new size."""

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
    frames = packed.split([sum(sizes) for sizes in counts])
    encoded: dict[int, list[Tensor]] = {}
    for group in _groups([sum(sizes) for sizes in counts]):
        hidden = _transform(encoder, [frames[i] for i in group], [counts[i] for i in group])
        for index, row in zip(group, hidden, strict=True):
            encoded[index] = list(row[: sum(counts[index])].split(counts[index]))
    return [encoded[index] for index in range(len(contexts))]


def _groups(lengths: Sequence[int]) -> list[list[int]]:
    """Indices of contexts of about one length: little of a group is padding."""
    groups: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        if not groups or lengths[index] < FULL_ENOUGH * lengths[groups[-1][0]]:
            groups.append([])
        groups[-1].append(index)
    return groups


def _transform(
    encoder: AudioEncoder, frames: Sequence[Tensor], counts: Sequence[Sequence[int]]
) -> Tensor:
    """Hidden states ``[B, T, D]`` of contexts ``[T_i, D]`` whose units have so many frames."""
    padded = pad_sequence(list(frames), batch_first=True)
    n_idle = -padded.shape[1] % BLOCK
    padded = F.pad(padded, (0, 0, 0, min(n_idle, encoder.max_positions - padded.shape[1])))
    longest = padded.shape[1]
    # A frame sees the frames of its own and of earlier units. Padding counts as a last unit, which
    # nothing else sees.
    unit = torch.stack(
        [torch.repeat_interleave(torch.tensor([*sizes, longest - sum(sizes)])) for sizes in counts]
    ).to(padded.device)  # [B, T]
    return encoder.transform_batch(padded, unit[:, :, None] >= unit[:, None, :])


def scale_gradient(x: Tensor, scale: float) -> Tensor:
    """``x``, through which gradients pass ``scale`` times as large."""
    return x * scale + x.detach() * (1 - scale)
