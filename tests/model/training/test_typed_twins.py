"""The typed twin of a spoken call, and how far what is heard is from what is read."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from model.training.batches import Call
from model.training.typed_twins import twin_loss, typed_twin
from tests.model.training.tiny_calls import audio_call, typed_call, video_call

pytestmark = pytest.mark.unit


def said(call: Call, *words: str | None) -> Call:
    turns = zip(call.turns, words, strict=True)
    return replace(call, turns=tuple(replace(turn, spoken=text) for turn, text in turns))


def test_a_twin_is_typed_and_keeps_its_pictures() -> None:
    call = said(video_call(), "what colour is it", None)
    twin = typed_twin(call)
    assert twin is not None
    assert [turn.typed for turn in twin.turns] == ["what colour is it", "and now?"]
    units = [unit for turn in twin.turns for unit in turn.units]
    assert len(units) == 3 and all(unit.image is not None for unit in units)
    assert all(unit.samples is None for unit in units)
    assert [turn.reply for turn in twin.turns] == [turn.reply for turn in call.turns]


def test_what_is_no_words_has_no_twin() -> None:
    assert typed_twin(typed_call()) is None
    assert typed_twin(audio_call()) is None
    # The first turn is spoken, in the second there is a sound.
    heard = replace(audio_call(), turns=(*said(audio_call(), "hi").turns, *audio_call().turns))
    assert typed_twin(heard) is None


def test_the_loss_is_the_angle_of_all_layers_but_the_first() -> None:
    ours = [torch.eye(2), torch.eye(2), torch.eye(2)]
    theirs = [-torch.eye(2), 3 * torch.eye(2), torch.eye(2).flip(0)]
    assert float(twin_loss(ours, theirs)) == pytest.approx((0 + 1) / 2)
