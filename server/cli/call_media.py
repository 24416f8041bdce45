"""What the caller sends: audio, video and pictures from any file libav reads, or raw PCM."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import av.error
import numpy as np
import soxr
from PIL import Image, UnidentifiedImageError

from server.errors import OmnicallError

WIRE_RATE_HZ = 24_000
"""Sample rate of audio on the wire, both ways."""
FRAME_INTERVAL_S = 1.0
"""One picture per unit."""
JPEG_QUALITY = 90
PICTURE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp"})


class MediaError(OmnicallError):
    """A file cannot be used as input of a call."""

    code = "media_error"


@dataclass(frozen=True, slots=True)
class Recording:
    """Audio and pictures to send, in step."""

    pcm: np.ndarray
    """Int16 mono at ``WIRE_RATE_HZ``, shape ``[n]``; empty for a typed question
    without pictures."""
    frames: tuple[bytes, ...] = ()
    """JPEG files; the n-th is shown in the n-th second."""

    @property
    def audio_s(self) -> float:
        """Length of the audio in seconds."""
        return len(self.pcm) / WIRE_RATE_HZ


def read_audio(source: str, pcm_rate_hz: int = WIRE_RATE_HZ) -> np.ndarray:
    """All audio of a file, or raw 16-bit mono PCM at ``pcm_rate_hz`` from standard input for ``-``.

    Returns:
        Int16 mono at ``WIRE_RATE_HZ``, shape ``[n]``.

    Raises:
        MediaError: The file is missing, is no media file, or has no audio.
    """
    if source == "-":
        raw = sys.stdin.buffer.read()
        if not raw or len(raw) % 2:
            raise MediaError(
                f"standard input gave {len(raw)} bytes; raw PCM must be 16-bit mono at "
                f"{pcm_rate_hz} Hz, an even and positive number of bytes"
            )
        return resample(np.frombuffer(raw, dtype="<i2"), pcm_rate_hz)
    resampler = av.AudioResampler(format="s16", layout="mono", rate=WIRE_RATE_HZ)
    pieces: list[np.ndarray] = []
    with _open(source) as container:
        if not container.streams.audio:
            raise MediaError(f"{source} has no audio track")
        try:
            for frame in container.decode(container.streams.audio[0]):
                pieces += [piece.to_ndarray()[0] for piece in resampler.resample(frame)]
        except av.error.FFmpegError as error:
            raise MediaError(f"cannot decode the audio of {source}: {error}") from error
    pieces += [piece.to_ndarray()[0] for piece in resampler.resample(None)]
    pcm = np.concatenate(pieces) if pieces else np.empty(0, np.int16)
    if not len(pcm):
        raise MediaError(f"{source} has an audio track without a single sample")
    return pcm


def resample(pcm: np.ndarray, rate_hz: int) -> np.ndarray:
    """Int16 mono ``[n]`` at ``rate_hz``, brought to ``WIRE_RATE_HZ``."""
    if rate_hz == WIRE_RATE_HZ:
        return pcm.copy()
    resampled: np.ndarray = soxr.resample(pcm, rate_hz, WIRE_RATE_HZ)
    return resampled


def has_audio(source: str) -> bool:
    """Whether a media file has an audio track."""
    with _open(source) as container:
        return bool(container.streams.audio)


def read_video(source: str) -> tuple[bytes, ...]:
    """One JPEG per second of a video: the newest frame at the end of each second.

    Raises:
        MediaError: The file is missing, is no media file, or has no picture.
    """
    with _open(source) as container:
        if not container.streams.video:
            raise MediaError(f"{source} has no video track")
        try:
            frames = list(_newest_per_second(container))
        except av.error.FFmpegError as error:
            raise MediaError(f"cannot decode the video of {source}: {error}") from error
    if not frames:
        raise MediaError(f"{source} has a video track without a single frame")
    return tuple(frames)


def read_pictures(source: str) -> tuple[bytes, ...]:
    """Still pictures as JPEG, one per second: a file, or a folder's pictures by name.

    Raises:
        MediaError: Nothing readable is there.
    """
    path = Path(source)
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.suffix.lower() in PICTURE_SUFFIXES)
    else:
        files = [path]
    if not files:
        raise MediaError(f"{source} holds no picture ({', '.join(sorted(PICTURE_SUFFIXES))})")
    pictures = []
    for file in files:
        try:
            with Image.open(file) as image:
                pictures.append(encode_jpeg(image.convert("RGB")))
        except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as error:
            raise MediaError(f"cannot read the picture {file}: {error}") from error
    return tuple(pictures)


def write_wav(path: Path, pcm: bytes) -> None:
    """Write 16-bit mono PCM at 24 kHz as a WAV file.

    Raises:
        MediaError: The place cannot be written to.
    """
    import soundfile

    try:
        # The format is said, or the name would choose it: "reply" has none and "reply.mp3" another.
        samples = np.frombuffer(pcm, dtype="<i2")
        soundfile.write(path, samples, WIRE_RATE_HZ, subtype="PCM_16", format="WAV")
    except (OSError, soundfile.SoundFileError) as error:
        raise MediaError(f"cannot write {path}: {error}") from error


def _open(source: str) -> av.container.InputContainer:
    try:
        return av.open(source, mode="r")
    except FileNotFoundError:
        raise MediaError(f"{source} does not exist") from None
    except (av.error.FFmpegError, OSError) as error:
        raise MediaError(f"{source} is not an audio or video file libav can read: {error}") from (
            error
        )


def _newest_per_second(container: av.container.InputContainer) -> Iterator[bytes]:
    """The last frame of every second; a second without a frame repeats the one before."""
    newest: av.VideoFrame | None = None
    second_end_s = FRAME_INTERVAL_S
    for frame in container.decode(container.streams.video[0]):
        while newest is not None and (frame.time or 0.0) >= second_end_s:
            yield encode_jpeg(newest.to_image())
            second_end_s += FRAME_INTERVAL_S
        newest = frame
    if newest is not None:
        yield encode_jpeg(newest.to_image())


def encode_jpeg(image: Image.Image) -> bytes:
    """A picture as the wire carries it."""
    encoded = io.BytesIO()
    image.save(encoded, format="JPEG", quality=JPEG_QUALITY)
    return encoded.getvalue()
