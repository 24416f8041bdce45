"""The model's speech in the format the client asked for."""

from __future__ import annotations

from server.media import g711
from server.media.pcm import SPEECH_HZ, Samples, bytes_from_samples, samples_from_bytes
from server.media.resampler import Resampler
from server.protocol.audio_formats import AudioFormat, PcmFormat


class SpeechEncoder:
    """Encodes one response's speech piece by piece; what is sent does not depend on the cuts."""

    def __init__(self, audio_format: AudioFormat) -> None:
        self._format = audio_format
        self._resampler = Resampler(SPEECH_HZ, audio_format.rate_hz)

    def encode(self, pcm: bytes) -> bytes:
        """The next piece: 16-bit mono at 24 kHz in, the client's format out; may be empty."""
        if self._format.rate_hz == SPEECH_HZ:
            return pcm
        return self._written(self._resampler.push(samples_from_bytes(pcm)))

    def flush(self) -> bytes:
        """What the resampler held back."""
        return self._written(self._resampler.flush())

    def _written(self, samples: Samples) -> bytes:
        if isinstance(self._format, PcmFormat):
            return bytes_from_samples(samples)
        law: g711.Law = "pcmu" if self._format.type == "audio/pcmu" else "pcma"
        return g711.encode(samples, law)


def pcm_from_client(encoded: bytes, audio_format: AudioFormat) -> bytes:
    """16-bit little-endian mono at the format's rate, from what a client sent.

    Raises:
        ProtocolError: ``invalid_audio`` when half a sample is left over.
    """
    if isinstance(audio_format, PcmFormat):
        samples_from_bytes(encoded)
        return encoded
    law: g711.Law = "pcmu" if audio_format.type == "audio/pcmu" else "pcma"
    return bytes_from_samples(g711.decode(encoded, law))
