"""The tiny checkpoint with voices: recordings are made, the rest is linked."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

GOLDEN = Path(__file__).parents[1] / "golden"
CLARA_S, ALAN_S = 2.0, 4.0


def write_voice(path: Path, length_s: float, rate_hz: int = 16_000, pitch_hz: float = 220) -> Path:
    """A mono recording of a buzzing sound, in 16 bits."""
    time_s = np.arange(round(length_s * rate_hz)) / rate_hz
    wave = sum(0.1 * np.sin(2 * np.pi * pitch_hz * n * time_s) for n in range(1, 5))
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, wave, rate_hz, subtype="PCM_16")
    return path


def voiced_checkpoint(folder: Path) -> Path:
    """The golden checkpoint with the voices clara (2 s, FLAC) and alan (4 s, WAV at 24 kHz)."""
    (folder / "assets").mkdir(parents=True)
    for path in (*GOLDEN.iterdir(), *(GOLDEN / "assets").iterdir()):
        if path.name != "assets":
            (folder / path.relative_to(GOLDEN)).symlink_to(path)
    write_voice(folder / "assets/voices/clara.flac", CLARA_S)
    write_voice(folder / "assets/voices/alan.wav", ALAN_S, 24_000, 110)
    return folder
