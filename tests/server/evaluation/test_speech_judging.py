"""The judges agree with the teachers, and hear what is wrong; with the real voices."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest

from model.training.domain.evaluation_set import evaluation_calls
from model.training.speech_data.clips import to_pcm
from model.training.speech_data.reply_voices import REPLY_VOICES, SPEECH_HZ
from model.training.speech_data.voices import Engine
from server.evaluation import speech_judging
from server.evaluation.measures import MEASURES
from server.evaluation.report import Report, build_report
from server.evaluation.scoring import PlacedCall
from server.evaluation.speech_judging import (
    held_out_texts,
    judge_speech,
    samples_of,
    teacher_request,
    voice_called,
)
from server.evaluation.speech_material import SpeechMaterial
from tests.model.training.speech_data.toy_speech import needs
from tests.server.evaluation.placed_calls import answered, planned

needs_pesq = pytest.mark.skipif(find_spec("pesq") is None, reason="pesq was not built here")
pytestmark = [pytest.mark.integration, needs(Engine.FLITE), needs(Engine.FESTIVAL)]

GOLDEN = Path(__file__).parents[2] / "golden"
OTHER = {"clara": "alan", "alan": "clara"}


@cache
def spoken(speech: SpeechMaterial, *, by_the_other: bool = False) -> list[PlacedCall]:
    """Right answers, said by the teacher (or by the other one)."""
    calls = []
    for number, call in enumerate(planned("seen")[8:14]):
        voice = REPLY_VOICES[number % 2].name
        silent = answered(call, voice=OTHER[voice] if by_the_other else voice)
        request = teacher_request(voice_called(silent.voice), silent)
        (clip,) = speech.say_replies([request])
        pcm = to_pcm(clip.without_edges().samples).astype("<i2").tobytes()
        calls.append(answered(call, pcm=pcm, voice=voice))
    return calls


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> SpeechMaterial:
    return SpeechMaterial(tmp_path_factory.mktemp("clips"))


@pytest.fixture(autouse=True)
def few_clips(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speech_judging, "N_RESYNTHESISED", 1)


def judged(calls: list[PlacedCall], speech: SpeechMaterial) -> Report:
    report = build_report(checkpoint={}, settings={}, calls={})
    judge_speech(report, calls, speech, GOLDEN, lambda message: None)
    return report


@needs_pesq
def test_replies_that_are_the_teachers_own_are_as_good_as_the_teachers(
    speech: SpeechMaterial,
) -> None:
    report = judged(spoken(speech), speech)
    words = report["speech"]["intelligibility"]
    assert words["n"] == 6 and words["difference"] == 0.0
    assert words["reply_wer"] == words["teacher_wer"] < 60
    assert words["by_voice"]["clara"]["n"] == words["by_voice"]["alan"]["n"] == 3
    voices = report["speech"]["right_voice"]
    assert voices["score"]["percent"] == 100.0
    teachers = voices["judge_on_teachers"]
    assert teachers["n"] == 24 and teachers["percent"] >= 99.0
    assert report["speech"]["resynthesis"]["n"] == 2
    figures = {row["name"]: row["value"] for row in report["measures"]}
    for name in ("intelligibility", "right_voice", "pesq", "stoi"):
        assert figures[name] is not None and name in MEASURES
    assert len(report["transcripts"]) == 5
    assert any(call["turns"][-1]["heard"] for call in report["transcripts"])


@needs_pesq
def test_the_other_voice_is_the_wrong_one(speech: SpeechMaterial) -> None:
    report = judged(spoken(speech, by_the_other=True), speech)
    assert report["speech"]["right_voice"]["score"]["percent"] == 0.0


@needs_pesq
def test_silence_is_understood_by_nobody_and_nobodys_voice(speech: SpeechMaterial) -> None:
    call = planned("seen")[0]
    report = judged([answered(call, voice="clara"), answered(call, "", voice="alan")], speech)
    words = report["speech"]["intelligibility"]
    assert words["n"] == 1, "an answer without words is no text to understand"
    assert words["reply_wer"] == 100.0
    assert words["by_voice"]["alan"] == {"n": 0}
    assert report["speech"]["right_voice"]["score"]["right"] == 0
    only_empty = judged([answered(call, "?", voice="alan")], speech)
    assert only_empty["speech"]["intelligibility"] == {"n": 0}


def test_the_teacher_says_the_same_text_at_the_same_pace() -> None:
    slow = next(c for c in planned("memory", 3) if c.call.scored.speech_rate != 1.0)
    request = teacher_request(voice_called("alan"), answered(slow))
    assert request.rate == slow.call.scored.speech_rate
    assert request.text == slow.call.scored.answer
    garbled = teacher_request(voice_called("alan"), answered(slow, "it \x12 is 3 ye\ufffd"))
    assert garbled.text == "it is three ye"


def test_held_out_texts_are_questions_of_the_evaluation() -> None:
    texts = held_out_texts(24)
    questions = {call.scored.question for call in evaluation_calls(2, "spoken")}
    assert len(set(texts)) == 24 and set(texts) <= questions


def test_samples_are_floats_of_the_models_rate() -> None:
    assert samples_of(b"\0\x40\0\xc0").tolist() == [0.5, -0.5]
    assert SPEECH_HZ == 24_000
