"""Audio formats of the dialect. All are mono; ``audio/pcm`` is 16-bit little-endian."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from server.protocol.wire_model import ClientModel

G711_RATE_HZ = 8000


class PcmFormat(ClientModel):
    """16-bit PCM. 24 kHz is the dialect's; 16 kHz, the model's own, is an extension."""

    type: Literal["audio/pcm"] = "audio/pcm"
    rate: Literal[24000, 16000] = 24000

    @property
    def rate_hz(self) -> int:
        """Samples per second."""
        return self.rate

    @property
    def bytes_per_sample(self) -> int:
        """Size of one sample."""
        return 2


class PcmuFormat(ClientModel):
    """G.711 mu-law, 8 bits at 8 kHz."""

    type: Literal["audio/pcmu"] = "audio/pcmu"

    @property
    def rate_hz(self) -> int:
        """Samples per second."""
        return G711_RATE_HZ

    @property
    def bytes_per_sample(self) -> int:
        """Size of one sample."""
        return 1


class PcmaFormat(ClientModel):
    """G.711 A-law, 8 bits at 8 kHz."""

    type: Literal["audio/pcma"] = "audio/pcma"

    @property
    def rate_hz(self) -> int:
        """Samples per second."""
        return G711_RATE_HZ

    @property
    def bytes_per_sample(self) -> int:
        """Size of one sample."""
        return 1


AudioFormat = Annotated[PcmFormat | PcmuFormat | PcmaFormat, Field(discriminator="type")]
