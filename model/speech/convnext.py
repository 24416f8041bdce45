"""The ConvNeXt block that the codec and the vocoder share."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LAYER_NORM_EPS = 1e-6
KERNEL_SIZE = 7


class ConvNeXtBlock(nn.Module):
    """Depthwise convolution over time, then a feed-forward block, scaled and added.

    Works on ``[B, T, C]``: only the convolution needs time next to channels, and a depthwise one is
    a sum of shifted products.
    """

    def __init__(self, channels: int, intermediate: int, *, scale_name: str, dilation: int) -> None:
        """Build a block.

        Args:
            channels: C.
            intermediate: Width of the feed-forward block.
            scale_name: Name of the channel scale in the checkpoint.
            dilation: Frames between the taps of the convolution.
        """
        super().__init__()
        self.dwconv = nn.Conv1d(
            channels,
            channels,
            KERNEL_SIZE,
            padding=dilation * (KERNEL_SIZE // 2),
            dilation=dilation,
            groups=channels,
        )
        self.norm = nn.LayerNorm(channels, LAYER_NORM_EPS)
        self.pwconv1 = nn.Linear(channels, intermediate)
        self.pwconv2 = nn.Linear(intermediate, channels)
        self._scale_name = scale_name
        self.register_parameter(scale_name, nn.Parameter(torch.ones(channels)))

    def forward(self, x: Tensor) -> Tensor:
        """Transform ``[B, T, C]``."""
        residual = x
        x = self.dwconv(x.transpose(1, 2)).transpose(1, 2)
        x = self.pwconv2(F.gelu(self.pwconv1(self.norm(x))))
        return residual + x * self.get_parameter(self._scale_name)
