"""Units are cut exactly as the server cuts them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.training.speech_data.units import FEWEST_SAMPLES, Shown, cut_units
from server.engine.interface import ImageFrame
from server.media.unitizer import Unitizer

pytestmark = pytest.mark.unit


def units_of_the_server(
    samples: np.ndarray, shown: list[Shown[int]]
) -> list[tuple[bytes, int | None]]:
    unitizer = Unitizer()
    units = []
    position = 0
    for picture in shown:
        at = min(round(picture.at_s * 16_000), samples.size)
        units += unitizer.push_audio(samples[position:at])
        position = max(position, at)
        unitizer.push_image(ImageFrame(1, 1, bytes([picture.image] * 3)))
    units += unitizer.push_audio(samples[position:])
    last = unitizer.flush()
    units += [] if last is None else [last]
    return [(unit.audio_pcm, unit.image.rgb[0] if unit.image else None) for unit in units]


@settings(deadline=None, max_examples=60)
@given(
    n_samples=st.one_of(
        st.integers(0, 50_000),
        st.sampled_from([0, 1, 479, 480, 15_999, 16_000, 16_001, 16_479, 32_000]),
    ),
    times=st.lists(
        st.one_of(st.floats(0.0, 3.5), st.sampled_from([0.0, 1.0, 2.0, 3.0])), max_size=6
    ),
)
def test_units_equal_those_of_the_server(n_samples: int, times: list[float]) -> None:
    samples = np.arange(n_samples, dtype=np.int16)
    shown = [Shown(at_s, number) for number, at_s in enumerate(sorted(times))]
    units = cut_units(samples, shown)
    got = [(unit.samples.astype("<i2").tobytes(), unit.image) for unit in units]
    assert got == units_of_the_server(samples, shown)


def test_a_tail_too_short_for_a_token_is_filled_with_silence() -> None:
    units = cut_units(np.ones(16_001, dtype=np.float32))
    assert [unit.samples.size for unit in units] == [16_000, FEWEST_SAMPLES]
    assert units[1].samples.sum() == 1.0


def test_the_newest_picture_of_a_second_wins() -> None:
    shown = [Shown(0.1, "red"), Shown(0.9, "blue"), Shown(1.0, "green")]
    units = cut_units(np.zeros(24_000), shown)
    assert [unit.image for unit in units] == ["blue", "green"]


def test_nothing_gives_no_unit() -> None:
    assert cut_units(np.zeros(0)) == []
