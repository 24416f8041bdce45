"""The vocoder: mel spectrogram to waveform.

24 kHz; a mel frame is 256 samples. Always float32: phases do not survive fewer bits.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from model.config import VocoderConfig
from model.speech.codec import Codec
from model.speech.convnext import LAYER_NORM_EPS, ConvNeXtBlock

N_FFT = 1024
"""Samples of one window of the spectrum."""
HOP_SAMPLES = 256
"""Samples per mel frame."""
N_BINS = N_FFT // 2 + 1
N_MELS = 100
MAX_MAGNITUDE = 100.0
EMBED_KERNEL_SIZE = 7


class Backbone(nn.Module):
    """ConvNeXt blocks over mel frames."""

    def __init__(self, config: VocoderConfig) -> None:
        super().__init__()
        self.embed = nn.Conv1d(
            N_MELS, config.dim, EMBED_KERNEL_SIZE, padding=EMBED_KERNEL_SIZE // 2
        )
        self.norm = nn.LayerNorm(config.dim, LAYER_NORM_EPS)
        self.convnext = nn.ModuleList(
            ConvNeXtBlock(config.dim, config.intermediate_dim, scale_name="gamma", dilation=1)
            for _ in range(config.num_layers)
        )
        self.final_layer_norm = nn.LayerNorm(config.dim, LAYER_NORM_EPS)

    def forward(self, mel: Tensor) -> Tensor:
        """Features ``[B, F, C]`` of mel frames ``[B, N_MELS, F]``."""
        x = self.norm(self.embed(mel).transpose(1, 2))
        for block in self.convnext:
            x = block(x)
        return self.final_layer_norm(x)


class InverseSpectrum(nn.Module):
    """Inverse short-time Fourier transform that gives ``HOP_SAMPLES`` per frame, no more.

    Source: vocos 0.1.0, ISTFT with padding "same".
    Differs: overlap-add as a few shifted sums of whole hops.
    """

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("window", torch.hann_window(N_FFT))

    def forward(self, spectrum: Tensor) -> Tensor:
        """Waveform ``[B, HOP_SAMPLES * F]`` of a complex spectrum ``[B, F, N_BINS]``."""
        frames = torch.fft.irfft(spectrum, N_FFT) * self.window  # [B, F, N_FFT]
        weights = self.window.square().expand(1, frames.shape[1], -1)
        trim = (N_FFT - HOP_SAMPLES) // 2
        wave, weight = overlap_add(frames), overlap_add(weights)
        return wave[:, trim:-trim] / weight[:, trim:-trim]


def overlap_add(frames: Tensor) -> Tensor:
    """Sum frames ``[B, F, N_FFT]`` at distances of one hop: ``[B, (F - 1) * hop + N_FFT]``."""
    batch, n_frames, _ = frames.shape
    per_frame = N_FFT // HOP_SAMPLES
    hops = frames.view(batch, n_frames, per_frame, HOP_SAMPLES)
    total = frames.new_zeros(batch, n_frames + per_frame - 1, HOP_SAMPLES)
    for index in range(per_frame):
        total[:, index : index + n_frames] += hops[:, :, index]
    return total.view(batch, -1)


class SpectrumHead(nn.Module):
    """Features to magnitude and phase, and on to samples."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.out = nn.Linear(channels, 2 * N_BINS)
        self.istft = InverseSpectrum()

    def forward(self, x: Tensor) -> Tensor:
        """Waveform ``[B, HOP_SAMPLES * F]`` of features ``[B, F, C]``."""
        log_magnitude, phase = self.out(x).chunk(2, dim=-1)
        return self.istft(torch.polar(log_magnitude.exp().clamp(max=MAX_MAGNITUDE), phase))


class _Spectrogram(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("window", torch.hann_window(N_FFT))


class _MelScale(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("fb", torch.zeros(N_BINS, N_MELS))


class _MelSpectrogram(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.spectrogram = _Spectrogram()
        self.mel_scale = _MelScale()


class MelFeatures(nn.Module):
    """Holds the window and the mel filters that the checkpoint carries for making features."""

    def __init__(self) -> None:
        super().__init__()
        self.mel_spec = _MelSpectrogram()


class Vocoder(nn.Module):
    """Vocos.

    Source: vocos 0.1.0, Vocos (VocosBackbone, ISTFTHead).
    """

    def __init__(self, config: VocoderConfig) -> None:
        super().__init__()
        self.feature_extractor = MelFeatures()
        self.backbone = Backbone(config)
        self.head = SpectrumHead(config.dim)

    def forward(self, mel: Tensor) -> Tensor:
        """Waveform ``[B, 256 F]`` at 24 kHz of a log-mel spectrogram ``[B, 100, F]``, float32."""
        return self.head(self.backbone(mel.float()))


def vocode(windows: Sequence[Tensor], codec: Codec, vocoder: Vocoder) -> list[Tensor]:
    """Waveforms of code windows of any lengths.

    Windows of equal length are decoded together; none is padded to another's length, as the codec
    would hear the padding.

    Args:
        windows: Codes ``[T_i, 4]``.
        codec: Codes to mel.
        vocoder: Mel to samples.

    Returns:
        Float32 ``[512 T_i]`` per window, in order.
    """
    waves: dict[int, Tensor] = {}
    by_length: dict[int, list[int]] = {}
    for index, window in enumerate(windows):
        by_length.setdefault(window.shape[0], []).append(index)
    for indices in by_length.values():
        codes = torch.stack([windows[index] for index in indices])
        mel = codec.decode(codes.to(codec.coef.device))
        waves.update(zip(indices, vocoder(mel), strict=True))
    return [waves[index] for index in range(len(windows))]
