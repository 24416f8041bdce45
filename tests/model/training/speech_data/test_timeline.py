"""What is placed on a turn's time line sounds there, with its phones and words."""

from __future__ import annotations

import numpy as np
import pytest

from model.training.speech_data.clips import Clip, Word
from model.training.speech_data.phones import PHONE_INDEX
from model.training.speech_data.sounds import Sound
from model.training.speech_data.timeline import Placement, in_turn, place, sound_clip
from model.training.speech_data.units import Shown
from tests.model.training.speech_data.toy_speech import toy_clip, vowel

pytestmark = pytest.mark.unit


def rng(seed: int = 5) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_a_clip_sounds_where_it_was_placed() -> None:
    clip = toy_clip(0.6)
    line = place([Placement(1.25, clip)], 2.5)
    assert line.duration_s == 2.5
    assert not line.samples[:21_600].any()
    assert line.samples[20_000:32_800] == pytest.approx(clip.samples, abs=1e-4)
    assert line.words[0][0].start_s == pytest.approx(1.35)


def test_clips_of_other_rates_and_overlaps_are_mixed() -> None:
    line = place([Placement(0.0, toy_clip(0.6)), Placement(0.3, toy_clip(0.6, 22_050))], 1.5)
    alone = place([Placement(0.0, toy_clip(0.6))], 1.5)
    other = place([Placement(0.3, toy_clip(0.6, 22_050))], 1.5)
    assert line.samples == pytest.approx(alone.samples + other.samples, abs=1e-4)
    assert len(line.words) == 2


def test_what_sounds_after_the_end_is_cut() -> None:
    line = place([Placement(0.5, toy_clip(1.0)), Placement(9.0, toy_clip())], 1.0)
    assert line.samples.size == 16_000
    assert np.abs(line.samples[-100:]).max() > 0.01


def test_heard_units_have_the_phones_of_their_frames() -> None:
    heard = place([Placement(0.8, toy_clip(0.6))], 1.63).heard()
    assert [unit.size for unit in heard.units] == [16_000, 10_080]
    assert heard.phones.size == 50 + 32
    spoken = np.flatnonzero(heard.phones == PHONE_INDEX["aa"])
    assert (spoken[0], spoken[-1]) == (45, 74)


def test_characters_are_heard_evenly_over_their_word() -> None:
    clip = Clip("ab c", vowel(1.0), 16_000, (), (Word(0, 2, 0.0, 0.4), Word(3, 4, 0.5, 1.0)))
    line = place([Placement(1.0, clip)], 2.5)
    times_s = line.char_times_s("ab c")
    expected = [[1.0, 1.2], [1.2, 1.4], [1.2, 1.4], [1.5, 2.0]]
    np.testing.assert_allclose(times_s, expected, atol=1e-5)
    heard = line.heard("ab c")
    assert heard.text == "ab c" and np.array_equal(heard.heard_s, times_s)
    assert line.heard().heard_s is None


def test_units_carry_the_newest_picture() -> None:
    units = place([], 2.0).units([Shown(0.2, "a"), Shown(1.1, "b")])
    assert [unit.image for unit in units] == ["a", "b"]


def test_a_turn_has_its_clips_in_order_with_silence_around() -> None:
    beep = sound_clip(Sound.BEEP, 0.4, rng())
    line = in_turn([toy_clip(), beep, toy_clip()], rng(), noise_db=-60.0)
    first, second, third = line.words
    assert not second
    assert 0.0 < first[0].start_s < 1.2
    assert first[0].end_s + 0.4 < third[0].start_s
    assert line.duration_s > third[0].end_s
    assert line.samples[:100].any()


def test_turns_begin_all_over_the_second_and_repeat_with_their_seed() -> None:
    starts = [in_turn([toy_clip()], rng(seed)).words[0][0].start_s % 1.0 for seed in range(40)]
    assert np.histogram(starts, 4, (0.0, 1.0))[0].min() >= 3
    again = in_turn([toy_clip()], rng(7)).samples
    assert np.array_equal(again, in_turn([toy_clip()], rng(7)).samples)


def test_impossible_placements_are_refused() -> None:
    with pytest.raises(ValueError, match="before the turn"):
        place([Placement(-0.1, toy_clip())], 1.0)
    with pytest.raises(ValueError, match="background"):
        place([], 1.0, np.zeros(100))
