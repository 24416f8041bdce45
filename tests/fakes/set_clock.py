"""A clock that stands still until it is set."""

from __future__ import annotations


class SetClock:
    """A :class:`server.clock.Clock` whose time a test sets."""

    def __init__(self, now_s: float = 0.0) -> None:
        self.now_s = now_s

    def monotonic(self) -> float:
        """What it was set to."""
        return self.now_s
