"""Tells a caller who sends much from one who attacks."""

from __future__ import annotations


class FloodGuard:
    """Counts what comes within one second."""

    def __init__(self, max_per_s: int) -> None:
        """
        Args:
            max_per_s: More than this within a second is a flood.
        """
        self._max_per_s = max_per_s
        self._since_s = 0.0
        self._count = 0

    def is_flooded(self, now_s: float, amount: int = 1) -> bool:
        """Count ``amount`` more; whether that is too much."""
        if now_s - self._since_s >= 1.0:
            self._since_s = now_s
            self._count = 0
        self._count += amount
        return self._count > self._max_per_s
