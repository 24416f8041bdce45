"""Units of one second."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.engine.interface import ImageFrame, InputUnit
from server.media.pcm import Samples, samples_from_bytes
from server.media.unitizer import FEWEST_SAMPLES, SAMPLES_PER_UNIT, Unitizer

pytestmark = pytest.mark.unit


def ramp(n_samples: int) -> Samples:
    """Samples that name their place."""
    return (np.arange(n_samples) % 30_011).astype(np.int16)


def frame(name: int) -> ImageFrame:
    """A picture that can be told from others."""
    return ImageFrame(1, 1, bytes([name, 0, 0]))


def joined(units: list[InputUnit]) -> Samples:
    """The audio of all units."""
    return samples_from_bytes(b"".join(unit.audio_pcm for unit in units))


@settings(deadline=None, max_examples=40)
@given(sizes=st.lists(st.integers(0, 40_000), min_size=1, max_size=12))
def test_no_sample_is_lost_or_moved_for_any_cut(sizes: list[int]) -> None:
    unitizer = Unitizer()
    sound = ramp(sum(sizes))
    units: list[InputUnit] = []
    place = 0
    for size in sizes:
        units += unitizer.push_audio(sound[place : place + size])
        place += size
    last = unitizer.flush()
    heard = joined(units + ([last] if last else []))
    assert np.array_equal(heard[: sound.size], sound)
    assert not heard[sound.size :].any()
    assert heard.size - sound.size < FEWEST_SAMPLES
    assert all(len(unit.audio_pcm) == 2 * SAMPLES_PER_UNIT for unit in units)
    assert [unit.index for unit in units] == list(range(len(units)))


def test_twenty_millisecond_frames_make_a_unit_each_second() -> None:
    unitizer = Unitizer()
    complete = [len(unitizer.push_audio(ramp(320))) for _ in range(100)]
    assert [index for index, n in enumerate(complete) if n] == [49, 99]


def test_the_newest_frame_of_a_unit_wins() -> None:
    unitizer = Unitizer()
    for name in (1, 2, 3):
        unitizer.push_image(frame(name))
    (unit,) = unitizer.push_audio(ramp(SAMPLES_PER_UNIT))
    assert unit.image == frame(3)


def test_a_frame_belongs_to_one_unit_only() -> None:
    unitizer = Unitizer()
    unitizer.push_image(frame(1))
    first, second = unitizer.push_audio(ramp(2 * SAMPLES_PER_UNIT))
    assert first.image == frame(1)
    assert second.image is None


def test_the_last_short_unit_is_flushed_with_its_frame() -> None:
    unitizer = Unitizer()
    unitizer.push_audio(ramp(6_400))
    unitizer.push_image(frame(1))
    last = unitizer.flush()
    assert last is not None
    assert len(last.audio_pcm) == 2 * 6_400
    assert last.image == frame(1)
    assert unitizer.flush() is None


def test_a_tail_too_short_for_a_token_is_filled_with_silence() -> None:
    unitizer = Unitizer()
    unitizer.push_audio(ramp(5))
    last = unitizer.flush()
    assert last is not None
    assert samples_from_bytes(last.audio_pcm).tolist() == [0, 1, 2, 3, 4] + [0] * 475


def test_a_frame_alone_is_a_unit_without_audio() -> None:
    unitizer = Unitizer()
    assert unitizer.is_empty
    unitizer.push_image(frame(1))
    assert unitizer.has_image and not unitizer.is_empty
    last = unitizer.flush()
    assert last is not None and last.audio_pcm == b"" and last.image == frame(1)


def test_clearing_forgets_the_open_unit_and_counts_on() -> None:
    unitizer = Unitizer()
    unitizer.push_audio(ramp(SAMPLES_PER_UNIT + 100))
    unitizer.push_image(frame(1))
    unitizer.clear()
    assert unitizer.open_s == 0.0
    (unit,) = unitizer.push_audio(ramp(SAMPLES_PER_UNIT))
    assert unit.index == 1 and unit.image is None


def test_the_open_part_is_measured() -> None:
    unitizer = Unitizer()
    unitizer.push_audio(ramp(SAMPLES_PER_UNIT + 8_000))
    assert unitizer.open_s == 0.5
