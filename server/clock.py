"""Wall time for time-outs and metrics, injected so that tests can drive it.

Turn logic never uses it: turns are decided on audio time, which counts received samples.
"""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Source of monotonic time."""

    def monotonic(self) -> float:
        """Seconds since an arbitrary start; never goes back."""
        ...


class SystemClock:
    """The machine's monotonic clock."""

    def monotonic(self) -> float:
        """Seconds since an arbitrary start; never goes back."""
        return time.monotonic()


def epoch_s() -> float:
    """Seconds since 1970: what clients and files are told, never what time-outs are decided on."""
    return time.time()
