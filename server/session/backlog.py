"""How far a client's audio is ahead of real time."""

from __future__ import annotations

from server.clock import Clock
from server.errors import ProtocolError


class Backlog:
    """Admits audio at real-time pace, with ``max_ahead_s`` of tolerance for bursts.

    A client that pauses catches up with the clock but earns no credit: after any pause it may be
    ``max_ahead_s`` ahead, never more.
    """

    def __init__(self, clock: Clock, max_ahead_s: float) -> None:
        self._clock = clock
        self._max_ahead_s = max_ahead_s
        self._ahead_s = 0.0
        self._at_s: float | None = None

    def admit(self, audio_s: float) -> None:
        """Count ``audio_s`` more seconds of audio.

        Raises:
            ProtocolError: ``audio_too_fast``; nothing was counted.
        """
        now_s = self._clock.monotonic()
        passed_s = 0.0 if self._at_s is None else now_s - self._at_s
        ahead_s = max(self._ahead_s - passed_s, 0.0) + audio_s
        if ahead_s > self._max_ahead_s:
            raise ProtocolError(
                f"with this audio you would be {ahead_s:.1f} s ahead of real time; stay within "
                f"{self._max_ahead_s:g} s and send at real-time pace",
                code="audio_too_fast",
                param="audio",
            )
        self._ahead_s = ahead_s
        self._at_s = now_s
