from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from server.media.concealment import FADED_S, HOLD, Concealment, pitch_lag
from server.media.opus_decoder import OPUS_HZ

pytestmark = pytest.mark.unit

FRAME = OPUS_HZ // 50


def vowel(pitch_hz: float, length_s: float = 1.0) -> NDArray[np.int16]:
    """A voice-like sound: harmonics that fall off, with a pitch that glides by a tenth."""
    time_s = np.arange(round(length_s * OPUS_HZ)) / OPUS_HZ
    phase = 2 * np.pi * np.cumsum(pitch_hz * (1 + 0.1 * time_s / length_s)) / OPUS_HZ
    wave = sum(np.sin(phase * k + k) / k for k in range(1, 16))
    return (wave / np.abs(wave).max() * 12_000).astype(np.int16)


def error(filled: NDArray[np.int16], truth: NDArray[np.int16]) -> float:
    return float(((filled.astype(float) - truth.astype(float)) ** 2).mean())


def held_and_faded(before: NDArray[np.int16], n_samples: int) -> NDArray[np.float64]:
    """The plainest concealment: the last 20 ms again and again, fading over 60 ms."""
    held = np.resize(before[-HOLD:].astype(float), n_samples)
    fade = np.clip(1 - (np.arange(n_samples) / OPUS_HZ - 0.01) / 0.05, 0, 1)
    return held * fade


@pytest.mark.parametrize("pitch_hz", [90, 123, 157, 201, 260])
def test_a_lost_packet_of_a_voice_is_filled_better_than_by_holding(pitch_hz: float) -> None:
    wave = vowel(pitch_hz)
    ours = plain = 0.0
    for start in range(10 * FRAME, 40 * FRAME, 3 * FRAME):
        concealment = Concealment()
        for frame in wave[:start].reshape(-1, FRAME):
            concealment.heard(frame)
        truth = wave[start : start + FRAME]
        ours += error(concealment.fill(FRAME), truth)
        plain += error(held_and_faded(wave[:start], FRAME), truth)
    assert ours < plain / 2


def test_noise_is_held_without_a_pitch() -> None:
    noise = np.random.default_rng(3).normal(0, 3000, 20 * FRAME).astype(np.int16)
    concealment = Concealment()
    for frame in noise.reshape(-1, FRAME):
        concealment.heard(frame)
    assert pitch_lag(noise[-4 * FRAME :].astype(np.float32)) is None
    filled = concealment.fill(FRAME)
    assert np.std(filled[: FRAME // 2]) == pytest.approx(3000, rel=0.1)


def test_a_long_loss_fades_to_silence() -> None:
    concealment = Concealment()
    concealment.heard(vowel(150))
    levels = [int(np.abs(concealment.fill(FRAME)).max()) for _ in range(6)]
    assert levels[0] > levels[1] > levels[2] > 0
    assert levels[round(FADED_S * 50) :] == [0, 0, 0]


def test_the_way_into_and_out_of_a_fill_makes_no_click() -> None:
    wave = vowel(150)
    concealment = Concealment()
    received = wave.reshape(-1, FRAME)
    heard = [
        concealment.fill(FRAME) if index in (20, 33, 34) else concealment.heard(frame)
        for index, frame in enumerate(received)
    ]
    steepest = np.abs(np.diff(wave.astype(int))).max()
    assert np.abs(np.diff(np.concatenate(heard).astype(int))).max() < 3 * steepest


def test_what_follows_a_fill_is_the_voice_again() -> None:
    wave = vowel(150).reshape(-1, FRAME)
    concealment = Concealment()
    for frame in wave[:20]:
        assert (concealment.heard(frame) == frame).all()
    concealment.fill(FRAME)
    assert (concealment.heard(wave[21])[FRAME // 2 :] == wave[21][FRAME // 2 :]).all()
    assert (concealment.heard(wave[22]) == wave[22]).all()


def test_nothing_heard_yet_is_filled_with_silence() -> None:
    concealment = Concealment()
    assert not concealment.fill(FRAME).any()
    assert concealment.heard(np.zeros(0, dtype=np.int16)).size == 0
    assert not concealment.pause(FRAME).any()
