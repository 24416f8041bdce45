"""Reference audio is 3 to 5 s of the voice; replies are at the model's rate."""

from __future__ import annotations

import numpy as np
import pytest

from model.training.speech_data.clips import Clip, Phone, Word
from model.training.speech_data.reply_voices import (
    EVALUATION_REFERENCES,
    LONGEST_REFERENCE_S,
    REPLY_VOICES,
    SHORTEST_REFERENCE_S,
    TRAINING_REFERENCES,
    ReplyVoice,
    reference_clip,
    reply_clip,
)
from model.training.speech_data.synthesis import SpeechRequest
from model.training.speech_data.synthesizers import SpeechSynthesizer
from model.training.speech_data.voices import Engine
from tests.model.training.speech_data.toy_speech import needs

pytestmark = pytest.mark.integration


def speak_slowly(request: SpeechRequest) -> Clip:
    """Half a second per word, at 32 kHz."""
    words: list[Word] = []
    position = 0
    for number, spelling in enumerate(request.text.split()):
        first = request.text.index(spelling, position)
        position = first + len(spelling)
        words.append(Word(first, position, number * 0.5, number * 0.5 + 0.45))
    phones = tuple(Phone("ah", word.start_s, word.end_s) for word in words)
    samples = np.full(len(words) * 16_000, 0.1, dtype=np.float32)
    return Clip(request.text, samples, 32_000, phones, tuple(words))


def test_a_long_reference_ends_with_a_whole_word() -> None:
    clip = reference_clip(REPLY_VOICES[0], "one two three four five six a b c d e f", speak_slowly)
    assert clip.rate_hz == 16_000
    assert clip.duration_s == pytest.approx(4.95)
    assert len(clip.words) == 10


def test_a_short_reference_is_refused() -> None:
    with pytest.raises(ValueError, match="longer text"):
        reference_clip(REPLY_VOICES[0], "too short", speak_slowly)


def test_replies_are_made_at_the_rate_of_the_vocoder() -> None:
    clip = reply_clip(REPLY_VOICES[0], "it is red", speak_slowly)
    assert clip.rate_hz == 24_000
    assert clip.char_ends_s()[-1] == pytest.approx(1.45)


def test_references_of_training_and_evaluation_differ() -> None:
    assert not set(TRAINING_REFERENCES) & set(EVALUATION_REFERENCES)
    assert [voice.number for voice in REPLY_VOICES] == list(range(len(REPLY_VOICES)))


@needs(Engine.FLITE)
@needs(Engine.FESTIVAL)
@pytest.mark.parametrize("voice", REPLY_VOICES, ids=lambda voice: voice.name)
def test_every_voice_has_references_of_3_to_5_seconds(voice: ReplyVoice) -> None:
    synthesizer = SpeechSynthesizer()
    for text in TRAINING_REFERENCES + EVALUATION_REFERENCES:
        clip = reference_clip(voice, text, synthesizer.speak)
        assert SHORTEST_REFERENCE_S <= clip.duration_s <= LONGEST_REFERENCE_S
        assert np.abs(clip.samples).max() > 0.1
