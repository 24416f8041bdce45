"""One session's line to the engine: commands out, events in."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable

from server.engine.client import EngineClient
from server.engine.interface import (
    Close,
    Command,
    Open,
    Respond,
    ResponseDone,
    ResponseStatus,
    SessionEvent,
    SessionSpec,
)
from server.errors import EngineBusyError, EngineError, EngineUnavailableError


class EngineLink:
    """Opens the session in the engine, hands over commands and passes events on in order.

    Queue: events wait for :meth:`run`, which is always ready for them; they are bounded by what
    the engine generates ahead of the listener (``engine.speech_lead_s``). None is dropped.
    """

    def __init__(
        self,
        session_id: str,
        client: EngineClient,
        on_refused: Callable[[EngineError], None],
        on_lost: Callable[[str], None],
    ) -> None:
        """
        Args:
            session_id: The session all commands and events are for.
            client: The engine.
            on_refused: Told about a command the engine has no room for.
            on_lost: Told that the engine is gone.
        """
        self.is_open = False
        """Whether the engine was asked for a row."""
        self._session_id = session_id
        self._client = client
        self._on_refused = on_refused
        self._on_lost = on_lost
        self._events: deque[SessionEvent] = deque()
        self._arrived = asyncio.Event()

    def open(self, spec: SessionSpec) -> None:
        """Ask for a row.

        Raises:
            EngineError: The engine takes no commands.
        """
        self._client.attach(self._session_id, self._on_event)
        self._client.submit(Open(self._session_id, spec))
        self.is_open = True

    def submit(self, command: Command) -> bool:
        """Hand over a command; False when the engine refused it."""
        try:
            self._client.submit(command)
        except EngineBusyError as error:
            if isinstance(command, Respond):
                # A response has one kind of end, whoever refuses it.
                self._on_event(
                    ResponseDone(
                        self._session_id,
                        command.response_id,
                        ResponseStatus.FAILED,
                        reason=f"{error.code}: {error.message}",
                    )
                )
            else:
                self._on_refused(error)
            return False
        except EngineUnavailableError as error:
            self._on_lost(error.message)
            return False
        return True

    def close(self) -> None:
        """Give the row back and listen no more."""
        if self.is_open:
            # An engine that is gone or flooded has no row to give back, or will see the next one.
            with contextlib.suppress(EngineError):
                self._client.submit(Close(self._session_id))
        self._client.detach(self._session_id)

    async def run(self, handle: Callable[[SessionEvent], None]) -> None:
        """Pass every event to ``handle``. Cancelling is safe; events stay for the next run."""
        while True:
            while self._events:
                handle(self._events.popleft())
            self._arrived.clear()
            await self._arrived.wait()

    def _on_event(self, event: SessionEvent) -> None:
        self._events.append(event)
        self._arrived.set()
