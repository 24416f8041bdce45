"""Recordings on their way into a checkpoint keep their sound and their names."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import soundfile

from model.loading import CheckpointError
from model.training.shipped_voices import copy_voices, encode_voices, write_voices
from model.voices import MAX_VOICES, VOICES_FOLDER, load_voices
from tests.fakes.voiced_checkpoint import write_voice

pytestmark = pytest.mark.unit


def test_recordings_become_flac_files_that_load(tmp_path: Path) -> None:
    clara = write_voice(tmp_path / "anything.wav", 2.0, 22_050)
    encoded = encode_voices({"clara": clara})
    written, rate_hz = soundfile.read(BytesIO(encoded["clara"]), dtype="int16")
    assert rate_hz == 22_050
    np.testing.assert_array_equal(written, soundfile.read(clara, dtype="int16")[0])
    write_voices(encoded, tmp_path / "checkpoint")
    assert list(load_voices(tmp_path / "checkpoint")) == ["clara"]


def test_a_folder_of_recordings_is_taken_by_its_file_names(tmp_path: Path) -> None:
    for name in ("clara", "alan"):
        write_voice(tmp_path / f"{name}.flac", 2.0)
    assert list(encode_voices(tmp_path)) == ["alan", "clara"]
    with pytest.raises(CheckpointError, match="there is no folder"):
        encode_voices(tmp_path / "elsewhere")


def test_what_is_no_voice_is_refused(tmp_path: Path) -> None:
    good = write_voice(tmp_path / "good.flac", 2.0)
    with pytest.raises(CheckpointError, match="cannot be called 'default'"):
        encode_voices({"default": good})
    with pytest.raises(CheckpointError, match=r"short\.flac is 1\.0 s long"):
        encode_voices({"ada": write_voice(tmp_path / "short.flac", 1.0)})
    with pytest.raises(CheckpointError, match=r"cannot read .*none\.flac"):
        encode_voices({"ada": tmp_path / "none.flac"})
    with pytest.raises(CheckpointError, match="too many"):
        encode_voices({f"v{number}": good for number in range(MAX_VOICES + 1)})


def test_no_voices_leave_no_folder(tmp_path: Path) -> None:
    write_voices({}, tmp_path)
    copy_voices(tmp_path / "source", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_voices_are_copied_as_they_are(tmp_path: Path) -> None:
    recording = write_voice(tmp_path / "source" / VOICES_FOLDER / "alan.wav", 2.0)
    (tmp_path / "target").mkdir()
    copy_voices(tmp_path / "source", tmp_path / "target")
    copied = tmp_path / "target" / VOICES_FOLDER / "alan.wav"
    assert copied.read_bytes() == recording.read_bytes()
