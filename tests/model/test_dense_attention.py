"""Attention for training: what it computes does not depend on how."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from model.dense_attention import DenseMask, attend_dense

pytestmark = pytest.mark.unit

BATCH, HEADS, ASKED, SEEN, SIZE = 3, 2, 40, 56, 16


def parts(dtype: torch.dtype) -> list[Tensor]:
    """Queries, keys and values."""
    torch.manual_seed(0)
    lengths = (ASKED, SEEN, SEEN)
    made = [torch.randn(BATCH, HEADS, length, SIZE).bfloat16() for length in lengths]
    return [part.to(dtype).requires_grad_() for part in made]


def visibility(*, shared: bool) -> Tensor:
    """The last positions see up to themselves; one also sees nothing but the first."""
    visible = torch.ones(1 if shared else BATCH, ASKED, SEEN).tril(SEEN - ASKED).bool()
    visible[-1, 3, 1:] = False
    return visible


@pytest.mark.parametrize("shared", [True, False])
def test_products_of_bfloat16_are_the_attention_of_float32(shared: bool) -> None:
    visible = visibility(shared=shared)
    torch.manual_seed(1)
    wanted = torch.randn(BATCH, HEADS, ASKED, SIZE)
    exact, rounded = parts(torch.float32), parts(torch.bfloat16)
    expected = F.scaled_dot_product_attention(*exact, attn_mask=visible[:, None])
    (expected * wanted).sum().backward()
    with torch.autocast("cpu", torch.bfloat16):
        attended = attend_dense(*rounded, DenseMask(visible))
    assert attended.dtype == torch.bfloat16
    (attended.float() * wanted).sum().backward()
    assert torch.allclose(attended.float(), expected, atol=0.03)
    for ours, theirs in zip(rounded, exact, strict=True):
        assert ours.grad is not None and theirs.grad is not None
        error = (ours.grad.float() - theirs.grad).norm() / theirs.grad.norm()
        assert error < 0.02


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_what_is_not_visible_is_not_seen(dtype: torch.dtype) -> None:
    queries, keys, values = (part.detach() for part in parts(dtype))
    before = attend_dense(queries, keys, values, DenseMask(visibility(shared=True)))
    keys[:, :, -1], values[:, :, -1] = 7.0, 100.0
    after = attend_dense(queries, keys, values, DenseMask(visibility(shared=True)))
    assert torch.equal(before[:, :, :-1], after[:, :, :-1])
    assert not torch.equal(before[:, :, -1], after[:, :, -1])
    assert torch.allclose(after[:, :, 3], values[:, :, 0])
