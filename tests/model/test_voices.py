"""Voices a checkpoint brings: what is read, and what is refused by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from model.loading import CheckpointError
from model.voices import MAX_VOICES, VOICES_FOLDER, find_voices, load_voices
from tests.fakes.voiced_checkpoint import write_voice

pytestmark = pytest.mark.unit


def test_a_checkpoint_without_a_folder_of_voices_has_none(tmp_path: Path) -> None:
    assert load_voices(tmp_path) == {}


def test_voices_are_named_by_their_files_and_come_at_the_rate_of_prompts(tmp_path: Path) -> None:
    voices = tmp_path / VOICES_FOLDER
    write_voice(voices / "zoe_2.wav", 2.0, 44_100)
    exact = write_voice(voices / "ada-1.flac", 3.0, 16_000)
    (voices / ".DS_Store").write_bytes(b"left behind")
    loaded = load_voices(tmp_path)
    assert list(loaded) == ["ada-1", "zoe_2"]
    assert {name: len(samples) for name, samples in loaded.items()} == {
        "ada-1": 48_000,
        "zoe_2": 32_000,
    }
    assert all(samples.dtype == np.int16 for samples in loaded.values())
    np.testing.assert_array_equal(loaded["ada-1"], soundfile.read(exact, dtype="int16")[0])


def test_another_rate_keeps_the_sound(tmp_path: Path) -> None:
    voices = tmp_path / VOICES_FOLDER
    write_voice(voices / "slow.flac", 2.0, 16_000)
    write_voice(voices / "fast.flac", 2.0, 48_000)
    loaded = {name: samples.astype(float) for name, samples in load_voices(tmp_path).items()}
    inside = slice(1_000, -1_000)
    difference = loaded["slow"][inside] - loaded["fast"][inside]
    assert np.abs(difference).max() < 0.01 * np.abs(loaded["slow"]).max()


def test_loud_recordings_are_clipped_and_do_not_wrap_around(tmp_path: Path) -> None:
    path = tmp_path / VOICES_FOLDER / "loud.wav"
    path.parent.mkdir(parents=True)
    soundfile.write(path, np.tile([1.5, -1.5], 16_000), 16_000, subtype="FLOAT")
    samples = load_voices(tmp_path)["loud"]
    assert (samples.max(), samples.min()) == (32_767, -32_768)


@pytest.mark.parametrize("length_s", [1.9, 10.1])
def test_too_short_and_too_long_recordings_are_refused(tmp_path: Path, length_s: float) -> None:
    path = write_voice(tmp_path / VOICES_FOLDER / "ada.flac", length_s)
    with pytest.raises(CheckpointError, match=f"{path} is {length_s} s long; 2 to 10 s"):
        load_voices(tmp_path)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Ada.flac", "'Ada' cannot name a voice"),
        ("ada b.flac", "cannot name"),
        ("a" * 33 + ".wav", "cannot name"),
        ("default.flac", "cannot be called 'default'"),
        ("reference.wav", "cannot be called 'reference'"),
        ("ada.mp3", r"no \.flac or \.wav"),
        ("LICENSE", r"no \.flac or \.wav"),
    ],
)
def test_a_file_that_cannot_be_a_voice_is_named(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / VOICES_FOLDER / name
    path.parent.mkdir(parents=True)
    path.touch()
    with pytest.raises(CheckpointError, match=text) as caught:
        load_voices(tmp_path)
    assert str(path) in str(caught.value)


def test_two_files_for_one_voice_are_refused(tmp_path: Path) -> None:
    for name in ("ada.flac", "ada.wav"):
        write_voice(tmp_path / name, 2.0)
    with pytest.raises(CheckpointError, match=r"ada\.wav and .*ada\.flac are one voice"):
        find_voices(tmp_path)


def test_a_folder_is_no_recording(tmp_path: Path) -> None:
    (tmp_path / "ada.flac").mkdir()
    with pytest.raises(CheckpointError, match="only voices belong there"):
        find_voices(tmp_path)


def test_there_is_a_limit_to_voices(tmp_path: Path) -> None:
    for number in range(MAX_VOICES + 1):
        (tmp_path / f"voice-{number}.flac").touch()
    with pytest.raises(CheckpointError, match="65 voices; 64 is the limit"):
        find_voices(tmp_path)


def damaged(folder: Path) -> dict[str, tuple[Path, str]]:
    """Recordings that cannot be used, and what is said of them."""
    whole = write_voice(folder / "whole.flac", 3.0)
    text, cut = folder / "text.flac", folder / "cut.flac"
    text.write_text("no sound at all")
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    stereo, silent, broken = (folder / f"{n}.wav" for n in ("stereo", "silent", "broken"))
    soundfile.write(stereo, np.ones((48_000, 2)) / 2, 16_000)
    soundfile.write(silent, np.zeros(48_000), 16_000)
    soundfile.write(broken, np.full(48_000, np.nan), 16_000, subtype="FLOAT")
    return {
        "text": (text, "cannot read"),
        "cut": (cut, "cannot read.*copy it again"),
        "stereo": (stereo, "2 channels; make it mono"),
        "silent": (silent, "is silence"),
        "broken": (broken, "is damaged"),
        "coarse": (write_voice(folder / "coarse.wav", 3.0, 4_000), "8000 to 192000"),
    }


@pytest.mark.parametrize("kind", ["text", "cut", "stereo", "silent", "broken", "coarse"])
def test_a_recording_that_cannot_be_used_is_named(tmp_path: Path, kind: str) -> None:
    path, text = damaged(tmp_path / "made")[kind]
    voices = tmp_path / "checkpoint" / VOICES_FOLDER
    voices.mkdir(parents=True)
    moved = path.rename(voices / path.name)
    with pytest.raises(CheckpointError, match=text) as caught:
        load_voices(tmp_path / "checkpoint")
    assert str(moved) in str(caught.value)
