"""Clips are made once; what is missing is named with its remedy."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from model.training.speech_data import cache
from model.training.speech_data.clips import Clip
from model.training.speech_data.reply_voices import REPLY_VOICES
from model.training.speech_data.synthesis import MissingProgramError, SpeechRequest
from model.training.speech_data.voices import Engine
from server.evaluation import speech_material
from server.evaluation.speech_material import (
    SpeechMaterial,
    SynthesizerMissingError,
    clip_folder,
    missing_voices,
    reply_engines,
)
from tests.model.training.speech_data.toy_speech import toy_clip
from tests.server.evaluation.placed_calls import planned

pytestmark = pytest.mark.unit


class ToySynthesizer:
    """Says "ah", a quarter of a second a word."""

    def __init__(self) -> None:
        self.said: list[SpeechRequest] = []

    def speak_all(self, requests: Sequence[SpeechRequest]) -> list[Clip]:
        self.said += requests
        return [toy_clip(0.25 * len(request.text.split())) for request in requests]


class NoSynthesizer:
    """Is not installed."""

    def speak_all(self, requests: Sequence[SpeechRequest]) -> list[Clip]:
        raise MissingProgramError("flite is not installed; apt-get install flite")


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> ToySynthesizer:
    synthesizer = ToySynthesizer()
    monkeypatch.setattr(cache, "_synthesizer", lambda: synthesizer)
    return synthesizer


def test_questions_are_said_once_and_found_again(tmp_path: Path, toy: ToySynthesizer) -> None:
    plan = planned("seen")[:5]
    told: list[int] = []
    SpeechMaterial(tmp_path).fill(plan, lambda fill: told.append(fill.n_done))
    n_said = len(toy.said)
    assert n_said == 5 and told[-1] == 5
    again = SpeechMaterial(tmp_path)
    again.fill(plan)
    assert len(toy.said) == n_said
    (request,) = plan[0].requests()
    assert again.question(request).rate_hz == 16_000


def test_references_are_every_voice_of_every_text_in_turns(
    tmp_path: Path, toy: ToySynthesizer
) -> None:
    references = SpeechMaterial(tmp_path).references()
    names = [voice.name for voice in REPLY_VOICES]
    assert [reference.name for reference in references] == names * 2
    for reference in references:
        assert 3.0 <= len(reference.pcm) / 32_000 <= 5.0
        assert np.frombuffer(reference.pcm, "<i2").any()


def test_a_missing_program_is_named_with_the_way_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "_synthesizer", NoSynthesizer)
    with pytest.raises(SynthesizerMissingError, match=r"make voices.*--conditions typed"):
        SpeechMaterial(tmp_path).fill(planned("seen")[:1])
    reason = missing_voices([Engine.FLITE])
    assert reason is not None and "flite is not installed" in reason


def test_voices_are_tried_program_by_program(toy: ToySynthesizer) -> None:
    assert missing_voices([Engine.FLITE, Engine.FESTIVAL]) is None
    tried = {request.voice for request in toy.said}
    assert {"festival/slt_hts", "festival/ked"} <= tried
    assert any(name.startswith("flite/") for name in tried)
    assert not any(name.startswith("espeak/") for name in tried)
    assert missing_voices([]) is None
    assert reply_engines() == {Engine.FLITE, Engine.FESTIVAL}


def test_clips_are_kept_only_where_a_cache_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(speech_material.CACHE_VARIABLE, str(tmp_path))
    with clip_folder() as folder:
        assert folder.is_relative_to(tmp_path)
    monkeypatch.delenv(speech_material.CACHE_VARIABLE)
    with clip_folder() as folder:
        assert folder.is_dir()
    assert not folder.exists()
