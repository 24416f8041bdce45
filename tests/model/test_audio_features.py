"""Log-mel features and token counts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from model.audio_features import (
    AUDIO_START,
    FFT_SAMPLES,
    HOP_SAMPLES,
    MAX_CLIP_SAMPLES,
    PLACEHOLDER,
    audio_placeholder,
    chunk_frames,
    encoder_frame_count,
    log_mel,
    mel_filters,
    mel_frame_count,
    split_clip,
    token_count,
)
from model.config import SAMPLES_PER_UNIT, OmniConfig

pytestmark = pytest.mark.unit

CONFIG = OmniConfig()


def noise(n_samples: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n_samples, generator=generator) * 0.1


def padded_log_mel(samples: torch.Tensor) -> torch.Tensor:
    """The definition: pad to 30 s, transform everything, cut."""
    padded = torch.zeros(MAX_CLIP_SAMPLES, dtype=torch.float64)
    padded[: len(samples)] = samples
    window = torch.hann_window(FFT_SAMPLES, dtype=torch.float64)
    spectrum = torch.stft(
        padded, FFT_SAMPLES, HOP_SAMPLES, window=window, center=True, return_complex=True
    )
    power = spectrum[:, :-1].abs() ** 2
    mel = (torch.from_numpy(mel_filters()).double() @ power).clamp(min=1e-10).log10()
    mel = torch.maximum(mel, mel.max() - 8.0)
    return ((mel + 4.0) / 4.0)[:, : -(-len(samples) // HOP_SAMPLES)].float()


@settings(deadline=None, max_examples=12)
@given(n_samples=st.integers(1, 40_000), seed=st.integers(0, 99))
@example(n_samples=1, seed=0)
@example(n_samples=200, seed=0)
@example(n_samples=201, seed=0)
@example(n_samples=SAMPLES_PER_UNIT, seed=0)
@example(n_samples=MAX_CLIP_SAMPLES - 161, seed=0)
@example(n_samples=MAX_CLIP_SAMPLES - 30, seed=0)
@example(n_samples=MAX_CLIP_SAMPLES, seed=0)
def test_features_equal_those_of_the_clip_padded_to_30_s(n_samples: int, seed: int) -> None:
    samples = noise(n_samples, seed)
    torch.testing.assert_close(log_mel(samples), padded_log_mel(samples), atol=2e-5, rtol=0)


@pytest.mark.parametrize("n_samples", [SAMPLES_PER_UNIT, SAMPLES_PER_UNIT - 30])
def test_a_click_in_the_last_samples_sets_the_floor_of_the_whole_clip(n_samples: int) -> None:
    samples = noise(n_samples) * 1e-5
    quiet = log_mel(samples)
    samples[-1] = 1.0
    features = log_mel(samples)
    torch.testing.assert_close(features, padded_log_mel(samples), atol=2e-5, rtol=0)
    assert features[:, 0].min() > quiet[:, 0].min()


def test_silence_is_the_smallest_value_everywhere() -> None:
    features = log_mel(torch.zeros(SAMPLES_PER_UNIT))
    assert torch.equal(features, torch.full((80, 100), (-10.0 + 4.0) / 4.0))


def test_any_float_array_is_accepted_and_left_as_it_was() -> None:
    samples = noise(3_000).numpy()
    received = np.frombuffer(samples.tobytes(), dtype=np.float32)  # read-only
    expected = log_mel(torch.from_numpy(samples))
    assert torch.equal(log_mel(received), expected)
    assert torch.equal(log_mel(samples.astype(np.float64)), expected)
    assert torch.equal(log_mel(samples[::-1].copy()[::-1]), expected)
    assert np.array_equal(received, samples)


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.zeros(0, np.float32), "not empty"),
        (np.zeros((2, 100), np.float32), "one-dimensional"),
        (np.zeros(100, np.int16), "floating point"),
        (np.array([0.0, np.nan, 0.0], np.float32), "NaN"),
        (np.array([0.0, np.inf], np.float32), "infinite"),
        (np.array([0.0, -np.inf, np.inf], np.float32), "infinite"),
        (np.array([0.0, 1e30], np.float32), "absurdly large"),
        (np.zeros(MAX_CLIP_SAMPLES + 1, np.float32), "longer than 30 s"),
    ],
)
def test_samples_that_are_no_clip_are_refused(samples: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        log_mel(samples)


def test_mel_filters_are_triangles_of_unit_area_in_rising_order() -> None:
    filters = mel_filters()
    assert filters.shape == (80, FFT_SAMPLES // 2 + 1)
    assert filters.dtype == np.float32
    assert (filters >= 0).all()
    peaks = filters.argmax(axis=1)
    assert (np.diff(peaks) >= 0).all()
    bin_width_hz = 40.0
    # Narrower filters cover too few bins for a sum to be an integral.
    assert np.allclose(filters[45:].sum(axis=1) * bin_width_hz, 1.0, atol=0.05)


def test_a_tone_is_loudest_in_the_band_around_it() -> None:
    tone_hz = 2_000.0
    time_s = torch.arange(SAMPLES_PER_UNIT) / 16_000
    band = log_mel(torch.sin(2 * torch.pi * tone_hz * time_s))[:, 50].argmax()
    assert abs(int(mel_filters()[band].argmax()) * 40.0 - tone_hz) <= 80.0


@pytest.mark.parametrize(
    ("n_samples", "n_tokens"),
    [(0, 0), (160, 0), (320, 0), (321, 1), (1_000, 2), (6_400, 10), (16_000, 25), (499_200, 780)],
)
def test_token_counts(n_samples: int, n_tokens: int) -> None:
    assert token_count(n_samples, CONFIG) == n_tokens


@settings(deadline=None, max_examples=50)
@given(n_samples=st.integers(1, 3 * MAX_CLIP_SAMPLES))
def test_counts_follow_the_written_formulas(n_samples: int) -> None:
    n_mel = int(np.ceil(n_samples / 160))
    n_frames = (n_mel - 1) // 2 + 1
    assert mel_frame_count(n_samples) == n_mel
    assert encoder_frame_count(n_mel) == n_frames
    assert token_count(n_samples, CONFIG) == (n_frames - 2) // 2 + 1


@settings(deadline=None, max_examples=8)
@given(n_samples=st.integers(1, 2 * MAX_CLIP_SAMPLES + 5_000))
def test_pieces_of_a_long_clip_have_as_many_tokens_as_the_clip(n_samples: int) -> None:
    pieces = split_clip(torch.zeros(n_samples))
    assert sum(len(piece) for piece in pieces) == n_samples
    assert max(len(piece) for piece in pieces) <= MAX_CLIP_SAMPLES
    tokens = sum(token_count(len(piece), CONFIG) for piece in pieces)
    assert tokens == token_count(n_samples, CONFIG)


@settings(deadline=None, max_examples=30)
@given(n_samples=st.integers(0, 100_000), chunked=st.booleans())
def test_a_placeholder_has_one_token_per_feature_in_blocks_of_a_second(
    n_samples: int, chunked: bool
) -> None:
    text = audio_placeholder(n_samples, CONFIG, chunked)
    n_tokens = token_count(n_samples, CONFIG)
    blocks = [block.count(PLACEHOLDER) for block in text.split(AUDIO_START)[1:]]
    assert sum(blocks) == n_tokens
    if chunked:
        assert all(block == 25 for block in blocks[:-1])
        assert all(0 < block <= 25 for block in blocks)
    else:
        assert len(blocks) == (1 if n_tokens else 0)


def test_without_a_chunk_length_nothing_is_cut() -> None:
    config = replace(CONFIG, audio_chunk_length=0.0)
    assert chunk_frames(CONFIG) == 50
    assert chunk_frames(config) is None
    assert audio_placeholder(50_000, config, True) == audio_placeholder(50_000, config, False)
