"""Calls of noise that the tests of the joint stage share."""

from __future__ import annotations

import numpy as np

from model.training.batches import Call, CallTurn, CallUnit
from model.training.speech_sequences import FRAMES_PER_S
from tests.model.training.tiny_training import tone_waves


def unit(seed: int, n_samples: int = 16_000, picture: bool = True) -> CallUnit:
    """A second of sound, with a picture or without."""
    random = np.random.default_rng(seed)
    image = random.integers(0, 256, (42, 56, 3), dtype=np.uint8) if picture else None
    samples = tone_waves(1, n_samples, 16_000, seed)[0] if n_samples else None
    return CallUnit(samples, image)


def spoken_turn(reply: str, units: tuple[CallUnit, ...], seed: int, n_frames: int) -> CallTurn:
    """A turn whose answer is spoken."""
    codes = np.random.default_rng(seed).integers(0, 625, (n_frames, 4)).astype(np.int16)
    ends = np.linspace(0.02, n_frames / FRAMES_PER_S, len(reply)).astype(np.float32)
    return CallTurn(reply, units, codes=codes, char_ends_s=ends)


def video_call(voice: int = 0) -> Call:
    """Two turns: seen and heard, then heard and typed; a voice in the system prompt."""
    return Call(
        (
            spoken_turn("it is red.", (unit(1), unit(2, 5_000)), 1, 14),
            CallTurn("yes! two", (unit(3, 3_000, picture=False), unit(4, 0)), typed="and now?"),
        ),
        voice=voice,
        voice_samples=tone_waves(1, 24_000, 16_000, 50 + voice)[0],
    )


def audio_call(voice: int = 1) -> Call:
    """One turn, without pictures."""
    return Call(
        (spoken_turn("hello.", (unit(5, 9_000, picture=False),), 3, 10),),
        mode="audio_assistant",
        voice=voice,
        voice_samples=tone_waves(1, 20_000, 16_000, 50 + voice)[0],
    )


def typed_call() -> Call:
    """Two typed turns, the first of which is context only."""
    turns = (CallTurn("hi.", typed="hello", trained=False), CallTurn("five.", typed="2 + 3?"))
    return Call(turns, mode="audio_assistant")
