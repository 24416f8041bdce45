"""The voices a checkpoint brings: recordings in ``assets/voices``, each named by its file.

A voice is chosen by playing its recording to the model in the system prompt, so a folder of
recordings is all there is to it; weights know no names.

The libraries that decode are imported where they are needed: training passes recordings along and
runs on machines without them.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from model.config import SAMPLE_RATE_HZ
from model.loading import CheckpointError

if TYPE_CHECKING:
    import soundfile

VOICES_FOLDER = "assets/voices"
SUFFIXES = (".flac", ".wav")
NAME_PATTERN = re.compile("[a-z0-9_-]{1,32}")
RESERVED_NAMES = frozenset({"default", "reference"})
"""What callers call the checkpoint's own voice, and a recording of theirs without a name."""
SHORTEST_S, LONGEST_S = 2.0, 10.0
"""Less does not tell a voice; more only takes context from the call."""
LOWEST_RATE_HZ, HIGHEST_RATE_HZ = 8_000, 192_000
MAX_VOICES = 64
FULL_SCALE = 32_768


def load_voices(folder: Path) -> dict[str, NDArray[np.int16]]:
    """The recordings a checkpoint brings, by name, in the order of their names.

    Args:
        folder: Checkpoint folder.

    Returns:
        Samples ``[n]`` at 16 kHz, as system prompts play them; nothing without ``assets/voices``.

    Raises:
        CheckpointError: A file is no voice; the text names it.
    """
    recordings = find_voices(folder / VOICES_FOLDER)
    return {name: _at_prompt_rate(path) for name, path in recordings.items()}


def find_voices(folder: Path) -> dict[str, Path]:
    """Recordings of voices in a folder, by name, unread; none where there is no folder.

    Raises:
        CheckpointError: A file there cannot be a voice, or there are too many.
    """
    found: dict[str, Path] = {}
    files = sorted(folder.iterdir()) if folder.is_dir() else []
    for path in files:
        if path.name.startswith("."):  # what file managers leave behind
            continue
        if path.suffix not in SUFFIXES or not path.is_file():
            raise CheckpointError(f"{path} is no .flac or .wav file; only voices belong there")
        check_name(path.stem, path)
        if path.stem in found:
            raise CheckpointError(f"{path} and {found[path.stem]} are one voice; remove one")
        found[path.stem] = path
    if len(found) > MAX_VOICES:
        raise CheckpointError(f"{folder} has {len(found)} voices; {MAX_VOICES} is the limit")
    return found


def check_name(name: str, path: Path) -> None:
    """Make sure that a voice can be called this.

    Args:
        name: Of the voice.
        path: Its recording, for the error.

    Raises:
        CheckpointError: The name has other characters, is too long, or means something else.
    """
    if not NAME_PATTERN.fullmatch(name):
        raise CheckpointError(
            f"{path}: {name!r} cannot name a voice; use up to 32 of a-z, 0-9, '-' and '_'"
        )
    if name in RESERVED_NAMES:
        raise CheckpointError(f"{path}: a voice cannot be called {name!r}; rename the file")


def read_voice(path: Path) -> tuple[NDArray[np.float32], int]:
    """One recording of a voice, checked.

    Returns:
        Samples ``[n]`` in -1..1, and their rate in Hz.

    Raises:
        CheckpointError: It is missing, damaged, silent, not mono, too short or too long.
    """
    import soundfile

    try:
        with soundfile.SoundFile(path) as recording:
            _check_header(path, recording)
            samples: NDArray[np.float32] = recording.read(dtype="float32")
            rate_hz = recording.samplerate
    except soundfile.LibsndfileError as error:
        raise CheckpointError(
            f"cannot read the voice {path} ({error.error_string}); record or copy it again"
        ) from error
    if not np.isfinite(samples).all():
        raise CheckpointError(f"the voice {path} is damaged; record or copy it again")
    if not samples.any():
        raise CheckpointError(f"the voice {path} is silence; record it again")
    return samples, rate_hz


def _check_header(path: Path, recording: soundfile.SoundFile) -> None:
    """Refuse by the header, before anything is read: it may promise hours."""
    if recording.channels != 1:
        raise CheckpointError(f"the voice {path} has {recording.channels} channels; make it mono")
    rate_hz = recording.samplerate
    if not LOWEST_RATE_HZ <= rate_hz <= HIGHEST_RATE_HZ:
        raise CheckpointError(
            f"the voice {path} has {rate_hz} samples a second; "
            f"use {LOWEST_RATE_HZ} to {HIGHEST_RATE_HZ}"
        )
    length_s = recording.frames / rate_hz
    if not SHORTEST_S <= length_s <= LONGEST_S:
        raise CheckpointError(
            f"the voice {path} is {length_s:.1f} s long; "
            f"{SHORTEST_S:g} to {LONGEST_S:g} s of speech tell a voice"
        )


def _at_prompt_rate(path: Path) -> NDArray[np.int16]:
    import soxr

    samples, rate_hz = read_voice(path)
    if rate_hz != SAMPLE_RATE_HZ:
        samples = soxr.resample(samples, rate_hz, SAMPLE_RATE_HZ)
    scaled = np.rint(samples * FULL_SCALE)
    return scaled.clip(-FULL_SCALE, FULL_SCALE - 1).astype(np.int16)
