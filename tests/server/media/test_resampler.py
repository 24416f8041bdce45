"""Streaming resampling."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.errors import ProtocolError
from server.media.pcm import NO_SAMPLES, Samples
from server.media.resampler import SUPPORTED_HZ, Resampler

pytestmark = pytest.mark.unit

CUTS = st.lists(st.integers(0, 4000), max_size=12)


def noise(n_samples: int, amplitude: float = 20_000) -> Samples:
    """Loud noise, always the same."""
    wave = np.random.default_rng(7).uniform(-amplitude, amplitude, n_samples)
    return wave.astype(np.int16)


def cut(samples: Samples, sizes: list[int]) -> list[Samples]:
    """``samples`` in pieces of these sizes and the rest."""
    return np.split(samples, np.minimum(np.cumsum(sizes), samples.size)) if sizes else [samples]


@settings(deadline=None, max_examples=30)
@given(rate_hz=st.sampled_from(SUPPORTED_HZ), sizes=CUTS)
def test_any_cut_sounds_like_one_piece(rate_hz: int, sizes: list[int]) -> None:
    sound = noise(rate_hz // 4)
    whole = Resampler(rate_hz)
    in_one = np.concatenate([whole.push(sound), whole.flush()])
    stream = Resampler(rate_hz)
    pieces = [stream.push(piece) for piece in cut(sound, sizes)]
    in_pieces = np.concatenate([*pieces, stream.flush()])
    assert in_pieces.size == in_one.size
    assert np.abs(in_pieces.astype(int) - in_one.astype(int)).max() <= 1


@pytest.mark.parametrize("rate_hz", SUPPORTED_HZ)
def test_a_second_stays_a_second(rate_hz: int) -> None:
    resampler = Resampler(rate_hz)
    first = resampler.push(noise(rate_hz))
    assert first.size + resampler.flush().size == 16_000


@pytest.mark.parametrize("rate_hz", [24_000, 48_000, 8_000])
def test_a_tone_keeps_its_pitch_and_loudness(rate_hz: int) -> None:
    def tone(at_hz: int) -> Samples:
        return (10_000 * np.sin(2 * np.pi * 440 * np.arange(at_hz) / at_hz)).astype(np.int16)

    resampler = Resampler(rate_hz)
    heard = np.concatenate([resampler.push(tone(rate_hz)), resampler.flush()])
    middle = slice(1000, 15_000)
    assert np.abs(heard[middle].astype(int) - tone(16_000)[middle].astype(int)).max() < 60


@pytest.mark.parametrize("rate_hz", [24_000, 48_000, 8_000])
def test_little_is_held_back(rate_hz: int) -> None:
    resampler = Resampler(rate_hz)
    frame = rate_hz // 50
    ready = sum(resampler.push(noise(frame)).size for _ in range(50))
    assert 16_000 - ready <= 16_000 * 0.03


def test_the_models_own_rate_passes_through() -> None:
    resampler = Resampler(16_000)
    sound = noise(100)
    assert resampler.push(sound) is sound
    assert resampler.flush().size == 0


def test_full_scale_does_not_wrap_round() -> None:
    square = np.where(np.arange(24_000) // 50 % 2, 32_767, -32_768).astype(np.int16)
    resampler = Resampler(24_000)
    heard = np.concatenate([resampler.push(square), resampler.flush()]).astype(int)
    inside = heard[200:-200].reshape(-1)
    # A wrapped overshoot would stand far away from both of its neighbours.
    spikes = np.abs(inside[1:-1] - (inside[:-2] + inside[2:]) / 2)
    assert spikes.max() < 40_000


def test_after_a_flush_another_stream_begins() -> None:
    resampler = Resampler(24_000)
    sound = noise(2_400)
    first = np.concatenate([resampler.push(sound), resampler.flush()])
    second = np.concatenate([resampler.push(sound), resampler.flush()])
    assert np.array_equal(first, second)


def test_clearing_forgets_what_was_held_back() -> None:
    resampler = Resampler(24_000)
    resampler.push(noise(2_400))
    resampler.clear()
    silence = np.zeros(2_400, dtype=np.int16)
    heard = np.concatenate([resampler.push(silence), resampler.flush()])
    assert not heard.any()


def test_pushing_nothing_gives_nothing() -> None:
    assert Resampler(24_000).push(NO_SAMPLES).size == 0


def test_an_unknown_rate_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ProtocolError, match="8000, 16000, 24000, 48000") as refused:
        Resampler(44_100)
    assert refused.value.code == "invalid_audio_rate"
