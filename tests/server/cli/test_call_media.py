"""What the caller can send, and what it says about files it cannot use."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from server.cli import call_media
from server.cli.call_media import (
    WIRE_RATE_HZ,
    MediaError,
    Recording,
    has_audio,
    read_audio,
    read_pictures,
    read_video,
    write_wav,
)
from tests.fakes.media_files import QUESTION, coloured_frame, tone, write_clip

pytestmark = pytest.mark.unit


def test_audio_is_resampled_to_the_wire_rate_and_mixed_to_mono(tmp_path: Path) -> None:
    path = tmp_path / "stereo.wav"
    soundfile.write(path, np.stack([tone(1.5, 44_100)] * 2, axis=1), 44_100, subtype="PCM_16")
    pcm = read_audio(str(path))
    assert abs(len(pcm) - 1.5 * WIRE_RATE_HZ) <= 2
    assert pcm.dtype == np.int16
    assert 15_000 < np.abs(pcm).max() < 17_000


def test_the_question_of_the_tests_is_six_seconds_long() -> None:
    assert abs(len(read_audio(str(QUESTION))) - 6 * WIRE_RATE_HZ) <= 2


def test_raw_pcm_is_read_from_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = tone(0.5, WIRE_RATE_HZ).tobytes()

    class Stdin:
        buffer = io.BytesIO(raw)

    monkeypatch.setattr(call_media.sys, "stdin", Stdin)
    assert read_audio("-").tobytes() == raw


def test_raw_pcm_of_another_rate_is_resampled(monkeypatch: pytest.MonkeyPatch) -> None:
    class Stdin:
        buffer = io.BytesIO(tone(0.5, 16_000).tobytes())

    monkeypatch.setattr(call_media.sys, "stdin", Stdin)
    pcm = read_audio("-", 16_000)
    assert abs(len(pcm) - 0.5 * WIRE_RATE_HZ) <= 1
    crossings = np.count_nonzero(np.diff(np.signbit(pcm.astype(np.int32))))
    assert abs(crossings - 440) <= 4, "the tone keeps its pitch"


@pytest.mark.parametrize("raw", [b"", b"\x01\x02\x03"])
def test_raw_pcm_of_no_or_half_a_sample_is_refused(
    raw: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stdin:
        buffer = io.BytesIO(raw)

    monkeypatch.setattr(call_media.sys, "stdin", Stdin)
    with pytest.raises(MediaError, match="16-bit mono"):
        read_audio("-")


def test_a_video_gives_the_newest_frame_of_every_second(tmp_path: Path) -> None:
    frames = read_video(str(write_clip(tmp_path / "clip.mp4", 6)))
    assert len(frames) == 6
    for second, jpeg in enumerate(frames):
        shown = np.asarray(Image.open(io.BytesIO(jpeg))).mean()
        assert abs(shown - coloured_frame(second).mean()) < 4


def test_a_slow_video_repeats_its_frame_in_seconds_without_one(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mkv", 3, frames_per_s=1)
    assert len(read_video(str(path))) == 3


def test_a_clip_tells_whether_it_has_sound(tmp_path: Path) -> None:
    assert has_audio(str(write_clip(tmp_path / "a.mp4", 1, sound_rate_hz=48_000)))
    silent = write_clip(tmp_path / "b.mp4", 1)
    assert not has_audio(str(silent))
    with pytest.raises(MediaError, match="no audio track"):
        read_audio(str(silent))


def test_pictures_come_from_a_file_or_in_order_from_a_folder(tmp_path: Path) -> None:
    for second in (1, 0):
        Image.fromarray(coloured_frame(second)).save(tmp_path / f"{second}.png")
    (tmp_path / "notes.txt").write_text("no picture", encoding="utf-8")
    first, second = read_pictures(str(tmp_path))
    assert np.asarray(Image.open(io.BytesIO(first))).mean() < 25
    assert np.asarray(Image.open(io.BytesIO(second))).mean() > 45
    assert read_pictures(str(tmp_path / "1.png")) == (second,)


def test_unusable_files_are_named_with_the_reason(tmp_path: Path) -> None:
    nonsense = tmp_path / "nonsense.mp4"
    nonsense.write_bytes(b"this is no media file" * 50)
    sound = tmp_path / "sound.wav"
    soundfile.write(sound, tone(0.2, 16_000), 16_000)
    empty = tmp_path / "empty"
    empty.mkdir()
    for read, source, reason in [
        (read_audio, tmp_path / "missing.wav", "does not exist"),
        (read_audio, nonsense, "not an audio or video file"),
        (read_video, sound, "no video track"),
        (read_pictures, nonsense, "cannot read the picture"),
        (read_pictures, empty, "holds no picture"),
    ]:
        with pytest.raises(MediaError, match=reason):
            read(str(source))


def test_what_was_heard_is_saved_as_wav(tmp_path: Path) -> None:
    pcm = tone(0.25, WIRE_RATE_HZ)
    write_wav(tmp_path / "reply.wav", pcm.tobytes())
    saved, rate_hz = soundfile.read(tmp_path / "reply.wav", dtype="int16")
    assert rate_hz == WIRE_RATE_HZ
    assert np.array_equal(saved, pcm)
    with pytest.raises(MediaError, match="cannot write"):
        write_wav(tmp_path / "no" / "folder.wav", pcm.tobytes())


def test_a_recording_knows_how_long_it_is() -> None:
    assert Recording(tone(2.0, WIRE_RATE_HZ)).audio_s == 2.0
