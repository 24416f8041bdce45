"""One door to all engines: order, checks and clear refusals."""

from __future__ import annotations

import pytest

from model.training.speech_data import synthesizers
from model.training.speech_data.clips import Clip
from model.training.speech_data.synthesis import MissingProgramError, SpeechRequest
from model.training.speech_data.synthesizers import SpeechSynthesizer, missing_program
from model.training.speech_data.voices import Engine
from tests.model.training.speech_data.toy_speech import toy_clip

pytestmark = pytest.mark.unit


class EchoEngine:
    """Says everything as a clip with the text; remembers the sizes of its batches."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def speak(self, requests: list[SpeechRequest]) -> list[Clip]:
        self.batches.append(len(requests))
        clip = toy_clip(0.1)
        return [
            Clip(request.text, clip.samples, clip.rate_hz, clip.phones, clip.words)
            for request in requests
        ]


@pytest.fixture
def engines(monkeypatch: pytest.MonkeyPatch) -> dict[Engine, EchoEngine]:
    made: dict[Engine, EchoEngine] = {}

    def start(engine: Engine) -> EchoEngine:
        assert engine not in made, "an engine is started once"
        made[engine] = EchoEngine()
        return made[engine]

    monkeypatch.setattr(synthesizers, "start_engine", start)
    return made


def test_clips_come_in_order_and_each_engine_gets_its_batch(
    engines: dict[Engine, EchoEngine],
) -> None:
    voices = ["flite/rms", "espeak/en-us+f1", "flite/awb", "espeak/en+m1", "flite/rms"]
    requests = [SpeechRequest(voice, f"text {n}") for n, voice in enumerate(voices)]
    synthesizer = SpeechSynthesizer()
    clips = synthesizer.speak_all(requests)
    assert [clip.text for clip in clips] == [request.text for request in requests]
    assert synthesizer.speak(requests[3]).text == "text 3"
    assert engines[Engine.FLITE].batches == [3]
    assert engines[Engine.ESPEAK].batches == [2, 1]


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (SpeechRequest("flite/rms", "  "), "nothing to say"),
        (SpeechRequest("flite/rms", "a\0b"), "nothing to say"),
        (SpeechRequest("flite/rms", "a", rate=3.0), "rate"),
        (SpeechRequest("flite/rms", "a", pitch=0.1), "pitch"),
        (SpeechRequest("flite/nobody", "a"), "no voice"),
    ],
)
def test_what_cannot_be_spoken_is_refused_before_any_engine_starts(
    engines: dict[Engine, EchoEngine], request_: SpeechRequest, reason: str
) -> None:
    with pytest.raises(ValueError, match=reason):
        SpeechSynthesizer().speak_all([SpeechRequest("flite/rms", "fine"), request_])
    assert not engines


def test_a_missing_program_is_told_as_text(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(engine: Engine) -> EchoEngine:
        raise MissingProgramError("festival is not installed; install it")

    monkeypatch.setattr(synthesizers, "start_engine", start)
    assert missing_program(Engine.FESTIVAL) == "festival is not installed; install it"
    monkeypatch.setattr(synthesizers, "start_engine", lambda engine: EchoEngine())
    assert missing_program(Engine.FESTIVAL) is None
