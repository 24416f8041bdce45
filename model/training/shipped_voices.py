"""Recordings of the voices on their way into a checkpoint folder."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

from model.loading import CheckpointError
from model.voices import MAX_VOICES, VOICES_FOLDER, check_name, find_voices, read_voice


def encode_voices(recordings: Path | Mapping[str, Path]) -> dict[str, bytes]:
    """FLAC files of checked recordings, at their own rates in 16 bits.

    Args:
        recordings: A folder of them, or files by the names of the voices.

    Raises:
        CheckpointError: A name or recording is no voice's, or there are too many.
    """
    import soundfile  # here, as in model/voices.py

    if isinstance(recordings, Path):
        if not recordings.is_dir():
            raise CheckpointError(f"there is no folder {recordings}; give one with recordings")
        recordings = find_voices(recordings)
    if len(recordings) > MAX_VOICES:
        raise CheckpointError(f"{len(recordings)} voices are too many; {MAX_VOICES} is the limit")
    encoded: dict[str, bytes] = {}
    for name, path in sorted(recordings.items()):
        check_name(name, path)
        samples, rate_hz = read_voice(path)
        file = BytesIO()
        soundfile.write(file, samples, rate_hz, format="FLAC", subtype="PCM_16")
        encoded[name] = file.getvalue()
    return encoded


def write_voices(encoded: Mapping[str, bytes], folder: Path) -> None:
    """Put encoded voices at their place in a checkpoint folder."""
    voices = folder / VOICES_FOLDER
    if encoded:
        voices.mkdir(parents=True)
    for name, file in encoded.items():
        (voices / f"{name}.flac").write_bytes(file)


def copy_voices(source: Path, folder: Path) -> None:
    """Bring the voices of one checkpoint folder along into another, as they are.

    Raises:
        CheckpointError: A file among them cannot be a voice.
    """
    for path in find_voices(source / VOICES_FOLDER).values():
        (folder / VOICES_FOLDER).mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, folder / VOICES_FOLDER / path.name)
