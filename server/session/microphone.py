"""A client's audio: checked, kept to real time, brought to the model's rate."""

from __future__ import annotations

from collections.abc import Iterator

from server.media.pcm import MODEL_HZ, Samples, duration_s, samples_from_bytes
from server.media.resampler import Resampler
from server.session.backlog import Backlog


class Microphone:
    """One session's stream of audio at whatever rate the client sends."""

    def __init__(self, backlog: Backlog) -> None:
        self.received_s = 0.0
        """Audio taken so far."""
        self._backlog = backlog
        self._resampler = Resampler(MODEL_HZ)

    def take(self, pcm: bytes, rate_hz: int) -> Iterator[Samples]:
        """Take 16-bit little-endian mono audio; returns what is ready at 16 kHz.

        Raises:
            ProtocolError: It is malformed, at an odd rate, or too far ahead of real time; nothing
                was taken.
        """
        samples = samples_from_bytes(pcm)
        is_new_rate = rate_hz != self._resampler.from_hz
        resampler = Resampler(rate_hz) if is_new_rate else self._resampler
        audio_s = duration_s(pcm, rate_hz)
        self._backlog.admit(audio_s)
        self.received_s += audio_s
        tail = self._resampler.flush() if is_new_rate else None
        self._resampler = resampler
        pieces = [resampler.push(samples)] if tail is None else [tail, resampler.push(samples)]
        return (piece for piece in pieces if piece.size)

    def flush(self) -> Samples:
        """What the resampler holds back; the stream is over."""
        return self._resampler.flush()

    def clear(self) -> None:
        """Forget what the resampler holds back."""
        self._resampler.clear()
