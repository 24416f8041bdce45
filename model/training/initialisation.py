"""Fresh weights that train well, by the role a tensor plays; every network starts from these."""

from __future__ import annotations

import math
import re

import torch
from torch import Tensor, nn

from model.omni import OmniModel
from model.training.speech_features import mel_filters
from model.training.vision_initialisation import initialise_vision

TABLE_STD = 0.02
HIDDEN_GAIN = 0.8
"""Standard deviation of a matrix against the one that keeps the size of its input."""
AUDIO_POSITION_SCALE = 0.15
"""A sine of full size drowns the features of the convolutions."""
BLOCK_SCALE = 0.25
"""What a ConvNeXt block adds at first, relative to its output."""

_RESIDUAL_OUTPUT = re.compile(r"layers\.\d+\..*(o_proj|out_proj|down_proj|fc2)\.weight$")
_CONVNEXT_SCALE = re.compile(r"(decoder_block|convnext)\.\d+\.(coef|gamma)$")
_TABLE = re.compile(r"(embed_tokens|position_embedding|emb_text|emb_code\.\d+|lm_head)\.weight$")


def initialise(model: OmniModel, seed: int) -> None:
    """Fill all weights and buffers of a model; the same for the same seed and shape."""
    generator = torch.Generator().manual_seed(seed)
    depth = {
        name: len(layers) for name, layers in model.named_modules() if name.endswith(".layers")
    }
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            fresh = fresh_values(name, parameter, generator)
            if _RESIDUAL_OUTPUT.search(name):
                stack = name[: name.rindex("layers.")] + "layers"
                fresh /= math.sqrt(2 * depth.get(stack, 1))
            parameter.copy_(fresh)
        model.apm.embed_positions.weight.copy_(
            sinusoids(*model.apm.embed_positions.weight.shape) * AUDIO_POSITION_SCALE
        )
        initialise_vision(model.vpm, model.config)
        features = model.vocoder.feature_extractor.mel_spec
        features.mel_scale.fb.copy_(mel_filters())
        for window in (features.spectrogram.window, model.vocoder.head.istft.window):
            window.copy_(torch.hann_window(window.shape[0]))


def fresh_values(name: str, like: nn.Parameter, generator: torch.Generator) -> Tensor:
    """Values for one parameter, on the CPU."""
    shape = like.shape
    if name.endswith((".bias", "in_proj_bias")):
        return torch.zeros(shape)
    if _CONVNEXT_SCALE.search(name):
        return torch.full(shape, BLOCK_SCALE)
    if like.ndim == 1 or name.endswith(("original0", "dvae.coef")):
        return torch.ones(shape)
    noise = torch.randn(shape, generator=generator)
    if name.endswith("original1"):
        return noise
    if _TABLE.search(name) or name == "resampler.query":
        return noise * TABLE_STD
    # proj and in_proj multiply from either side, but are square per part: fan-in is the last axis.
    fan_in = like[0].numel()
    return noise * (HIDDEN_GAIN * fan_in**-0.5)


def sinusoids(n_positions: int, n_channels: int) -> Tensor:
    """Whisper's position table ``[n_positions, n_channels]``."""
    half = n_channels // 2
    step = math.log(10_000) / max(half - 1, 1)
    angle = torch.outer(torch.arange(n_positions), torch.exp(-step * torch.arange(half)))
    return torch.cat([angle.sin(), angle.cos()], dim=1)
