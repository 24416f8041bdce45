"""Trains the speech codec: mel spectrogram to codes and back."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from model.omni import OmniModel
from model.speech.codec import (
    LEVELS,
    N_GROUPS,
    N_RESIDUALS,
    RESIDUAL_SCALE,
    Codec,
    ResidualQuantizer,
    bound,
)
from model.speech.crossfade import SAMPLES_PER_FRAME
from model.speech.vocoder import Vocoder
from model.training.batches import WaveBatch
from model.training.speech_features import log_mel

SLOPE_WEIGHT = 0.25
"""Of the error of the differences between neighbouring frames."""


class CodecStage:
    """L1 on the log-mel spectrogram and on its slope over time."""

    name = "codec"
    prefixes = ("tts.dvae.",)

    def __init__(self, model: OmniModel) -> None:
        self.module: Codec = model.tts.dvae
        self._vocoder: Vocoder = model.vocoder
        self.module.requires_grad_(True)
        self.module.coef.requires_grad_(False)

    def begin(self, batch: WaveBatch) -> None:
        """Scale every mel band to about unit size, once."""
        mel = self._mel(batch)
        self.module.coef.copy_(mel.square().mean(dim=(0, 2), keepdim=True).sqrt())

    def losses(self, batch: WaveBatch) -> dict[str, Tensor]:
        """Reconstruction through the quantiser, straight through in the backward pass."""
        mel = self._mel(batch)
        made, used = reconstruct(self.module, mel)
        error = F.l1_loss(made, mel)
        slope = F.l1_loss(made.diff(dim=-1), mel.diff(dim=-1))
        return {"loss": error + SLOPE_WEIGHT * slope, "mel_l1": error, "codes_used": used}

    def _mel(self, batch: WaveBatch) -> Tensor:
        self._vocoder.to(self.module.coef.device)
        waves = torch.from_numpy(batch.waves).to(self.module.coef.device)
        return log_mel(waves, self._vocoder)


def reconstruct(codec: Codec, mel: Tensor) -> tuple[Tensor, Tensor]:
    """The spectrogram ``[B, n_mels, 2 T]`` through codes and back, with gradients.

    Equal to ``codec.decode(codec.encode(mel))``.

    Returns:
        ``[B, n_mels, 2 T]``, and the share of the first quantiser's grid points that occurred.
    """
    hidden = codec.encoder(codec.downsample_conv(mel / codec.coef)).transpose(1, 2)
    groups = zip(codec.vq_layer.quantizer.rvqs, hidden.chunk(N_GROUPS, dim=-1), strict=True)
    quantized = [quantize(rvq, part) for rvq, part in groups]
    features = torch.cat([part for part, _ in quantized], dim=-1)  # [B, T, 2 * dim]
    frames = features.unflatten(2, (2, -1)).flatten(1, 2)  # [B, 2 T, dim]
    made = codec.out_conv(codec.decoder(frames.transpose(1, 2))) * codec.coef
    digits = quantized[0][1].flatten(0, 1)
    n_used = digits.detach().unique(dim=0).shape[0]
    return made, mel.new_tensor(n_used / LEVELS ** digits.shape[1])


def quantize(rvq: ResidualQuantizer, features: Tensor) -> tuple[Tensor, Tensor]:
    """Features ``[B, T, C]`` on the grid; rounding passes gradients as if it were not there.

    Returns:
        Features after the grid ``[B, T, C]``, and the digits of the first code ``[B, T, 4]``.
    """
    half_width = LEVELS // 2
    rest = rvq.project_in(features).float()
    total, first = torch.zeros_like(rest), None
    for index in range(N_RESIDUALS):
        scale = RESIDUAL_SCALE**index
        bounded = bound(rest / scale)
        rounded = bounded + (bounded.round() - bounded).detach()
        first = rounded if first is None else first
        point = rounded / half_width * scale
        total = total + point
        rest = rest - point.detach()
    assert first is not None
    return rvq.project_out(total), first


@torch.no_grad()
def codes_of(model: OmniModel, wave: np.ndarray) -> np.ndarray:
    """Codes of one utterance, for :class:`SpokenText`.

    Args:
        model: Whose codec has been trained.
        wave: Float32 ``[n]`` at 24 kHz; padded with silence to whole frames of codes.

    Returns:
        Int16 ``[T, 4]``, T = ceil(n / 512).
    """
    samples = torch.from_numpy(wave).to(model.tts.dvae.coef.device)
    padded = F.pad(samples, (0, -len(wave) % SAMPLES_PER_FRAME))
    codes = model.tts.dvae.encode(log_mel(padded[None], model.vocoder))
    return codes[0].cpu().numpy().astype(np.int16)
