"""Names of looks."""

from __future__ import annotations

import pytest

from model.training.scenes.looks import CALL_LOOKS, EVAL_LOOK, LOOKS, TRAIN_LOOKS, is_eval_seed

pytestmark = pytest.mark.unit


def test_the_evaluations_look_is_not_one_of_trainings() -> None:
    assert EVAL_LOOK not in TRAIN_LOOKS and set(CALL_LOOKS) < set(TRAIN_LOOKS)
    assert set(LOOKS) == {*TRAIN_LOOKS, EVAL_LOOK}
    assert is_eval_seed(3) and not is_eval_seed(4)
