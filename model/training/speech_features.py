"""The log-mel spectrogram that codec and vocoder speak to each other in, at 24 kHz.

Vocos's features with padding "same": a clip of ``256 F`` samples has ``F`` frames, aligned with the
samples that the vocoder's inverse transform makes of them.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from model.config import SPEECH_SAMPLE_RATE_HZ
from model.speech.vocoder import HOP_SAMPLES, N_BINS, N_FFT, N_MELS, Vocoder

MIN_MAGNITUDE = 1e-5
_HZ_OF_HTK, _MEL_OF_HTK = 700.0, 2595.0


def mel_filters() -> Tensor:
    """Triangular filters ``[N_BINS, N_MELS]`` on the HTK mel scale, each of height 1."""
    bins_hz = torch.linspace(0, SPEECH_SAMPLE_RATE_HZ / 2, N_BINS, dtype=torch.float64)
    top_mel = _MEL_OF_HTK * math.log10(1 + SPEECH_SAMPLE_RATE_HZ / 2 / _HZ_OF_HTK)
    corners_mel = torch.linspace(0, top_mel, N_MELS + 2, dtype=torch.float64)
    corners_hz = _HZ_OF_HTK * (10 ** (corners_mel / _MEL_OF_HTK) - 1)
    widths_hz = corners_hz.diff()
    slopes = corners_hz - bins_hz[:, None]  # [N_BINS, N_MELS + 2]
    falling, rising = -slopes[:, :-2] / widths_hz[:-1], slopes[:, 2:] / widths_hz[1:]
    return torch.minimum(falling, rising).clamp(min=0).float()


def magnitudes(waves: Tensor, n_fft: int, hop: int) -> Tensor:
    """Magnitude spectra ``[B, n // hop, n_fft // 2 + 1]`` of waves ``[B, n]``, mirrored edges."""
    left = (n_fft - hop) // 2
    padded = F.pad(waves.unsqueeze(1), (left, n_fft - hop - left), mode="reflect").squeeze(1)
    window = torch.hann_window(n_fft, device=waves.device)
    spectrum = torch.fft.rfft(padded.unfold(1, n_fft, hop) * window)
    # Not abs(): its gradient at zero is not a number.
    return (torch.view_as_real(spectrum).square().sum(-1) + 1e-9).sqrt()


def log_mel(waves: Tensor, vocoder: Vocoder) -> Tensor:
    """Log-mel spectrogram ``[B, N_MELS, n // 256]`` of waves ``[B, n]`` at 24 kHz.

    The filters are those the vocoder's checkpoint carries.
    """
    filters = vocoder.feature_extractor.mel_spec.mel_scale.fb
    with torch.autocast(waves.device.type, enabled=False):
        mel = magnitudes(waves.float(), N_FFT, HOP_SAMPLES) @ filters.float()
        return mel.clamp(min=MIN_MAGNITUDE).log().transpose(1, 2)
