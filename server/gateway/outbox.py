"""Events on their way out of one connection."""

from __future__ import annotations

import asyncio
from collections import deque

from server.protocol.server_events import ServerEvent


class SlowClientError(Exception):
    """The client does not take what is sent to it."""


class Outbox:
    """Events on their way to one client, in order.

    Bounded: no event is ever dropped, a client that leaves ``max_events`` waiting is given up.
    """

    def __init__(self, max_events: int) -> None:
        self._max_events = max_events
        self._events: deque[ServerEvent] = deque()
        self._changed = asyncio.Event()
        self._is_closed = False

    def put(self, event: ServerEvent) -> None:
        """Add an event; after :meth:`close` it is forgotten.

        Raises:
            SlowClientError: Too many wait already.
        """
        if self._is_closed:
            return
        if len(self._events) >= self._max_events:
            raise SlowClientError(f"{self._max_events} events wait to be sent")
        self._events.append(event)
        self._changed.set()

    def put_first(self, event: ServerEvent) -> None:
        """Add an event before all that wait: the greeting of a client that came back."""
        if not self._is_closed:
            self._events.appendleft(event)
            self._changed.set()

    def close(self) -> None:
        """Nothing more comes; what waits is still handed out."""
        self._is_closed = True
        self._changed.set()

    async def get(self) -> ServerEvent | None:
        """The next event; None when closed and empty. Cancelling is safe, nothing is lost."""
        while not self._events:
            if self._is_closed:
                return None
            self._changed.clear()
            await self._changed.wait()
        return self._events.popleft()
