"""What a session says, waiting for the connection to take it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable

from server.clock import Clock
from server.session.events import SessionEnded, SessionOutput


class OutputQueue:
    """Bounded queue of outputs with one reader.

    Overflow: nothing is ever dropped to make room. When the queue is full, ``on_overflow`` is
    called once and later outputs are refused, but for the closing one: a session that cannot say
    something ends.
    """

    def __init__(self, clock: Clock, capacity: int, on_overflow: Callable[[], None]) -> None:
        self._clock = clock
        self._capacity = capacity
        self._on_overflow = on_overflow
        self._waiting: deque[tuple[SessionOutput, float]] = deque()
        self._filled = asyncio.Event()
        self._has_overflowed = False
        self._is_closed = False
        self.on_taken: Callable[[], None] = lambda: None
        """Called when the reader took something; set by the session."""

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def oldest_age_s(self) -> float:
        """How long the oldest output has waited; 0 when none waits."""
        return self._clock.monotonic() - self._waiting[0][1] if self._waiting else 0.0

    def put(self, output: SessionOutput) -> None:
        """Add an output; see the class for what happens when there is no room."""
        if self._has_overflowed or self._is_closed:
            return
        if len(self._waiting) >= self._capacity:
            self._has_overflowed = True
            self._on_overflow()
            return
        self._append(output)

    def close(self, last: SessionEnded) -> None:
        """Add the last output, room or not; the reader's iteration ends after it."""
        if not self._is_closed:
            self._is_closed = True
            self._append(last)

    async def outputs(self) -> AsyncIterator[SessionOutput]:
        """Outputs in order, until the last one.

        Cancelling is safe: what was not handed out stays for the next iteration.
        """
        while True:
            while self._waiting:
                output, _ = self._waiting.popleft()
                self.on_taken()
                yield output
                if isinstance(output, SessionEnded):
                    return
            if self._is_closed:
                return
            self._filled.clear()
            await self._filled.wait()

    def _append(self, output: SessionOutput) -> None:
        self._waiting.append((output, self._clock.monotonic()))
        self._filled.set()
