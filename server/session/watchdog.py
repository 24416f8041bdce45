"""Ends a session that nobody uses or reads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from server.clock import Clock
from server.session.output_queue import OutputQueue


class Watchdog:
    """Notices that nothing happens, or that the reader takes nothing."""

    def __init__(
        self,
        clock: Clock,
        outputs: OutputQueue,
        *,
        idle_timeout_s: float,
        send_timeout_s: float,
        on_idle: Callable[[], None],
        on_unread: Callable[[], None],
    ) -> None:
        """
        Args:
            clock: Wall time.
            outputs: The queue that has to be read.
            idle_timeout_s: Longest time between two calls of :meth:`touch`.
            send_timeout_s: Longest time an output may wait.
            on_idle: Called when nothing happened for too long.
            on_unread: Called when an output waited too long.
        """
        self._clock = clock
        self._outputs = outputs
        self._idle_timeout_s = idle_timeout_s
        self._send_timeout_s = send_timeout_s
        self._on_idle = on_idle
        self._on_unread = on_unread
        self._active_at_s = clock.monotonic()

    def touch(self) -> None:
        """Something happened."""
        self._active_at_s = self._clock.monotonic()

    async def run(self) -> None:
        """Watch until something is wrong. Cancelling is safe."""
        while True:
            now_s = self._clock.monotonic()
            idle_left_s = self._active_at_s + self._idle_timeout_s - now_s
            read_left_s = self._send_timeout_s - self._outputs.oldest_age_s
            if read_left_s <= 0:
                self._on_unread()
                return
            if idle_left_s <= 0:
                self._on_idle()
                return
            await asyncio.sleep(min(idle_left_s, read_left_s))
