"""Log-mel features of what the model hears, and how many tokens they become.

The features are those of a Whisper front end that pads every clip with zeros to 30 s. Silence after
the clip's last window never reaches a kept frame, so it is not computed: a one-second unit costs
one second of transforms, not thirty.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from model.config import SAMPLE_RATE_HZ, OmniConfig

N_MELS = 80
"""Mel bands."""
FFT_SAMPLES = 400
"""Samples in one analysis window (25 ms)."""
HOP_SAMPLES = 160
"""Samples from one mel frame to the next (10 ms)."""
CLIP_S = 30
"""The longest clip the encoder takes, and the length the front end is defined on."""
MAX_CLIP_SAMPLES = CLIP_S * SAMPLE_RATE_HZ
MAX_CLIP_FRAMES = MAX_CLIP_SAMPLES // HOP_SAMPLES
CONV_STRIDE = 2
"""Mel frames per encoder frame."""
ENCODER_FRAME_SAMPLES = HOP_SAMPLES * CONV_STRIDE
"""Samples per encoder frame (20 ms)."""

_EDGE_SAMPLES = FFT_SAMPLES // 2
_MIN_POWER = 1e-10
_DYNAMIC_RANGE = 8.0
"""Decades of power kept below a clip's loudest band."""
_LOUDEST_SAMPLE = 2.0**31
"""Beyond the full scale of any sample format; far below where the power overflows."""

AUDIO_START = "<|audio_start|>"
AUDIO_END = "<|audio_end|>"
PLACEHOLDER = "<unk>"
"""The token whose embedding an audio (or image) feature replaces."""


