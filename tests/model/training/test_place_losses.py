"""Places with a thing count more than those without, and the unknown not at all."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from model.training.batches import IGNORED
from model.training.place_losses import NOTHING_WEIGHT, place_losses

pytestmark = pytest.mark.unit

SCORES = torch.tensor([[3.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 2.0], [9.0, 9.0, -9.0]])


def test_things_and_nothing_are_averaged_apart() -> None:
    losses, things = place_losses(SCORES, torch.tensor([0, 0, 2, IGNORED]))
    assert things.tolist() == [True, True, False, False]
    expected = F.cross_entropy(SCORES[:2], torch.tensor([0, 0]))
    empty = NOTHING_WEIGHT * F.cross_entropy(SCORES[2:3], torch.tensor([2]))
    torch.testing.assert_close(losses, [expected, empty])


def test_what_is_not_there_has_no_loss() -> None:
    assert len(place_losses(SCORES, torch.tensor([0, 1, IGNORED, IGNORED]))[0]) == 1
    losses, things = place_losses(SCORES, torch.full((4,), IGNORED))
    assert losses == [] and not things.any()


def test_any_class_may_be_nothing() -> None:
    losses, things = place_losses(SCORES, torch.tensor([0, 1, 0, IGNORED]), nothing=0)
    assert things.tolist() == [False, True, False, False]
    expected = F.cross_entropy(SCORES[1:2], torch.tensor([1]))
    empty = NOTHING_WEIGHT * F.cross_entropy(SCORES[[0, 2]], torch.tensor([0, 0]))
    torch.testing.assert_close(losses, [expected, empty])
