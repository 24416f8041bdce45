"""Clips for tests that need no synthesizer, and the skip for tests that need one."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from model.training.speech_data.clips import Clip, Phone, Word
from model.training.speech_data.synthesis import MissingProgramError, SpeechRequest
from model.training.speech_data.synthesizers import SpeechSynthesizer, missing_program
from model.training.speech_data.voices import VOICES, Engine

FESTIVAL_VOICES = [voice.name for voice in VOICES.values() if voice.engine is Engine.FESTIVAL]


@cache
def _missing(engine: Engine) -> str | None:
    reason = missing_program(engine)
    if reason is None and engine is Engine.FESTIVAL:
        # Its voices are packages of their own.
        try:
            SpeechSynthesizer().speak_all([SpeechRequest(name, "a") for name in FESTIVAL_VOICES])
        except MissingProgramError as error:
            reason = str(error)
    return reason


def needs(engine: Engine) -> pytest.MarkDecorator:
    """Skip where the engine's program is not installed, and say why."""
    reason = _missing(engine)
    return pytest.mark.skipif(reason is not None, reason=str(reason))


def vowel(
    seconds: float, rate_hz: int = 16_000, pitch_hz: float = 120.0, formant_hz: float = 700.0
) -> np.ndarray:
    """A buzz of harmonics below 4 kHz, loudest around one formant; float32, peak 0.5."""
    time_s = np.arange(round(seconds * rate_hz)) / rate_hz
    wave = np.zeros(time_s.size)
    for number in range(1, int(4000.0 / pitch_hz)):
        hz = number * pitch_hz
        strength = np.exp(-(((hz - formant_hz) / 350.0) ** 2)) + 0.02
        wave += strength * np.sin(2 * np.pi * hz * time_s + number**2)
    return (0.5 * wave / np.abs(wave).max()).astype(np.float32)


def toy_clip(seconds: float = 0.6, rate_hz: int = 16_000) -> Clip:
    """0.1 s of silence, "ah" for ``seconds``, 0.1 s of silence."""
    quiet = np.zeros(rate_hz // 10, dtype=np.float32)
    samples = np.concatenate([quiet, vowel(seconds, rate_hz), quiet])
    phones = (
        Phone("pau", 0.0, 0.1),
        Phone("aa", 0.1, 0.1 + seconds),
        Phone("pau", 0.1 + seconds, 0.2 + seconds),
    )
    return Clip("ah", samples, rate_hz, phones, (Word(0, 2, 0.1, 0.1 + seconds),))


def pitch_of(samples: np.ndarray, rate_hz: int) -> float:
    """Pitch of the loudest frame by autocorrelation, 60 to 400 Hz."""
    frame = round(0.06 * rate_hz)
    starts = range(0, max(samples.size - frame, 1), frame // 2)
    start = max(starts, key=lambda at: float(np.sum(samples[at : at + frame] ** 2)))
    piece = samples[start : start + frame].astype(np.float64)
    scores = np.correlate(piece, piece, "full")[piece.size - 1 :]
    shortest, longest = round(rate_hz / 400), round(rate_hz / 60)
    return rate_hz / (shortest + int(np.argmax(scores[shortest:longest])))


def centre_hz(samples: np.ndarray, rate_hz: int) -> float:
    """Mean frequency of the spectrum's power below 3 kHz."""
    power = np.abs(np.fft.rfft(samples)) ** 2
    hz = np.fft.rfftfreq(samples.size, 1.0 / rate_hz)
    low = hz < 3000.0
    return float(np.sum(hz[low] * power[low]) / np.sum(power[low]))
