"""The ConvNeXt block."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from model.speech.convnext import ConvNeXtBlock

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("dilation", [1, 2])
def test_a_frame_hears_three_taps_to_either_side(dilation: int) -> None:
    torch.manual_seed(0)
    block = ConvNeXtBlock(4, 8, scale_name="gamma", dilation=dilation)
    x = torch.randn(1, 31, 4)
    other = x.clone()
    other[0, 15] += 1.0
    heard = (block(x) != block(other)).any(-1)[0].nonzero().flatten().tolist()
    assert heard == [15 + tap * dilation for tap in range(-3, 4)]


def test_the_scale_has_the_name_it_is_given_and_scales_the_branch() -> None:
    torch.manual_seed(2)
    block = ConvNeXtBlock(4, 8, scale_name="coef", dilation=1)
    x = torch.randn(2, 9, 4)
    assert "coef" in block.state_dict()
    block.coef.data.zero_()
    assert torch.equal(block(x), x)


def test_the_branch_is_convolution_norm_and_feed_forward() -> None:
    torch.manual_seed(1)
    block = ConvNeXtBlock(4, 8, scale_name="gamma", dilation=2)
    block.gamma.data.uniform_()
    x = torch.randn(1, 6, 4)
    padded = F.pad(x, (0, 0, 6, 6))
    taps = block.dwconv.weight[:, 0]  # [C, 7]
    convolved = sum(padded[:, 2 * k : 2 * k + 6] * taps[:, k] for k in range(7)) + block.dwconv.bias
    normed = F.layer_norm(convolved, (4,), block.norm.weight, block.norm.bias, 1e-6)
    branch = block.pwconv2(F.gelu(block.pwconv1(normed)))
    torch.testing.assert_close(block(x), x + branch * block.gamma)
