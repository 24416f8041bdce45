"""festival speaks a batch of utterances in one run."""

from __future__ import annotations

import numpy as np
import pytest

from model.training.speech_data.festival import FestivalSynthesizer
from model.training.speech_data.synthesis import MissingProgramError, SpeechRequest
from model.training.speech_data.voices import Engine
from tests.model.training.speech_data.toy_speech import needs

pytestmark = pytest.mark.integration

TEXT = 'Say "stop", please. What is this?'


@needs(Engine.FESTIVAL)
def test_a_batch_of_voices_comes_back_in_order_with_phones_and_words() -> None:
    requests = [
        SpeechRequest("festival/slt_hts", TEXT),
        SpeechRequest("festival/ked", TEXT),
        SpeechRequest("festival/slt_hts", "Hello.", rate=0.8),
        SpeechRequest("festival/slt_hts", "Hello."),
    ]
    natural, diphone, slow, plain = FestivalSynthesizer().speak(requests)
    assert (natural.rate_hz, diphone.rate_hz) == (32_000, 16_000)
    for clip in (natural, diphone):
        spelled = [TEXT[word.first_char : word.end_char] for word in clip.words]
        assert spelled == ["Say", "stop", "please", "What", "is", "this"]
        assert np.abs(clip.samples).max() > 0.1
        symbols = [phone.symbol for phone in clip.phones if phone.symbol != "pau"]
        assert symbols[:6] == ["s", "ey", "s", "t", "aa", "p"]
    assert slow.duration_s / plain.duration_s == pytest.approx(1.25, rel=0.01)


def test_a_missing_program_is_named_with_the_way_to_install_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(MissingProgramError, match="apt-get install festival"):
        FestivalSynthesizer()
