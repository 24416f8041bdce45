"""Media files made on the spot: tones and clips in real containers."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

QUESTION = Path(__file__).parents[1] / "data" / "question.flac"
"""A spoken question of exactly 6 s, 16 kHz mono, without a pause inside."""


def tone(seconds: float, rate_hz: int, frequency_hz: float = 440.0) -> np.ndarray:
    """Int16 sine ``[n]`` at half of full scale."""
    time_s = np.arange(round(seconds * rate_hz)) / rate_hz
    return (16_000 * np.sin(2 * np.pi * frequency_hz * time_s)).astype(np.int16)


def coloured_frame(second: int, width: int = 320, height: int = 240) -> np.ndarray:
    """RGB ``[height, width, 3]`` whose brightness tells the second."""
    return np.full((height, width, 3), 20 + 30 * (second % 8), np.uint8)


def write_clip(
    path: Path, seconds: int, *, frames_per_s: int = 5, sound_rate_hz: int | None = None
) -> Path:
    """A video whose frames show :func:`coloured_frame`, with a tone when a rate is given."""
    with av.open(path, mode="w") as container:
        video = container.add_stream("mpeg4", rate=frames_per_s)
        video.width, video.height, video.pix_fmt = 320, 240, "yuv420p"
        sound = None
        if sound_rate_hz is not None:
            sound = container.add_stream("aac", rate=sound_rate_hz, layout="mono")
        for index in range(seconds * frames_per_s):
            picture = coloured_frame(index // frames_per_s)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, frames_per_s)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if sound is not None and sound_rate_hz is not None:
            samples = tone(seconds, sound_rate_hz)[None, :]
            frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
            frame.sample_rate, frame.pts = sound_rate_hz, 0
            frame.time_base = Fraction(1, sound_rate_hz)
            container.mux(sound.encode(frame))
            container.mux(sound.encode(None))
    return path
