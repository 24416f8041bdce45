"""espeak-ng speaks in every variant and accent, with phones and words."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest

from model.training.speech_data import espeak
from model.training.speech_data.clips import Clip
from model.training.speech_data.espeak import EspeakSynthesizer
from model.training.speech_data.phones import UNKNOWN
from model.training.speech_data.synthesis import MissingProgramError, SpeechRequest
from model.training.speech_data.voices import ESPEAK_ACCENTS, ESPEAK_VARIANTS, Engine
from tests.model.training.speech_data.toy_speech import needs, pitch_of

pytestmark = pytest.mark.unit

TEXT = "Say stop, please. What is this?"
ALL_SOUNDS = (
    "Hello there, what colour is the fourth poor square near the fire hour? Beautiful vision, "
    "measure the pleasure, judge the church, thank you, oil boy, now brown cow, tour, real idea, "
    "little bottle, button, tired, seeing, no, go, singing, bath, one, usually, yes, young, moo."
)


@pytest.fixture(scope="module")
def synthesizer() -> EspeakSynthesizer:
    return EspeakSynthesizer()


def speak(synthesizer: EspeakSynthesizer, voice: str, text: str, **change: float) -> Clip:
    return synthesizer.speak([SpeechRequest(f"espeak/{voice}", text, **change)])[0]


@needs(Engine.ESPEAK)
def test_words_and_phones_are_in_order(synthesizer: EspeakSynthesizer) -> None:
    clip = speak(synthesizer, "en-us+f2", TEXT)
    spelled = [TEXT[word.first_char : word.end_char] for word in clip.words]
    assert spelled == ["Say", "stop", "please", "What", "is", "this"]
    assert all(
        a.end_s <= b.start_s + 1e-6 for a, b in zip(clip.words, clip.words[1:], strict=False)
    )
    symbols = [phone.symbol for phone in clip.phones if phone.symbol != "pau"]
    assert symbols[:6] == ["s", "ey", "s", "t", "aa", "p"]
    edges = [phone.start_s for phone in clip.phones]
    assert edges[1:] == pytest.approx([phone.end_s for phone in clip.phones][:-1])
    assert clip.phones[-1].end_s == pytest.approx(clip.duration_s)


@needs(Engine.ESPEAK)
@pytest.mark.parametrize("accent", ESPEAK_ACCENTS)
def test_every_accent_uses_only_known_sounds(synthesizer: EspeakSynthesizer, accent: str) -> None:
    clip = speak(synthesizer, f"{accent}+m3", ALL_SOUNDS)
    assert UNKNOWN not in {phone.symbol for phone in clip.phones}
    assert np.abs(clip.samples).max() > 0.1


@needs(Engine.ESPEAK)
def test_every_variant_is_installed_and_sounds_different(synthesizer: EspeakSynthesizer) -> None:
    clips = [speak(synthesizer, f"en-us+{name}", "A red ball.") for name in ESPEAK_VARIANTS]
    assert len({clip.samples.tobytes() for clip in clips}) == len(ESPEAK_VARIANTS)


@needs(Engine.ESPEAK)
def test_words_read_as_one_are_one(synthesizer: EspeakSynthesizer) -> None:
    clip = speak(synthesizer, "en-us+m1", "The colour of the ball.")
    spelled = [clip.text[word.first_char : word.end_char] for word in clip.words]
    assert " ".join(spelled) == "The colour of the ball"
    assert clip.char_ends_s()[-1] == pytest.approx(clip.words[-1].end_s)


@needs(Engine.ESPEAK)
def test_tempo_and_pitch_are_those_asked_for(synthesizer: EspeakSynthesizer) -> None:
    plain = speak(synthesizer, "en-us+m3", "Are you all right over there?")
    slow = speak(synthesizer, "en-us+m3", "Are you all right over there?", rate=0.8)
    high = speak(synthesizer, "en-us+m3", "Are you all right over there?", pitch=1.3)
    assert slow.duration_s / plain.duration_s == pytest.approx(1.25, rel=0.12)
    assert pitch_of(high.samples, high.rate_hz) > 1.12 * pitch_of(plain.samples, plain.rate_hz)


def test_a_missing_library_is_named_with_the_way_to_install_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(name: str) -> ctypes.CDLL:
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr(espeak.ctypes, "CDLL", refuse)
    with pytest.raises(MissingProgramError, match="apt-get install espeak-ng"):
        EspeakSynthesizer()
