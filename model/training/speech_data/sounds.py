"""Sounds that are not speech: silence, beeps, knocks and something like music; made from a seed."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

import numpy as np

from model.training.speech_data.augmentation import coloured_noise

MODEL_HZ = 16_000
_SEMITONE = 2.0 ** (1.0 / 12.0)


class Sound(Enum):
    """What can be told apart from speech; the values are those of call scripts."""

    SILENCE = "silence"
    BEEP = "beep"
    KNOCK = "knock"
    MUSIC = "tone"


def make_sound(
    kind: Sound, duration_s: float, rng: np.random.Generator, rate_hz: int = MODEL_HZ
) -> np.ndarray:
    """One sound ``[round(duration_s * rate_hz)]``, float32 in -1 .. 1.

    Silence is a faint hiss, as of a microphone; a beep is one to three tones of one pitch; a knock
    is two to five dull blows; music is a melody of plucked notes over a chord.

    Raises:
        ValueError: The duration is not positive.
    """
    if duration_s <= 0:
        raise ValueError(f"a sound has a length, not {duration_s} s")
    n_samples = round(duration_s * rate_hz)
    samples = _MAKERS[kind](n_samples, rate_hz, rng)
    hiss = coloured_noise(n_samples, rng.uniform(0.0, 1.5), rng) * 10.0 ** rng.uniform(-4.0, -3.0)
    return np.clip(samples + hiss, -1.0, 1.0).astype(np.float32)


def _silence(n_samples: int, rate_hz: int, rng: np.random.Generator) -> np.ndarray:
    return np.zeros(n_samples)


def _beep(n_samples: int, rate_hz: int, rng: np.random.Generator) -> np.ndarray:
    pitch_hz = rng.uniform(500.0, 2500.0)
    overtone = rng.uniform(0.0, 0.4) * rng.integers(0, 2)
    level = 10.0 ** rng.uniform(-1.2, -0.4)
    n_beeps = int(rng.integers(1, 4))
    slot = n_samples / n_beeps
    length = slot * rng.uniform(0.45, 0.85)
    out = np.zeros(n_samples)
    for index in range(n_beeps):
        start = int(index * slot)
        time_s = np.arange(min(int(length), n_samples - start)) / rate_hz
        tone = np.sin(2 * np.pi * pitch_hz * time_s)
        tone += overtone * np.sin(4 * np.pi * pitch_hz * time_s)
        out[start : start + time_s.size] = tone * _edges(time_s.size, round(0.006 * rate_hz))
    return out * level / (1.0 + overtone)


def _knock(n_samples: int, rate_hz: int, rng: np.random.Generator) -> np.ndarray:
    n_knocks = int(rng.integers(2, 6))
    gap_s = min(rng.uniform(0.14, 0.3), n_samples / rate_hz / (n_knocks + 0.3))
    body_hz = rng.uniform(110.0, 380.0)
    decay_s = rng.uniform(0.012, 0.03)
    level = 10.0 ** rng.uniform(-0.7, -0.15)
    out = np.zeros(n_samples)
    start_s = rng.uniform(0.0, max(n_samples / rate_hz - gap_s * n_knocks, 0.0))
    for index in range(n_knocks):
        start = int((start_s + gap_s * (index + rng.uniform(-0.06, 0.06))) * rate_hz)
        start = min(max(start, 0), n_samples - 1)
        time_s = np.arange(n_samples - start) / rate_hz
        fall = np.exp(-time_s / decay_s)
        blow = np.sin(2 * np.pi * body_hz * time_s) + 0.5 * np.sin(5.1 * np.pi * body_hz * time_s)
        click = rng.standard_normal(time_s.size) * np.exp(-time_s / 0.003)
        out[start:] += fall * blow * rng.uniform(0.7, 1.0) + 0.5 * click
    return out * level / max(float(np.abs(out).max()), 1e-9)


def _music(n_samples: int, rate_hz: int, rng: np.random.Generator) -> np.ndarray:
    root_hz = 110.0 * _SEMITONE ** rng.integers(0, 13)
    scale = (
        np.array([0, 2, 4, 7, 9, 12, 14, 16])
        if rng.integers(0, 2)
        else np.array([0, 3, 5, 7, 10, 12, 15, 17])
    )
    beat_s = rng.uniform(0.16, 0.32)
    partials = rng.uniform(0.15, 0.6) ** np.arange(5)
    decay_s = rng.uniform(0.2, 0.6)
    out = np.zeros(n_samples)

    def add_note(start: int, pitch_hz: float, strength: float, fall_s: float) -> None:
        time_s = np.arange(n_samples - start) / rate_hz
        envelope = np.exp(-time_s / fall_s) * np.minimum(time_s / 0.008, 1.0)
        for number, partial in enumerate(partials, 1):
            wave = np.sin(2 * np.pi * number * pitch_hz * time_s)
            out[start:] += strength * partial * envelope * wave

    for chord_note in (0, 7, 12):
        add_note(0, root_hz * _SEMITONE**chord_note, 0.4, 3.0)
    for start in range(0, n_samples, max(round(beat_s * rate_hz), 1)):
        add_note(start, 2 * root_hz * _SEMITONE ** rng.choice(scale), 1.0, decay_s)
    level = 10.0 ** rng.uniform(-0.9, -0.3)
    return out * level / max(float(np.abs(out).max()), 1e-9)


def _edges(n_samples: int, n_edge: int) -> np.ndarray:
    """One, with a soft start and end."""
    at = np.arange(n_samples)
    return np.clip(np.minimum(at, n_samples - 1 - at) / max(n_edge, 1), 0.0, 1.0)


_MAKERS: dict[Sound, Callable[[int, int, np.random.Generator], np.ndarray]] = {
    Sound.SILENCE: _silence,
    Sound.BEEP: _beep,
    Sound.KNOCK: _knock,
    Sound.MUSIC: _music,
}
