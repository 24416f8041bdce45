"""The loss that guides one attention head."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from model.training.joint_sequence import Guide
from model.training.listening import LISTENING_HEAD, listening_loss
from model.training.packed_calls import PackedCall

pytestmark = pytest.mark.unit


def test_the_listening_head_is_drawn_to_the_sound_of_the_word() -> None:
    call = PackedCall((0, 2), (3, 7))  # six positions, one of another call in between
    queries = torch.zeros(7, 4, 8)
    keys = torch.zeros(7, 2, 8)
    keys[2] = 9.0
    even = listening_loss(queries, keys, [(call, [Guide(5, (1, 3))])])
    assert float(even) == pytest.approx(np.log(6 / 2))
    queries[6, LISTENING_HEAD, 0] = keys[1, 0, 0] = keys[3, 0, 0] = 5.0
    assert float(listening_loss(queries, keys, [(call, [Guide(5, (1, 3))])])) < 0.01
    later = listening_loss(torch.zeros_like(queries), keys, [(call, [Guide(2, (1, 3))])])
    assert float(later) == pytest.approx(np.log(3 / 2))
