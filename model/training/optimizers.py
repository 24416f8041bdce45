"""What moves the weights: AdamW, or Muon for the matrices and AdamW for the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Literal

import torch
from torch import Tensor, nn

OptimizerName = Literal["adamw", "muon"]

MOMENTUM = 0.95
UPDATE_SIZE = 0.2
"""Root mean square of an entry of a Muon step, relative to the learning rate: that of AdamW, so
that both take the same rates."""
POLYNOMIALS = (
    (4.0848, -6.8946, 2.9270),
    (3.9505, -6.3029, 2.6377),
    (3.7418, -5.5913, 2.3037),
    (2.8769, -3.1427, 1.2046),
)
"""Coefficients a, b, c of ``a x + b x³ + c x⁵``, one after another: they bring every singular value
above a hundredth of the largest near 1. With a fifth the joint stage came to the same loss in as
many steps."""


class Muon(torch.optim.Optimizer):
    """Steps of matrices whose singular values are all about equal.

    torch.optim.Muon computes the same in bfloat16, which processors without it imitate slowly;
    this one does so only where it is told to.

    Source: K. Jordan et al., "Muon: An optimizer for hidden layers in neural networks" (2024);
    size of a step as in J. Liu et al., "Muon is scalable for LLM training" (2025).
    """

    def __init__(self, groups: Iterable[dict[str, Any]], lr: float, *, bf16: bool = False) -> None:
        """Prepare.

        Args:
            groups: Parameter groups of matrices ``[out, in]``, each with its ``weight_decay``.
            lr: Learning rate.
            bf16: Compute the directions in bfloat16. Where a processor has it, a step of the speech
                decoder's matrices takes a third of the time.
        """
        super().__init__(groups, {"lr": lr, "weight_decay": 0.0})
        self._orthogonal = orthogonal_bf16 if bf16 else orthogonal

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Move every matrix that has a gradient."""
        if closure is not None:
            raise ValueError("Muon takes no closure; compute the gradients before the step")
        for group in self.param_groups:
            for matrix in group["params"]:
                if matrix.grad is None:
                    continue
                state = self.state[matrix]
                if "momentum" not in state:
                    state["momentum"] = torch.zeros_like(matrix)
                momentum = state["momentum"].lerp_(matrix.grad, 1 - MOMENTUM)
                # A look ahead, as in Nesterov's momentum.
                update = self._orthogonal(matrix.grad.lerp(momentum, MOMENTUM))
                matrix.mul_(1 - group["lr"] * group["weight_decay"])
                matrix.add_(update, alpha=-group["lr"] * UPDATE_SIZE * max(matrix.shape) ** 0.5)


def orthogonal(matrix: Tensor) -> Tensor:
    """``matrix`` ``[m, n]`` with its singular values brought near 1, its directions kept."""
    wide = _scaled(matrix)
    # All products are of polynomials in this one small matrix, which commute: 256 x 960 takes
    # about half as long as with the wide matrix in every one of them.
    gram = wide @ wide.T
    factor = _value_of(POLYNOMIALS[0], gram)
    scale = factor
    for coefficients in POLYNOMIALS[1:]:
        gram = factor @ gram @ factor
        factor = _value_of(coefficients, gram)
        scale = factor @ scale
    return _as_shaped(scale @ wide, matrix)


def orthogonal_bf16(matrix: Tensor) -> Tensor:
    """:func:`orthogonal` by products of bfloat16; float32.

    Each polynomial is applied to the wide matrix: the small one of squares, to which a bfloat16
    rounds a hundredth of the largest singular value away, would not bear four in a row.
    """
    wide = _scaled(matrix).bfloat16()
    for a, b, c in POLYNOMIALS:
        gram = wide @ wide.T
        factor = torch.addmm(gram, gram, gram, beta=b, alpha=c)
        wide = torch.addmm(wide, factor, wide, beta=a)
    return _as_shaped(wide.float(), matrix)


def _scaled(matrix: Tensor) -> Tensor:
    """``matrix`` or its transpose, whichever is wide, with singular values below 1."""
    wide = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    return wide / (1.01 * wide.norm() + torch.finfo(wide.dtype).tiny)


def _as_shaped(wide: Tensor, matrix: Tensor) -> Tensor:
    return wide if matrix.shape[0] <= matrix.shape[1] else wide.T


def _value_of(coefficients: tuple[float, float, float], gram: Tensor) -> Tensor:
    """``a + b G + c G²`` of a symmetric ``G``."""
    a, b, c = coefficients
    value = torch.addmm(b * gram, gram, gram, alpha=c)
    value.diagonal().add_(a)
    return value


def make_optimizers(
    module: nn.Module,
    learning_rate: float,
    weight_decay: float,
    betas: tuple[float, float],
    name: OptimizerName = "adamw",
    *,
    bf16: bool = False,
) -> list[torch.optim.Optimizer]:
    """Optimizers over what requires a gradient; tables, norms and biases are not decayed.

    Args:
        module: What is trained.
        learning_rate: Of all.
        weight_decay: Of matrices and kernels.
        betas: Of AdamW.
        name: ``muon``: it moves the matrices between hidden states; tables, heads (by name),
            kernels and vectors stay with AdamW.
        bf16: Muon computes in bfloat16.

    Raises:
        ValueError: No parameter requires a gradient.
    """
    tables = {id(m.weight) for m in module.modules() if isinstance(m, nn.Embedding)}
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for path, parameter in module.named_parameters():
        if parameter.requires_grad:
            decays = parameter.ndim > 1 and id(parameter) not in tables
            between = decays and parameter.ndim == 2 and "head" not in path
            by_muon = name == "muon" and between
            groups.setdefault((by_muon, decays), []).append(parameter)
    if not groups:
        raise ValueError("nothing to train: no parameter requires a gradient")
    of_muon, of_adamw = (
        [
            {"params": parameters, "weight_decay": weight_decay if decays else 0.0}
            for (by_muon, decays), parameters in groups.items()
            if by_muon is wanted
        ]
        for wanted in (True, False)
    )
    optimizers: list[torch.optim.Optimizer] = []
    if of_muon:
        optimizers.append(Muon(of_muon, learning_rate, bf16=bf16))
    if of_adamw:
        optimizers.append(torch.optim.AdamW(of_adamw, lr=learning_rate, betas=betas))
    return optimizers
