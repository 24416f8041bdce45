"""Pictures of calls are encoded once, references are recorded once, and calls find both."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from model.training.recipe import call_data
from model.training.recipe.call_data import (
    QUIZ_FILE,
    REFERENCES_FILE,
    SOUNDS_FOLDER,
    VECTORS_FILE,
    calls,
    encode_pictures,
    encode_quiz_pictures,
    hearing,
    record_references,
    record_voices,
    words,
)
from model.training.recipe.encoded_calls import encode_calls, scenes_of
from model.training.recipe.folders import TRAINING_DIR_VARIABLE
from model.training.recipe.questions import training_call
from model.training.recipe.quizzes import quiz_scene
from model.training.speech_data.reply_voices import REPLY_VOICES, TRAINING_REFERENCES
from model.training.speech_data.voices import Engine
from model.voices import find_voices, read_voice
from tests.model.training.recipe.toy_calls import listener, speak
from tests.model.training.speech_data.toy_speech import needs
from tests.model.training.tiny_training import fresh_model

pytestmark = pytest.mark.unit


def test_every_scene_of_a_call_with_a_camera_is_encoded(tmp_path: Path) -> None:
    seed = next(n for n in range(20) if training_call(n)[0].look is not None)
    blind = next(n for n in range(20) if training_call(n)[0].look is None)
    model = fresh_model()
    encode_pictures(model.requires_grad_(False), tmp_path, range(max(seed, blind) + 1))
    with np.load(tmp_path / VECTORS_FILE) as stored:
        n_scenes = len(scenes_of(training_call(seed)[0]))
        config = model.config
        assert stored[str(seed)].shape == (n_scenes, config.query_num, config.language.hidden_size)
        assert str(blind) not in stored.files


def test_quiz_pictures_are_of_their_scenes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    model = fresh_model().requires_grad_(False)
    encode_quiz_pictures(model, tmp_path / "vectors", 3)
    monkeypatch.setenv(TRAINING_DIR_VARIABLE, str(tmp_path))
    pictures = call_data._quiz_pictures.__wrapped__()
    assert [picture.scene for picture in pictures] == [quiz_scene(n).scene for n in range(3)]
    wanted = (model.config.query_num, model.config.language.hidden_size)
    assert all(picture.vectors.shape == wanted for picture in pictures)
    assert not np.array_equal(pictures[0].vectors, pictures[1].vectors)


@needs(Engine.FESTIVAL)
@needs(Engine.FLITE)
def test_every_voice_reads_every_reference_text(tmp_path: Path) -> None:
    record_references(tmp_path)
    with np.load(tmp_path / REFERENCES_FILE) as stored:
        assert len(stored.files) == len(REPLY_VOICES) * len(TRAINING_REFERENCES)
        assert all(3.0 <= stored[name].size / 16_000 <= 5.0 for name in stored.files)


@needs(Engine.FESTIVAL)
@needs(Engine.FLITE)
def test_the_voices_that_ship_are_recordings_training_knows(tmp_path: Path) -> None:
    record_voices(tmp_path / "voices")
    record_references(tmp_path)
    found = find_voices(tmp_path / "voices")
    assert set(found) == {voice.name for voice in REPLY_VOICES}
    with np.load(tmp_path / REFERENCES_FILE) as stored:
        for voice in REPLY_VOICES:
            samples, rate_hz = read_voice(found[voice.name])
            assert rate_hz == 16_000
            np.testing.assert_allclose(samples, stored[f"{voice.number}-0"], atol=2**-15)


def test_the_data_sets_find_what_was_made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(TRAINING_DIR_VARIABLE, str(tmp_path))
    references = {
        f"{voice.number}-{index}": np.zeros(50_000, np.float32)
        for voice in REPLY_VOICES
        for index in range(len(TRAINING_REFERENCES))
    }
    for folder, file, arrays in (
        ("references", REFERENCES_FILE, references),
        ("vectors", VECTORS_FILE, {"3": np.zeros((2, 8, 16), np.float16)}),
        ("vectors", QUIZ_FILE, {"vectors": np.zeros((4, 8, 16), np.float16)}),
    ):
        (tmp_path / folder).mkdir(exist_ok=True)
        np.savez(tmp_path / folder / file, **arrays)
    for cached in (
        call_data._references,
        call_data._pictures,
        call_data._quiz_pictures,
        call_data._sounds,
    ):
        monkeypatch.setattr(call_data, cached.__name__, cached.__wrapped__)
    with torch.no_grad():
        encode_calls(listener(), tmp_path / SOUNDS_FOLDER, range(1), speak)
    assert set(words(0).source.kinds) == {"typed"}  # type: ignore[attr-defined]
    assert "seen" not in hearing(0).source.kinds  # type: ignore[attr-defined]
    everything = calls(0).source
    assert set(everything.material.pictures) == {3} and "seen" in everything.kinds  # type: ignore[attr-defined]
    assert len(everything.material.quiz_pictures) == 4  # type: ignore[attr-defined]
    assert "0.0" in everything.material.sounds  # type: ignore[attr-defined]
    assert [len(each) for each in everything.references] == [16, 16]  # type: ignore[attr-defined]
