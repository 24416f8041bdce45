"""What producers may leave out."""

from __future__ import annotations

import dataclasses

import pytest

from model.training import batches

pytestmark = pytest.mark.unit


def test_the_smallest_call_is_one_typed_turn() -> None:
    turn = batches.CallTurn("Hello!", typed="hi")
    call = batches.Call((turn,))
    assert (call.mode, call.voice, call.voice_samples) == ("omni", batches.IGNORED, None)
    assert turn.trained and turn.units == () and turn.codes is None


def test_batches_cannot_be_changed_by_a_stage() -> None:
    for name, kind in vars(batches).items():
        if dataclasses.is_dataclass(kind):
            assert kind.__dataclass_params__.frozen, name  # type: ignore[attr-defined]
