"""One response as the session follows it: what was said, and which of it was heard."""

from __future__ import annotations

from dataclasses import dataclass, field

from server.engine.interface import AudioChunk, Mark, ResponseDone, ResponseStatus, TextChunk
from server.media.pcm import SPEECH_HZ, duration_s
from server.session.events import CancelReason, ResponseFinished, ResponseTrigger

ROUNDING_S = 1e-3
"""Clients count in whole milliseconds."""


@dataclass(slots=True)
class TrackedResponse:
    """Everything known of one response. Written by :class:`~server.session.responder.Responder`."""

    response_id: str
    trigger: ResponseTrigger
    wants_audio: bool
    eou_delay_s: float | None
    """End of the user's speech to the decision; None when the client asked."""
    audio_s: float = 0.0
    """Speech received from the engine."""
    done: ResponseDone | None = None
    """The engine's last word on it."""
    cancel_reason: CancelReason | None = None
    heard_s: float | None = None
    """What the listener had heard when it was cut short; None until then."""
    kept_mark: Mark | None = None
    """What was kept of it when it was cut short."""
    _n_chars: int = 0
    _texts: list[tuple[int, Mark]] = field(default_factory=list)
    """After how many characters each piece of text ends, and the mark there."""
    _speech: list[tuple[float, int]] = field(default_factory=list)
    """After how many seconds each piece of speech ends, and the characters spoken by then."""

    @property
    def is_cut_short(self) -> bool:
        """Whether it was cancelled or truncated."""
        return self.heard_s is not None

    def on_text(self, chunk: TextChunk) -> None:
        """More text came."""
        self._n_chars += len(chunk.text)
        self._texts.append((self._n_chars, chunk.mark))

    def on_audio(self, chunk: AudioChunk) -> None:
        """More speech came."""
        self.audio_s += duration_s(chunk.pcm, SPEECH_HZ)
        self._speech.append((self.audio_s, chunk.text_end))

    def mark_heard(self, heard_s: float) -> Mark | None:
        """The mark that keeps what was heard after ``heard_s``; None when that is nothing.

        Text counts as heard when the piece of speech it was spoken in was heard to its end. A
        response without speech counts as read as soon as it was sent.
        """
        if not self.wants_audio:
            return self._texts[-1][1] if self._texts else None
        n_chars = max(
            (chars for end_s, chars in self._speech if end_s <= heard_s + ROUNDING_S), default=0
        )
        heard = [mark for end, mark in self._texts if end <= n_chars]
        return heard[-1] if heard else None

    def finished(self, heard_s: float) -> ResponseFinished:
        """The event that ends it; the engine must be done."""
        assert self.done is not None
        status, reason = self.done.status, self.done.reason
        if self.cancel_reason is not None:
            status, reason = ResponseStatus.CANCELLED, self.cancel_reason.value
        return ResponseFinished(
            self.response_id,
            status,
            reason,
            self.done.usage,
            self.done.timings,
            self.eou_delay_s,
            heard_s if self.heard_s is None else self.heard_s,
        )
