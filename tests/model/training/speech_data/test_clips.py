"""Clips keep their times through cuts, changes of rate and the disk."""

from __future__ import annotations

import numpy as np
import pytest

from model.training.speech_data.clips import Clip, Phone, Word, from_pcm, locate_words, to_pcm

pytestmark = pytest.mark.unit

RATE_HZ = 16_000


def hello() -> Clip:
    """One second: 0.2 s silence, "oh no." to 0.8 s, silence."""
    phones = (
        Phone("pau", 0.0, 0.2),
        Phone("ow", 0.2, 0.5),
        Phone("n", 0.5, 0.6),
        Phone("ow", 0.6, 0.8),
        Phone("pau", 0.8, 1.0),
    )
    words = (Word(0, 2, 0.2, 0.5), Word(3, 5, 0.5, 0.8))
    samples = np.linspace(-0.5, 0.5, RATE_HZ, dtype=np.float32)
    return Clip("oh no.", samples, RATE_HZ, phones, words)


def test_a_clip_comes_back_from_its_bytes() -> None:
    clip = hello()
    again = Clip.from_bytes(clip.to_bytes())
    assert (again.text, again.rate_hz) == (clip.text, clip.rate_hz)
    assert (again.phones, again.words) == (clip.phones, clip.words)
    assert np.abs(again.samples - clip.samples).max() <= 0.5 / 32768
    assert again.to_bytes() == clip.to_bytes()


def test_another_rate_keeps_all_times() -> None:
    clip = hello().at_rate(24_000)
    assert clip.samples.size == 24_000
    assert clip.phones == hello().phones


def test_a_longer_wave_stretches_all_times() -> None:
    clip = hello().with_samples(np.zeros(2 * RATE_HZ, dtype=np.float32))
    assert clip.phones[1] == Phone("ow", 0.4, 1.0)
    assert clip.words[1] == Word(3, 5, 1.0, 1.6)


def test_edges_are_cut_down_to_a_little_silence() -> None:
    clip = hello().without_edges(keep_s=0.05)
    assert clip.duration_s == pytest.approx(0.7)
    assert clip.phones[1].start_s == pytest.approx(0.05)
    assert clip.words[-1].end_s == pytest.approx(0.65)


def test_a_cut_drops_what_is_outside() -> None:
    clip = hello().cut(0.5, 0.7)
    assert [phone.symbol for phone in clip.phones] == ["n", "ow"]
    assert len(clip.words) == 1
    assert clip.words[0].end_s == pytest.approx(0.2)


def test_silence_alone_has_no_edges() -> None:
    clip = Clip("", np.zeros(10, dtype=np.float32), RATE_HZ, (Phone("pau", 0, 1),), ())
    assert clip.without_edges() is clip


def test_characters_end_with_their_words_and_never_earlier_than_the_one_before() -> None:
    ends = hello().char_ends_s()
    assert ends.shape == (6,)
    assert ends.dtype == np.float32
    assert ends == pytest.approx([0.35, 0.5, 0.5, 0.65, 0.8, 0.8])


def test_words_are_found_in_order_and_unknown_ones_lengthen_the_word_before() -> None:
    text = "The cat and the 2 cats."
    spoken = [("the", 0.0, 0.1), ("cat", 0.1, 0.3), ("and", 0.3, 0.4), ("the", 0.4, 0.5)]
    spoken += [("two", 0.5, 0.7), ("cats", 0.7, 1.0)]
    words = locate_words(text, spoken)
    assert [text[w.first_char : w.end_char] for w in words] == ["The", "cat", "and", "the", "cats"]
    assert words[3].end_s == 0.7


def test_pcm_clips_and_comes_back() -> None:
    pcm = to_pcm(np.array([-2.0, -1.0, 0.0, 0.5, 2.0]))
    assert pcm.tolist() == [-32768, -32768, 0, 16384, 32767]
    assert np.array_equal(to_pcm(from_pcm(pcm)), pcm)
