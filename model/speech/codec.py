"""The speech codec: codes to mel spectrogram, and back for training.

A frame is four codes and stands for two mel frames.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from model.config import CodecConfig, SpeechConfig
from model.speech.convnext import ConvNeXtBlock

LEVELS = 5
"""Values that each dimension of a quantised vector takes."""
DIMENSIONS = 4
"""Dimensions of a quantised vector; a code is its digits, lowest first."""
N_GROUPS = 2
"""Parts of the channels, each quantised on its own."""
N_RESIDUALS = 2
"""Codes per group: each refines the one before."""
RESIDUAL_SCALE = 1 / (LEVELS - 1)
"""Size of a residual's grid relative to the one before."""
BOUND_MARGIN = 1e-3
"""How far past the outermost grid points the encoder's values may lie, relative."""
MEL_FRAMES_PER_CODE = 2
BLOCK_DILATION = 2
FEED_FORWARD_FACTOR = 4


class ResidualQuantizer(nn.Module):
    """Finite scalar quantiser of one group: a code is a point of a small grid.

    Source: vector-quantize-pytorch 1.18.5, ResidualFSQ.
    Differs: no table of points; a code's digits are the point.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.project_in = nn.Linear(channels, DIMENSIONS)
        self.project_out = nn.Linear(DIMENSIONS, channels)

    def forward(self, codes: Tensor) -> Tensor:
        """Features ``[B, T, C]`` of codes ``[B, T, N_RESIDUALS]``."""
        points = sum(
            grid_points(codes[..., index]) * RESIDUAL_SCALE**index for index in range(N_RESIDUALS)
        )
        return self.project_out(points.to(self.project_out.weight.dtype))

    def encode(self, features: Tensor) -> Tensor:
        """Nearest codes ``[B, T, N_RESIDUALS]`` of features ``[B, T, C]``."""
        rest = self.project_in(features)
        codes = []
        for index in range(N_RESIDUALS):
            scale = RESIDUAL_SCALE**index
            nearest = nearest_codes(rest / scale)
            codes.append(nearest)
            rest = rest - grid_points(nearest) * scale
        return torch.stack(codes, dim=-1)


def digit_weights(device: torch.device) -> Tensor:
    """What a step of each digit adds to a code, ``[DIMENSIONS]``."""
    return LEVELS ** torch.arange(DIMENSIONS, device=device)


def grid_points(codes: Tensor) -> Tensor:
    """Grid points ``[..., DIMENSIONS]``, in -1 .. 1, of codes ``[...]``."""
    digits = codes.unsqueeze(-1) // digit_weights(codes.device) % LEVELS
    half_width = LEVELS // 2
    return (digits - half_width) / half_width


def bound(values: Tensor) -> Tensor:
    """Squash values smoothly into the range of the grid, in steps of the grid."""
    return values.tanh() * ((LEVELS - 1) * (1 + BOUND_MARGIN) / 2)


def nearest_codes(values: Tensor) -> Tensor:
    """Codes ``[...]`` of the grid points nearest to ``[..., DIMENSIONS]`` after squashing."""
    digits = bound(values).round().long() + LEVELS // 2
    return (digits * digit_weights(values.device)).sum(-1)


class GroupedQuantizer(nn.Module):
    """One residual quantiser per group of channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.rvqs = nn.ModuleList(ResidualQuantizer(channels // N_GROUPS) for _ in range(N_GROUPS))

    def forward(self, codes: Tensor) -> Tensor:
        """Features ``[B, T, C]`` of codes ``[B, T, N_GROUPS * N_RESIDUALS]``."""
        parts = codes.split(N_RESIDUALS, dim=-1)
        return torch.cat([rvq(part) for rvq, part in zip(self.rvqs, parts, strict=True)], dim=-1)

    def encode(self, features: Tensor) -> Tensor:
        """Nearest codes ``[B, T, N_GROUPS * N_RESIDUALS]`` of features ``[B, T, C]``."""
        parts = features.chunk(N_GROUPS, dim=-1)
        codes = [rvq.encode(part) for rvq, part in zip(self.rvqs, parts, strict=True)]
        return torch.cat(codes, dim=-1)


class QuantizerLayer(nn.Module):
    """Holds the quantiser under its checkpoint name."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.quantizer = GroupedQuantizer(channels)


class ConvNet(nn.Module):
    """Two convolutions, ConvNeXt blocks and a projection; both halves of the codec are one."""

    def __init__(self, in_channels: int, out_channels: int, config: CodecConfig) -> None:
        super().__init__()
        self.conv_in = nn.Sequential(
            nn.Conv1d(in_channels, config.bn_dim, 3, padding=1),
            nn.GELU(),
            nn.Conv1d(config.bn_dim, config.hidden, 3, padding=1),
        )
        self.decoder_block = nn.ModuleList(
            ConvNeXtBlock(
                config.hidden,
                config.hidden * FEED_FORWARD_FACTOR,
                scale_name="coef",
                dilation=BLOCK_DILATION,
            )
            for _ in range(config.n_layer)
        )
        self.conv_out = nn.Conv1d(config.hidden, out_channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Transform ``[B, in_channels, T]`` to ``[B, out_channels, T]``."""
        x = self.conv_in(x).transpose(1, 2)  # [B, T, C]
        for block in self.decoder_block:
            x = block(x)
        return self.conv_out(x.transpose(1, 2))


class Codec(nn.Module):
    """Grouped residual finite scalar quantisation and convolutional nets around it.

    Decoding is not causal and reaches 75 mel frames to either side, so the mel of a window differs
    from that part of the mel of everything.

    Source: openbmb/MiniCPM-o-2_6, modeling_minicpmo.py::DVAE.
    Differs: codes in, ``[B, T, 4]``; encoding is there for training and unused when serving.
    """

    def __init__(self, config: SpeechConfig) -> None:
        super().__init__()
        dim, n_mels = config.codec.dim, config.num_mel_bins
        latent = dim * MEL_FRAMES_PER_CODE
        self.coef = nn.Parameter(torch.ones(1, n_mels, 1))
        self.downsample_conv = nn.Sequential(
            nn.Conv1d(n_mels, dim, 3, padding=1),
            nn.GELU(),
            nn.Conv1d(dim, dim, 4, stride=MEL_FRAMES_PER_CODE, padding=1),
            nn.GELU(),
        )
        self.encoder = ConvNet(dim, latent, config.codec)
        self.decoder = ConvNet(dim, dim, config.codec)
        self.out_conv = nn.Conv1d(dim, n_mels, 3, padding=1, bias=False)
        self.vq_layer = QuantizerLayer(latent)

    def features(self, codes: Tensor) -> Tensor:
        """Quantised features ``[B, T, 2 * dim]`` of codes ``[B, T, 4]``."""
        return self.vq_layer.quantizer(codes)

    def decode(self, codes: Tensor) -> Tensor:
        """Log-mel spectrogram ``[B, n_mels, 2 T]`` of codes ``[B, T, 4]`` below 625."""
        features = self.features(codes)
        batch, length, _ = features.shape
        # The first half of the channels is the even mel frame, the second the odd one.
        frames = features.view(batch, length * MEL_FRAMES_PER_CODE, -1)
        hidden = self.decoder(frames.transpose(1, 2))
        return self.out_conv(hidden) * self.coef

    def encode(self, mel: Tensor) -> Tensor:
        """Codes ``[B, T, 4]`` of a log-mel spectrogram ``[B, n_mels, 2 T]``."""
        hidden = self.encoder(self.downsample_conv(mel / self.coef))
        return self.vq_layer.quantizer.encode(hidden.transpose(1, 2))
