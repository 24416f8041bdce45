"""Commands on their way to the owner thread.

The one object of the engine that several threads touch.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass

from server.clock import Clock
from server.engine.interface import (
    Cancel,
    Close,
    Command,
    CommandRejected,
    Open,
    Prefill,
    Reset,
    Respond,
    ResponseDone,
    ResponseStatus,
    Rewind,
    SessionEvent,
    SessionLost,
)
from server.errors import EngineBusyError

ENGINE_OVERLOADED = "engine_overloaded"
ENGINE_UNAVAILABLE = "engine_unavailable"


@dataclass(frozen=True, slots=True)
class Arrived:
    """A command and when it came."""

    command: Command
    at_s: float
    """On the engine's clock."""


class CommandInbox:
    """Bounded queue into the owner thread.

    Overflow: a command that brings work (open, prefill, respond) is refused beyond ``capacity``;
    one that takes work away (cancel, rewind, reset, close) is refused beyond twice that, so that a
    flood of input cannot keep anybody from stopping. Nothing that was taken is ever dropped.
    """

    def __init__(self, capacity: int, clock: Clock) -> None:
        self._capacity = capacity
        self._clock = clock
        self._queue: deque[Arrived] = deque()
        self._changed = threading.Condition()
        self._stopped = False

    def put(self, command: Command) -> None:
        """Queue a command; any thread.

        Raises:
            EngineBusyError: The queue is full; nothing was queued.
        """
        limit = self._capacity
        if isinstance(command, Cancel | Rewind | Reset | Close):
            limit *= 2
        with self._changed:
            if len(self._queue) >= limit:
                raise EngineBusyError(
                    f"{len(self._queue)} commands are waiting for the engine; send less at a time"
                )
            self._queue.append(Arrived(command, self._clock.monotonic()))
            self._changed.notify()

    def take_all(self) -> list[Arrived]:
        """Everything that waits, oldest first."""
        with self._changed:
            taken = list(self._queue)
            self._queue.clear()
        return taken

    def wait(self, timeout_s: float | None) -> None:
        """Block the owner thread until a command comes, :meth:`stop` is called or time is up."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._stopped, timeout_s)

    def stop(self) -> None:
        """Tell the owner thread to end; any thread."""
        with self._changed:
            self._stopped = True
            self._changed.notify()

    @property
    def stopped(self) -> bool:
        """Whether the owner thread was told to end."""
        return self._stopped


def refusal(command: Command, code: str, message: str) -> SessionEvent:
    """The event that answers a command which is not carried out.

    A refused ``Open`` loses the session and a refused ``Respond`` ends its response, so that each
    has one kind of last event.
    """
    match command:
        case Open():
            return SessionLost(command.session_id, f"{code}: {message}")
        case Respond():
            return ResponseDone(
                command.session_id,
                command.response_id,
                ResponseStatus.FAILED,
                reason=f"{code}: {message}",
            )
        case _:
            content = command.content if isinstance(command, Prefill) else None
            return CommandRejected(
                session_id=command.session_id,
                command=type(command).__name__,
                code=code,
                message=message,
                unit_index=getattr(content, "index", None),
            )
