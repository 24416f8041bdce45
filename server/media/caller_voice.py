"""A caller's voice: audio packets in any order to a continuous stream of samples."""

from __future__ import annotations

import numpy as np

from server.media.audio_jitter_buffer import AudioJitterBuffer, AudioPacket, Gap
from server.media.concealment import Concealment
from server.media.opus_decoder import OpusDecoder
from server.media.pcm import NO_SAMPLES, Samples


class CallerVoice:
    """Puts in order, decodes, and fills what was lost; one per call."""

    def __init__(self) -> None:
        self.concealed_samples = 0
        """Samples that were made up, at 48 kHz."""
        self._order = AudioJitterBuffer()
        self._decoder = OpusDecoder()
        self._concealment = Concealment()

    @property
    def n_lost(self) -> int:
        """Packets that never came, or came too late."""
        return self._order.n_lost

    def push(self, packet: AudioPacket) -> Samples:
        """Take a packet; return the samples ``[n]`` at 48 kHz that can be heard now."""
        pieces = [self._samples(entry) for entry in self._order.push(packet)]
        return np.concatenate(pieces) if pieces else NO_SAMPLES

    def _samples(self, entry: AudioPacket | Gap) -> Samples:
        if isinstance(entry, AudioPacket):
            return self._concealment.heard(self._decoder.decode(entry.payload))
        if entry.is_loss:
            self.concealed_samples += entry.n_samples
            return self._concealment.fill(entry.n_samples)
        return self._concealment.pause(entry.n_samples)
