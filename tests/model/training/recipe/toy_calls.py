"""Callers who say a vowel for every word, and their calls as a tiny model hears them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import numpy as np
import torch

from model.omni import OmniModel
from model.training.recipe.encoded_calls import EncodedTurn, encode_calls, read_calls, scenes_of
from model.training.recipe.questions import training_call
from model.training.scenes.scene_sampler import CHANGES, Change, change
from model.training.speech_data.clips import Clip, Word
from model.training.speech_data.synthesis import SpeechRequest
from tests.model.training.speech_data.toy_speech import vowel
from tests.model.training.tiny_training import fresh_model, tiny_omni_config


def speak(request: SpeechRequest) -> Clip:
    """A vowel for every word."""
    words, at = [], 0
    for index, word in enumerate(request.text.split()):
        words.append(Word(at, at + len(word), 0.1 + 0.2 * index, 0.3 + 0.2 * index))
        at += len(word) + 1
    return Clip(request.text, vowel(0.2 * len(words) + 0.2), 16_000, (), tuple(words))


def listener() -> OmniModel:
    """A tiny model that remembers half a minute of sound."""
    config = tiny_omni_config()
    return fresh_model(
        config=replace(config, audio=replace(config.audio, max_source_positions=1500))
    )


def all_changes() -> list[Change]:
    """Some of every kind."""
    return [change(Random(seed), kind) for kind in CHANGES for seed in range(6)]


@cache
def seen_vectors(n_calls: int) -> Mapping[int, np.ndarray]:
    """Vectors of the pictures of the first training calls: of each call its seed, all over."""
    scripts = {seed: training_call(seed)[0] for seed in range(n_calls)}
    return {
        seed: np.full((len(scenes_of(script)), 8, 16), seed, np.float16)
        for seed, script in scripts.items()
        if script.look is not None
    }


@cache
def heard_turns(n_calls: int) -> Mapping[str, EncodedTurn]:
    """The first training calls."""
    with TemporaryDirectory() as folder, torch.no_grad():
        encode_calls(listener(), Path(folder), range(n_calls), speak)
        return read_calls(Path(folder))
