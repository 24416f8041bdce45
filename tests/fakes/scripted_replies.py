"""What a :class:`tests.fakes.fake_engine.FakeEngine` answers, and when."""

from __future__ import annotations

from dataclasses import dataclass

from server.engine.interface import ResponseStatus

SPEECH_HZ = 24_000


@dataclass(frozen=True, slots=True)
class Piece:
    """One step of a reply: wait, then hand out text, or speech, or both (text first)."""

    text: str = ""
    audio_s: float = 0.0
    after_s: float = 0.0
    pcm: bytes = b""
    """Speech to hand out in place of ``audio_s`` of the stand-in."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One scripted response."""

    pieces: tuple[Piece, ...] = ()
    status: ResponseStatus = ResponseStatus.COMPLETED
    reason: str | None = None
    finish_s: float = 0.0
    """Wait between the last piece and the end."""

    @property
    def text(self) -> str:
        """What the reply says in all."""
        return "".join(piece.text for piece in self.pieces)


def reply(*parts: str | float, every_s: float = 0.0) -> Reply:
    """A reply of texts (str) and stretches of speech (float seconds), ``every_s`` apart."""
    pieces = tuple(
        Piece(text=part, after_s=every_s)
        if isinstance(part, str)
        else Piece(audio_s=part, after_s=every_s)
        for part in parts
    )
    return Reply(pieces)


DEFAULT_REPLY = reply("Hello", 0.5, " there.", 0.5)


def speech_pcm(audio_s: float, loudness: int = 1000) -> bytes:
    """Recognisable speech stand-in: a constant, 16-bit mono at 24 kHz."""
    return loudness.to_bytes(2, "little", signed=True) * round(audio_s * SPEECH_HZ)
