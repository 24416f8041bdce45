"""flite speaks with exact times, again the same, and changes tempo and pitch."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest

from model.training.speech_data import flite
from model.training.speech_data.clips import Clip
from model.training.speech_data.flite import FliteSynthesizer
from model.training.speech_data.synthesis import MissingProgramError, SpeechRequest
from model.training.speech_data.voices import Engine
from tests.model.training.speech_data.toy_speech import needs, pitch_of

pytestmark = pytest.mark.unit

TEXT = "Say stop, please. What is this?"
VOICES = ("flite/rms", "flite/awb", "flite/kal16", "flite/slt")


def speak(request: SpeechRequest) -> Clip:
    return FliteSynthesizer().speak([request])[0]


@needs(Engine.FLITE)
@pytest.mark.parametrize("voice", VOICES)
def test_every_voice_says_all_words_in_order(voice: str) -> None:
    clip = speak(SpeechRequest(voice, TEXT))
    assert clip.rate_hz == 16_000
    assert np.abs(clip.samples).max() > 0.1
    spelled = [TEXT[word.first_char : word.end_char] for word in clip.words]
    assert spelled == ["Say", "stop", "please", "What", "is", "this"]
    ends = [word.end_s for word in clip.words]
    assert ends == sorted(ends)
    assert ends[-1] <= clip.duration_s
    symbols = [phone.symbol for phone in clip.phones if phone.symbol != "pau"]
    assert symbols[:6] == ["s", "ey", "s", "t", "aa", "p"]
    assert [phone.start_s for phone in clip.phones][1:] == [p.end_s for p in clip.phones][:-1]


@needs(Engine.FLITE)
def test_phones_lie_where_the_sound_is() -> None:
    clip = speak(SpeechRequest("flite/rms", TEXT))
    pauses = [p for p in clip.phones if p.symbol == "pau"]
    vowels = [p for p in clip.phones if p.symbol in {"ey", "aa", "iy", "ih", "ah"}]

    def loudness(start_s: float, end_s: float) -> float:
        return float(np.std(clip.samples[round(start_s * 16_000) : round(end_s * 16_000)]))

    loudest_pause = max(loudness(p.start_s + 0.03, p.end_s - 0.03) for p in pauses)
    assert min(loudness(p.start_s, p.end_s) for p in vowels) > 3 * loudest_pause


@needs(Engine.FLITE)
def test_the_same_request_gives_the_same_samples_whatever_came_before() -> None:
    synthesizer = FliteSynthesizer()
    plain = SpeechRequest("flite/awb", "Hello.")
    first, _, again = synthesizer.speak(
        [plain, SpeechRequest("flite/awb", "Hi.", rate=1.3, pitch=1.2), plain]
    )
    assert first.to_bytes() == again.to_bytes()


@needs(Engine.FLITE)
@pytest.mark.parametrize("voice", VOICES)
def test_tempo_and_pitch_are_those_asked_for(voice: str) -> None:
    plain = speak(SpeechRequest(voice, "Are you all right?"))
    slow = speak(SpeechRequest(voice, "Are you all right?", rate=0.8))
    high = speak(SpeechRequest(voice, "Are you all right?", pitch=1.3))
    assert slow.duration_s / plain.duration_s == pytest.approx(1.25, rel=0.06)
    assert high.duration_s == pytest.approx(plain.duration_s, rel=0.03)
    assert pitch_of(high.samples, 16_000) / pitch_of(plain.samples, 16_000) > 1.15


def test_a_missing_library_is_named_with_the_way_to_install_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(name: str) -> ctypes.CDLL:
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr(flite.ctypes, "CDLL", refuse)
    with pytest.raises(MissingProgramError, match="apt-get install flite"):
        FliteSynthesizer()
