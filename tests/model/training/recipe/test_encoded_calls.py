"""The sound of training calls is encoded once, as a call would encode it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from model.training.dense_audio import encode_contexts, unit_mel
from model.training.recipe.encoded_calls import (
    NO_SCENE,
    encode_calls,
    name_of,
    read_calls,
    scenes_of,
    typed_again,
)
from model.training.recipe.questions import training_call
from model.training.speech_data.call_audio import turn_timeline
from model.training.speech_data.clips import Clip
from model.training.speech_data.synthesis import SpeechRequest
from tests.model.training.recipe.toy_calls import listener, speak

pytestmark = pytest.mark.unit

SEEN = next(seed for seed in range(40) if training_call(seed)[0].look is not None)
BLIND = next(
    seed
    for seed in range(40)
    if training_call(seed)[0].look is None and training_call(seed)[0].turns[0].spoken
)


@torch.no_grad()
def test_a_turn_is_what_the_encoder_makes_of_its_units(tmp_path: Path) -> None:
    model = listener()
    encode_calls(model, tmp_path, range(BLIND, BLIND + 1), speak)
    encoded = read_calls(tmp_path)[name_of(BLIND, 0)]
    script, caller = training_call(BLIND)
    rng = np.random.default_rng([BLIND, 0, 3])
    timeline, _ = turn_timeline(script.turns[0], caller, speak, rng)
    mels = [unit_mel(unit.samples, model.device) for unit in timeline.units()]
    expected = model.audio_projection_layer(encode_contexts(model.apm, [mels])[0])
    assert [len(unit) for unit in encoded.units] == [len(unit) for unit in expected]
    for ours, theirs in zip(encoded.units, expected, strict=True):
        np.testing.assert_allclose(ours, theirs.numpy(), rtol=2e-3, atol=2e-3)
    assert encoded.heard_s.shape == (len(script.turns[0].spoken), 2)


@torch.no_grad()
def test_a_call_with_a_camera_is_there_spoken_and_typed(tmp_path: Path) -> None:
    encode_calls(listener(), tmp_path, range(SEEN, SEEN + 1), speak)
    turns = read_calls(tmp_path)
    spoken, typed = training_call(SEEN)[0], typed_again(SEEN)
    assert set(turns) == {
        *(name_of(SEEN, index) for index in range(len(spoken.turns))),
        *(name_of(SEEN, index, typed=True) for index in range(len(typed.turns))),
    }
    scenes = scenes_of(spoken)
    assert scenes == scenes_of(typed)
    for turn in turns.values():
        assert len(turn.shown) == len(turn.units)
        assert set(turn.shown) <= {NO_SCENE, *range(len(scenes))}
    seen = [
        scene for index in range(len(spoken.turns)) for scene in turns[name_of(SEEN, index)].shown
    ]
    assert set(range(len(scenes))) <= set(seen)


@torch.no_grad()
def test_what_is_there_is_not_made_again(tmp_path: Path) -> None:
    def never(request: SpeechRequest) -> Clip:
        raise AssertionError(request)

    seeds = range(BLIND, BLIND + 1)
    encode_calls(listener(), tmp_path, seeds, speak)
    encode_calls(listener(), tmp_path, seeds, never)
    assert [path.suffix for path in tmp_path.iterdir()] == [".npz"]


def test_scenes_come_once_each_in_their_order() -> None:
    scenes = scenes_of(training_call(SEEN)[0])
    assert scenes and len(set(scenes)) == len(scenes)
