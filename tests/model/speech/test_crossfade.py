"""Joining waves of overlapping windows."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from model.speech.crossfade import OVERLAP_SAMPLES, WaveJoiner, crossfade

pytestmark = pytest.mark.unit


def test_crossfade_of_one_signal_with_itself_changes_nothing() -> None:
    signal = torch.sin(torch.arange(3000) / 7)
    joined = crossfade(signal[:2000], signal[1500:], 500)
    torch.testing.assert_close(joined, signal)


def test_crossfade_goes_from_one_wave_to_the_other_and_reaches_neither() -> None:
    joined = crossfade(torch.zeros(5), torch.ones(5), 3)
    torch.testing.assert_close(joined, torch.tensor([0, 0, 0.25, 0.5, 0.75, 1, 1]))


def test_crossfade_without_overlap_appends() -> None:
    assert crossfade(torch.zeros(2), torch.ones(1), 0).tolist() == [0, 0, 1]


def test_crossfade_longer_than_a_wave_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot cross-fade 3 samples"):
        crossfade(torch.zeros(2), torch.zeros(9), 3)


def test_only_the_overlap_is_held_back() -> None:
    joiner = WaveJoiner()
    assert len(joiner.join(torch.zeros(12_800), 0)) == 12_800 - OVERLAP_SAMPLES
    assert len(joiner.join(torch.zeros(14_848), OVERLAP_SAMPLES)) == 12_800
    assert len(joiner.flush()) == OVERLAP_SAMPLES
    assert len(joiner.flush()) == 0


def test_the_reference_holds_a_whole_wave_back() -> None:
    joiner = WaveJoiner(holds_whole_wave=True)
    assert len(joiner.join(torch.zeros(12_800), 0)) == 0
    assert len(joiner.join(torch.zeros(14_848), OVERLAP_SAMPLES)) == 12_800
    assert len(joiner.held) == 12_800


@given(st.lists(st.integers(1, 30), min_size=1, max_size=6), st.booleans())
@settings(deadline=None, max_examples=60)
def test_overlapping_windows_of_a_signal_give_the_signal(
    frame_counts: list[int], holds_whole_wave: bool
) -> None:
    frame = OVERLAP_SAMPLES // 4
    signal = torch.from_numpy(np.random.RandomState(0).randn(sum(frame_counts) * frame)).float()
    joiner = WaveJoiner(holds_whole_wave=holds_whole_wave)
    left, done = [], 0
    for count in frame_counts:
        overlap = min(done * frame, OVERLAP_SAMPLES, len(joiner.held))
        window = signal[done * frame - overlap : (done + count) * frame]
        left.append(joiner.join(window, overlap))
        done += count
    torch.testing.assert_close(torch.cat([*left, joiner.flush()]), signal)


def test_replacing_what_is_held_lets_as_much_leave() -> None:
    joiner = WaveJoiner()
    joiner.join(torch.zeros(3000), 0)
    leaving = joiner.replace(torch.ones(5000))
    assert len(leaving) == OVERLAP_SAMPLES
    assert joiner.held.tolist() == [1] * (5000 - OVERLAP_SAMPLES)
    assert len(joiner.replace(torch.ones(10))) == 10
    assert len(joiner.held) == 0
