"""An independent recogniser, and how its mistakes are counted."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile

from server.evaluation.recogniser import (
    LONGEST_HEARD_S,
    Recogniser,
    WordErrors,
    difference_interval,
    error_rate,
    word_errors,
    words_of,
)
from tests.fakes.media_files import QUESTION

pytestmark = pytest.mark.unit


def test_what_sounds_alike_is_written_alike() -> None:
    assert words_of("I'm fine; it's 3 + 4.") == words_of("I am fine, it is three plus four")
    assert words_of("I can't see gray colors") == words_of("i cannot see grey colours")
    assert words_of("?!") == ""


def test_errors_are_insertions_deletions_and_replacements() -> None:
    assert word_errors("the red circle", "the red circle") == WordErrors(0, 3)
    assert word_errors("the red circle", "the bread circle now") == WordErrors(2, 3)
    assert word_errors("the red circle", "") == WordErrors(3, 3)
    assert error_rate([WordErrors(1, 3), WordErrors(0, 1)]) == pytest.approx(25.0)


def test_the_difference_is_as_sure_as_the_texts_are_many() -> None:
    worse, better = WordErrors(1, 4), WordErrors(0, 4)
    few = difference_interval([worse, better] * 5, [better] * 10)
    many = difference_interval([worse, better] * 100, [better] * 200)
    for low, high in (few, many):
        assert low < 12.5 < high
    assert many[1] - many[0] < few[1] - few[0]
    assert difference_interval([worse], [worse]) == (0.0, 0.0)


def test_speech_is_heard_the_same_whatever_was_heard_before() -> None:
    samples, rate_hz = soundfile.read(QUESTION, dtype="float32")
    recogniser = Recogniser()
    first = recogniser.hear(samples[: 4 * rate_hz], rate_hz)
    assert len(first.split()) >= 2
    noise = np.random.default_rng(0).normal(0, 0.1, rate_hz).astype(np.float32)
    recogniser.hear(noise, rate_hz)
    assert recogniser.hear(samples[: 4 * rate_hz], rate_hz) == first


def test_nothing_is_heard_of_nothing_nor_beyond_the_longest_answer() -> None:
    recogniser = Recogniser()
    assert recogniser.hear(np.zeros(0, np.float32), 24_000) == ""
    samples, rate_hz = soundfile.read(QUESTION, dtype="float32")
    silence = np.zeros(round(LONGEST_HEARD_S * rate_hz), np.float32)
    assert recogniser.hear(np.concatenate([silence, samples]), rate_hz) == recogniser.hear(
        silence, rate_hz
    )
