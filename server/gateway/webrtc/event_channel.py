"""The data channel `oai-events`: the dialect's messages in both directions, bounded both ways."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from aiortc import RTCDataChannel

from server.clock import Clock
from server.gateway.outbox import SlowClientError
from server.gateway.webrtc.flood_guard import FloodGuard

LABEL = "oai-events"
MAX_WAITING_MESSAGES = 256
MAX_WAITING_BYTES = 4 * 1024 * 1024
"""Messages a caller may have waiting to be acted on."""
MAX_MESSAGES_PER_S = 300
MAX_BYTES_PER_S = 2 * 1024 * 1024
HIGH_WATER_BYTES = 256 * 1024
"""What may wait in the channel before the next event waits for it."""


class EventChannel:
    """One open data channel.

    Queue of messages in: bounded; a caller that sends more than can be acted on, or more than a
    client has reason to, is reported to ``on_flood`` and its messages are dropped.
    """

    def __init__(
        self,
        channel: RTCDataChannel,
        clock: Clock,
        on_flood: Callable[[], None],
        on_close: Callable[[], None],
    ) -> None:
        """
        Args:
            channel: Open already.
            clock: For the rate of messages.
            on_flood: Called when too much comes.
            on_close: Called when the caller closes the channel.
        """
        self._channel = channel
        self._clock = clock
        self._on_flood = on_flood
        self._messages: deque[str | bytes] = deque()
        self._waiting_bytes = 0
        self._came = asyncio.Event()
        self._drained = asyncio.Event()
        self._count_guard = FloodGuard(MAX_MESSAGES_PER_S)
        self._size_guard = FloodGuard(MAX_BYTES_PER_S)
        channel.bufferedAmountLowThreshold = HIGH_WATER_BYTES // 2
        channel.on("message", self._take)
        channel.on("bufferedamountlow", self._drained.set)
        channel.on("close", on_close)

    async def receive(self) -> str | bytes:
        """The next message. Cancelling is safe, nothing is lost."""
        while not self._messages:
            self._came.clear()
            await self._came.wait()
        message = self._messages.popleft()
        self._waiting_bytes -= len(message)
        return message

    async def send(self, text: str, timeout_s: float) -> None:
        """Send an event, once there is room for it. Cancelling is safe before it was sent.

        Raises:
            SlowClientError: The caller took nothing for ``timeout_s``.
            ConnectionError: The channel is closed.
        """
        try:
            async with asyncio.timeout(timeout_s):
                while self._channel.bufferedAmount > HIGH_WATER_BYTES:
                    self._drained.clear()
                    await self._drained.wait()
        except TimeoutError as error:
            raise SlowClientError(f"the client took nothing for {timeout_s:g} s") from error
        if self._channel.readyState != "open":
            raise ConnectionError("the data channel is closed")
        self._channel.send(text)

    async def flush(self, timeout_s: float) -> None:
        """Wait until the caller has what was sent, but not for ever. Cancelling is safe."""
        self._channel.bufferedAmountLowThreshold = 0
        try:
            async with asyncio.timeout(timeout_s):
                while self._channel.bufferedAmount and self._channel.readyState == "open":
                    self._drained.clear()
                    await self._drained.wait()
        except TimeoutError:
            pass

    def _take(self, message: str | bytes) -> None:
        now_s = self._clock.monotonic()
        size = len(message)
        is_flooded = self._count_guard.is_flooded(now_s)
        is_flooded |= self._size_guard.is_flooded(now_s, size)
        is_flooded |= len(self._messages) >= MAX_WAITING_MESSAGES
        is_flooded |= self._waiting_bytes + size > MAX_WAITING_BYTES
        if is_flooded:
            self._on_flood()
            return
        self._messages.append(message)
        self._waiting_bytes += size
        self._came.set()