def mel_frame_count(n_samples: int) -> int:
    """Mel frames of a clip, 10 ms each; the last one may be partly padding."""
    return -(-n_samples // HOP_SAMPLES)


def encoder_frame_count(n_mel_frames: int) -> int:
    """Encoder frames of that many mel frames: the second convolution takes every other one."""
    return (n_mel_frames - 1) // CONV_STRIDE + 1


def token_count(n_samples: int, config: OmniConfig) -> int:
    """Placeholder tokens (and pooled features) of a clip; 0 below one pooling window."""
    return encoder_frame_count(mel_frame_count(n_samples)) // config.audio_pool_step


def chunk_frames(config: OmniConfig) -> int | None:
    """Encoder frames that see each other in a whole clip; None where attention is not chunked."""
    frames = int(config.audio_chunk_length * SAMPLE_RATE_HZ / ENCODER_FRAME_SAMPLES)
    return frames if frames > 0 else None


def audio_placeholder(n_samples: int, config: OmniConfig, chunked: bool) -> str:
    """The text a clip stands for in a prompt.

    Args:
        n_samples: Length of the clip at 16 kHz.
        config: Says how far features are pooled and how long a chunk is.
        chunked: Cut into one block per chunk (25 tokens for 1 s), the last one shorter.

    Returns:
        Blocks of ``<|audio_start|><unk>…<|audio_end|>``; empty where the clip is too short for a
        single feature.
    """
    n_tokens = token_count(n_samples, config)
    frames = chunk_frames(config) if chunked else None
    block_tokens = n_tokens if frames is None else max(frames // config.audio_pool_step, 1)
    counts = [min(block_tokens, n_tokens - i) for i in range(0, n_tokens, max(block_tokens, 1))]
    return "".join(f"{AUDIO_START}{PLACEHOLDER * count}{AUDIO_END}" for count in counts)


def split_clip(samples: np.ndarray | Tensor) -> list[Tensor]:
    """Cut ``[n]`` samples into pieces of at most 30 s, which are encoded separately.

    Raises:
        ValueError: The samples are not a non-empty, finite, one-dimensional array of floats.
    """
    return list(_checked(samples).split(MAX_CLIP_SAMPLES))


def log_mel(samples: np.ndarray | Tensor) -> Tensor:
    """Log-mel features of one clip or unit.

    Every clip has its own loudness floor and its own edges: the left one is mirrored, the right one
    sees silence.

    Args:
        samples: ``[n]`` at 16 kHz in -1 .. 1, at most 30 s.

    Returns:
        ``[80, F]`` float32, F in 10 ms frames, on the device of ``samples``.

    Raises:
        ValueError: The samples are empty, longer than 30 s, not finite or not one-dimensional.

    Source: openbmb/MiniCPM-o-2_6, which uses the Whisper feature extractor of its framework.
    Differs: the padding to 30 s is not computed.
    """
    clip = _checked(samples)
    n_samples = clip.shape[0]
    if n_samples > MAX_CLIP_SAMPLES:
        raise ValueError(
            f"audio of {n_samples / SAMPLE_RATE_HZ:.1f} s is longer than {CLIP_S} s; "
            "split it with split_clip() or send shorter units"
        )
    window, filters = _tables(clip.device)
    frames = _with_edges(clip).unfold(0, FFT_SAMPLES, HOP_SAMPLES)  # [F + about 2, 400]
    spectrum = torch.view_as_real(torch.fft.rfft(frames * window))
    power = spectrum.square_().sum(-1)  # [F + about 2, 201]
    mel = (filters @ power.T).clamp_(min=_MIN_POWER).log10_()
    # The frames past the end still hold the clip's last samples and take part in the maximum.
    mel = torch.maximum(mel, mel.max() - _DYNAMIC_RANGE)
    return mel[:, : mel_frame_count(n_samples)].add(4.0).div_(4.0)


def _checked(samples: np.ndarray | Tensor) -> Tensor:
    """``samples`` as a float32 tensor ``[n]``, or ValueError."""
    # A copy, because arrays over received bytes are read-only and torch warns about those.
    clip = torch.from_numpy(np.array(samples)) if isinstance(samples, np.ndarray) else samples
    if clip.ndim != 1 or clip.shape[0] == 0:
        raise ValueError(f"audio must be one-dimensional and not empty, got {tuple(clip.shape)}")
    if not clip.is_floating_point():
        raise ValueError(f"audio must be floating point in -1 .. 1, got {clip.dtype}")
    clip = clip.float()
    # Written so that NaN fails it too.
    if not clip.abs().max() <= _LOUDEST_SAMPLE:
        raise ValueError("audio holds NaN, infinite or absurdly large samples; scale it to -1 .. 1")
    return clip


def _with_edges(clip: Tensor) -> Tensor:
    """The part of the 30 s padded clip, mirrored at both ends, that windows with signal cover."""
    n_samples = clip.shape[0]
    n_frames = min(mel_frame_count(n_samples + _EDGE_SAMPLES), MAX_CLIP_FRAMES)
    buffer = clip.new_zeros((n_frames - 1) * HOP_SAMPLES + FFT_SAMPLES)
    buffer[_EDGE_SAMPLES : _EDGE_SAMPLES + n_samples] = clip
    mirrored = clip[1 : _EDGE_SAMPLES + 1].flip(0)
    buffer[_EDGE_SAMPLES - mirrored.shape[0] : _EDGE_SAMPLES] = mirrored
    beyond = buffer.shape[0] - _EDGE_SAMPLES - MAX_CLIP_SAMPLES
    if beyond > 0:
        # Only a clip that fills the 30 s reaches their right edge, which is mirrored too.
        last = _EDGE_SAMPLES + MAX_CLIP_SAMPLES - 1
        buffer[last + 1 :] = buffer[last - beyond : last].flip(0)
    return buffer


@lru_cache(maxsize=8)
def _tables(device: torch.device) -> tuple[Tensor, Tensor]:
    """Hann window ``[400]`` and mel filters ``[80, 201]`` on a device."""
    window = torch.hann_window(FFT_SAMPLES, dtype=torch.float64).float()
    return window.to(device), torch.from_numpy(mel_filters()).to(device)


def mel_filters() -> np.ndarray:
    """Triangular filters ``[80, 201]`` on the Slaney mel scale, each of unit area, float32.

    The scale is linear up to 1 kHz and logarithmic above.
    """
    bins_hz = np.linspace(0.0, SAMPLE_RATE_HZ / 2, FFT_SAMPLES // 2 + 1)
    corners_mel = np.linspace(0.0, _hz_to_mel(SAMPLE_RATE_HZ / 2), N_MELS + 2)
    corners_hz = _mel_to_hz(corners_mel)
    widths_hz = np.diff(corners_hz)
    slopes = corners_hz[:, None] - bins_hz[None, :]  # [82, 201]
    rising = -slopes[:-2] / widths_hz[:-1, None]
    falling = slopes[2:] / widths_hz[1:, None]
    triangles = np.maximum(0.0, np.minimum(rising, falling))
    area = 2.0 / (corners_hz[2:] - corners_hz[:-2])
    return (triangles * area[:, None]).astype(np.float32)


_LINEAR_HZ_PER_MEL = 200.0 / 3.0
_KNEE_HZ = 1000.0
_KNEE_MEL = _KNEE_HZ / _LINEAR_HZ_PER_MEL
_LOG_STEP = np.log(6.4) / 27.0
"""Above the knee, 27 mels are a factor of 6.4 in frequency."""


def _hz_to_mel(hz: float) -> float:
    if hz < _KNEE_HZ:
        return hz / _LINEAR_HZ_PER_MEL
    return float(_KNEE_MEL + np.log(hz / _KNEE_HZ) / _LOG_STEP)


def _mel_to_hz(mel: np.ndarray) -> np.ndarray:
    logarithmic = _KNEE_HZ * np.exp(_LOG_STEP * (mel - _KNEE_MEL))
    return np.where(mel < _KNEE_MEL, mel * _LINEAR_HZ_PER_MEL, logarithmic)
