"""One call through the engine's interface, as the server places it: unit by unit, streaming."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TypeVar

from server.engine.client import EngineClient
from server.engine.interface import (
    AudioChunk,
    Cancel,
    Close,
    Command,
    CommandRejected,
    InputUnit,
    Open,
    Opened,
    Prefill,
    Respond,
    ResponseDone,
    ResponseSpec,
    ResponseStatus,
    SessionEvent,
    SessionLost,
    SessionSpec,
    TextChunk,
    TextMessage,
    UnitPrefilled,
)
from server.errors import EngineError

AnyEvent = TypeVar("AnyEvent", bound=SessionEvent)

LONGEST_REPLY_S = 15.0
"""An answer that goes on beyond this is cut short: none of the right ones is half as long, and a
poor speech decoder may never come to an end."""
BYTES_PER_SECOND = 48_000
"""Of 16-bit mono at 24 kHz."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer, as it was streamed."""

    text: str
    """All text chunks, joined."""
    pcm: bytes
    """All audio chunks, joined: 16-bit little-endian mono at 24 kHz."""
    status: ResponseStatus
    """How it ended."""


class EngineCall:
    """One session of a running engine.

    Its events wait in a queue that is bounded by what one command causes: every command is waited
    for before the next is given.
    """

    def __init__(self, engine: EngineClient, session_id: str) -> None:
        """Nothing is sent before :meth:`open`."""
        self._engine = engine
        self._session_id = session_id
        self._events: asyncio.Queue[SessionEvent] = asyncio.Queue()
        self._n_responses = 0

    async def open(self, spec: SessionSpec) -> None:
        """Take a row and prefill the system prompt. Cancelling leaves :meth:`close` to be called.

        Raises:
            EngineError: The engine has no room, or is gone.
        """
        self._engine.attach(self._session_id, self._events.put_nowait)
        await self._do(Open(self._session_id, spec), Opened)

    async def prefill(self, content: InputUnit | TextMessage) -> None:
        """Append a unit or a message. Cancelling leaves :meth:`close` to be called.

        Raises:
            EngineError: The engine refused it, or is gone.
        """
        await self._do(Prefill(self._session_id, content), UnitPrefilled)

    async def respond(self, spec: ResponseSpec) -> Reply:
        """Have the turn answered. Cancelling leaves :meth:`close` to be called.

        Raises:
            EngineError: The answer failed, or the engine is gone.
        """
        self._n_responses += 1
        response_id = f"{self._session_id}-{self._n_responses}"
        self._engine.submit(Respond(self._session_id, response_id, spec))
        text: list[str] = []
        pcm = bytearray()
        while True:
            event = await self._next()
            match event:
                case TextChunk():
                    text.append(event.text)
                case AudioChunk():
                    pcm += event.pcm
                    if len(pcm) > LONGEST_REPLY_S * BYTES_PER_SECOND:
                        self._engine.submit(Cancel(self._session_id, response_id))
                case ResponseDone(status=ResponseStatus.FAILED):
                    raise EngineError(f"an answer failed: {event.reason}")
                case ResponseDone():
                    return Reply("".join(text), bytes(pcm), event.status)
                case _:
                    pass

    def close(self) -> None:
        """Give the row back; a call that was never opened may be closed, too."""
        self._engine.detach(self._session_id)
        self._engine.submit(Close(self._session_id))

    async def _do(self, command: Command, answer: type[AnyEvent]) -> AnyEvent:
        self._engine.submit(command)
        while True:
            event = await self._next()
            if isinstance(event, answer):
                return event

    async def _next(self) -> SessionEvent:
        event = await self._events.get()
        match event:
            case CommandRejected():
                raise EngineError(f"{event.command} was rejected: {event.message}")
            case SessionLost():
                raise EngineError(f"the engine lost the session: {event.reason}")
            case _:
                return event
