"""What a call amounted to: one record per turn, and the JSON object printed at the end."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from server.cli.call_media import WIRE_RATE_HZ

BYTES_PER_SAMPLE = 2


@dataclass(slots=True)
class TurnRecord:
    """One question and its answer, as the caller saw it. Written by ``CallClient`` alone."""

    transcript: str = ""
    """What the model said."""
    pcm: bytearray = field(default_factory=bytearray)
    """What it sounded like, 16-bit mono at 24 kHz."""
    eou_delay_s: float | None = None
    """End of speech to the server's decision that the turn was over."""
    ttft_s: float | None = None
    """The turn's end to the first text, as received."""
    ttfa_s: float | None = None
    """The turn's end to the first audio, as received."""
    rtf: float | None = None
    """Server time over audio time."""
    status: str = ""
    """How the response ended, in the words of ``response.done``."""

    @property
    def audio_s(self) -> float:
        """Length of the answer's speech in seconds."""
        return len(self.pcm) / BYTES_PER_SAMPLE / WIRE_RATE_HZ

    def as_json(self) -> dict[str, Any]:
        """The record in the names of the house style."""
        return {
            "transcript": self.transcript,
            "audio_s": round(self.audio_s, 6),  # to the sample
            "eou_delay_s": _rounded(self.eou_delay_s),
            "ttft_s": _rounded(self.ttft_s),
            "ttfa_s": _rounded(self.ttfa_s),
            "rtf": _rounded(self.rtf),
        }


@dataclass(slots=True)
class CallReport:
    """The whole call."""

    checkpoint: str = ""
    """Name of the model that answered."""
    transport: str = "websocket"
    units_sent: int = 0
    """Units of at most one second the audio and frames were cut into."""
    units_late: int = 0
    """Units that were in the model's context only after the next one was complete."""
    turns: list[TurnRecord] = field(default_factory=list)
    errors: list[dict[str, Any]] = field(default_factory=list)
    """Error events and connection failures, as ``{code, message}``."""

    def as_json(self) -> dict[str, Any]:
        """The object ``omnicall call`` prints."""
        return {
            "checkpoint": self.checkpoint,
            "transport": self.transport,
            "units_sent": self.units_sent,
            "units_late": self.units_late,
            "turns": [turn.as_json() for turn in self.turns],
            "errors": self.errors,
        }

    def pcm(self) -> bytes:
        """All speech of all turns, one after another."""
        return b"".join(bytes(turn.pcm) for turn in self.turns)


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 4)
