"""Speech on its way to the listener: what may leave now, and what has been heard.

The listener is taken to play from the moment the first piece is released, in real time, and to
stand still whenever nothing is left to play.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, field

from server.clock import Clock
from server.media.pcm import SAMPLE_BYTES, SPEECH_HZ, duration_s

REMEMBERED_RESPONSES = 4
"""Responses whose heard length can be asked for."""
ROUNDING_S = 1e-6
"""Clocks add up binary fractions; a piece is not held back for the last of them."""


@dataclass(frozen=True, slots=True)
class ReleasedAudio:
    """A piece of speech that may leave now."""

    response_id: str
    pcm: bytes = field(repr=False)
    """16-bit little-endian mono at 24 kHz."""
    start_s: float
    """Where it begins within the response's speech."""
    length_s: float
    """How long it plays."""


@dataclass(frozen=True, slots=True)
class _Piece:
    response_id: str
    pcm: bytes = field(repr=False)
    length_s: float


@dataclass(slots=True)
class _Span:
    """Where a response lies on the listener's timeline."""

    start_s: float
    end_s: float


class Playout:
    """Paces speech: at most ``lead_s`` ahead of what the listener has heard.

    Never awaits. Queue: pieces wait here until they are due. It is bounded by the producer, which
    pauses when it is ``engine.speech_lead_s`` ahead; nothing is dropped but by :meth:`clear`.
    """

    def __init__(self, clock: Clock, lead_s: float) -> None:
        self._clock = clock
        self._lead_s = lead_s
        # Half the lead: the next piece fits before the listener has used up the one before.
        self._piece_bytes = max(round(lead_s / 2 * SPEECH_HZ), 1) * SAMPLE_BYTES
        self._waiting: deque[_Piece] = deque()
        self._spans: OrderedDict[str, _Span] = OrderedDict()
        self._released_s = 0.0
        self._heard_s = 0.0
        self._heard_at_s = clock.monotonic()

    @property
    def is_audible(self) -> bool:
        """Whether the listener still has speech to play."""
        return self._position_s() < self._released_s - ROUNDING_S

    def is_waiting(self, response_id: str) -> bool:
        """Whether some of a response's speech has not been released."""
        return any(piece.response_id == response_id for piece in self._waiting)

    def push(self, response_id: str, pcm: bytes) -> None:
        """Queue speech of a response: 16-bit little-endian mono at 24 kHz."""
        for start in range(0, len(pcm), self._piece_bytes):
            part = pcm[start : start + self._piece_bytes]
            self._waiting.append(_Piece(response_id, part, duration_s(part, SPEECH_HZ)))

    def release(self) -> ReleasedAudio | None:
        """The next piece, if it may leave now."""
        wait_s = self.wait_s()
        if wait_s is None or wait_s > 0:
            return None
        piece = self._waiting.popleft()
        self._heard_s = self._position_s()
        self._heard_at_s = self._clock.monotonic()
        span = self._spans.get(piece.response_id)
        if span is None:
            span = _Span(self._released_s, self._released_s)
            self._spans[piece.response_id] = span
            if len(self._spans) > REMEMBERED_RESPONSES:
                self._spans.popitem(last=False)
        start_s = span.end_s - span.start_s
        self._released_s += piece.length_s
        span.end_s = self._released_s
        return ReleasedAudio(piece.response_id, piece.pcm, start_s, piece.length_s)

    def wait_s(self) -> float | None:
        """Seconds until the next piece may leave, 0 for now; None when nothing waits."""
        if not self._waiting:
            return None
        ahead_s = self._released_s + self._waiting[0].length_s - self._position_s()
        wait_s = ahead_s - self._lead_s
        return wait_s if wait_s > ROUNDING_S else 0.0

    def heard_s(self, response_id: str) -> float:
        """How much of a response's speech the listener has heard."""
        span = self._spans.get(response_id)
        if span is None:
            return 0.0
        return max(min(self._position_s(), span.end_s) - span.start_s, 0.0)

    def clear(self) -> None:
        """Discard what waits, and take what was released but not heard as never played."""
        self._waiting.clear()
        position_s = self._position_s()
        self._released_s = self._heard_s = position_s
        self._heard_at_s = self._clock.monotonic()
        for span in self._spans.values():
            span.start_s = min(span.start_s, position_s)
            span.end_s = min(span.end_s, position_s)

    def _position_s(self) -> float:
        """What has been heard of everything ever released."""
        played_s = self._heard_s + self._clock.monotonic() - self._heard_at_s
        return min(played_s, self._released_s)
