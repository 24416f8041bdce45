"""Which weights an optimiser moves, and how Muon moves a matrix."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from model.training.optimizers import (
    Muon,
    OptimizerName,
    make_optimizers,
    orthogonal,
    orthogonal_bf16,
)

pytestmark = pytest.mark.unit


def of_sizes(singular_values: Tensor, shape: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """A matrix with these singular values, and the one with its directions and only ones."""
    torch.manual_seed(0)
    k = len(singular_values)
    left = torch.linalg.qr(torch.randn(shape[0], k)).Q
    right = torch.linalg.qr(torch.randn(shape[1], k)).Q
    return left @ singular_values.diag() @ right.T, left @ right.T


@pytest.mark.parametrize("orthogonal", [orthogonal, orthogonal_bf16])
@pytest.mark.parametrize("shape", [(24, 24), (24, 80), (80, 24)])
def test_all_directions_of_a_step_are_about_equally_long(
    shape: tuple[int, int], orthogonal: Callable[[Tensor], Tensor]
) -> None:
    matrix, directions = of_sizes(torch.logspace(-1.5, 0, 24), shape)
    step = orthogonal(matrix)
    assert torch.linalg.svdvals(matrix).max() > 30 * torch.linalg.svdvals(matrix).min()
    assert 0.6 < torch.linalg.svdvals(step).min() <= torch.linalg.svdvals(step).max() < 1.3
    assert torch.cosine_similarity(step.flatten(), directions.flatten(), dim=0) > 0.97
    assert step.dtype == torch.float32
    assert torch.allclose(orthogonal(1000 * matrix), step, atol=1e-4)


def test_a_step_of_muon_is_as_large_as_one_of_adamw() -> None:
    torch.manual_seed(0)
    moved = {}
    for name in ("muon", "adamw"):
        line = nn.Linear(64, 64, bias=False)
        before = line.weight.detach().clone()
        (optimizer,) = make_optimizers(line, 0.1, 0.0, (0.9, 0.98), name)  # type: ignore[arg-type]
        line.weight.grad = torch.randn(64, 64)
        optimizer.step()
        moved[name] = float((line.weight.detach() - before).square().mean().sqrt())
    assert moved["adamw"] == pytest.approx(0.1, rel=0.01)
    # The first step of AdamW is five times its usual one.
    assert moved["muon"] == pytest.approx(0.02, rel=0.2)


@pytest.mark.parametrize("bf16", [False, True])
def test_without_a_gradient_a_matrix_stays(bf16: bool) -> None:
    line = nn.Linear(4, 4, bias=False)
    before = line.weight.detach().clone()
    (optimizer,) = make_optimizers(line, 0.1, 0.1, (0.9, 0.98), "muon", bf16=bf16)
    optimizer.step()
    assert torch.equal(line.weight, before)
    line.weight.grad = torch.zeros(4, 4)
    optimizer.step()
    assert torch.isfinite(line.weight).all()


def test_muon_refuses_a_closure() -> None:
    optimizer = Muon([{"params": [nn.Parameter(torch.ones(2, 2))]}], 0.1)
    with pytest.raises(ValueError, match="no closure"):
        optimizer.step(lambda: 0.0)


def parts() -> nn.ModuleDict:
    module = nn.ModuleDict(
        {
            "table": nn.Embedding(5, 4),
            "norm": nn.LayerNorm(4),
            "line": nn.Linear(4, 4),
            "kernel": nn.Conv1d(4, 4, 3, bias=False),
            "lm_head": nn.Linear(4, 5, bias=False),
        }
    )
    module["norm"].requires_grad_(False)
    return module


@pytest.mark.parametrize("name", ["adamw", "muon"])
def test_only_matrices_decay_and_only_free_parameters_are_trained(name: OptimizerName) -> None:
    module = parts()
    optimizers = make_optimizers(module, 1e-3, 0.05, (0.9, 0.98), name)
    groups = [group for optimizer in optimizers for group in optimizer.param_groups]
    decayed = {id(p) for group in groups if group["weight_decay"] > 0 for p in group["params"]}
    assert decayed == {id(module[part].weight) for part in ("line", "kernel", "lm_head")}
    assert sum(len(group["params"]) for group in groups) == 5


def test_muon_moves_the_matrices_between_hidden_states_alone() -> None:
    module = parts()
    muon, adamw = make_optimizers(module, 1e-3, 0.05, (0.9, 0.98), "muon")
    assert isinstance(muon, Muon) and isinstance(adamw, torch.optim.AdamW)
    assert [p is module["line"].weight for g in muon.param_groups for p in g["params"]] == [True]


def test_something_must_be_free() -> None:
    module = nn.Linear(2, 2).requires_grad_(False)
    with pytest.raises(ValueError, match="nothing to train"):
        make_optimizers(module, 1e-3, 0.0, (0.9, 0.98))
