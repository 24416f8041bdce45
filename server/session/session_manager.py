"""The table of sessions: who gets in, who is there, and how the server empties itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from types import TracebackType

from server.clock import Clock
from server.config import Config, PlayoutConfig
from server.engine.client import EngineClient, EngineStatus
from server.errors import (
    EngineUnavailableError,
    ServerDrainingError,
    ServerFullError,
    UnknownSessionError,
)
from server.media.voice_activity import SileroVoiceActivity, VoiceActivity
from server.protocol.ids import new_id
from server.session.options import SessionOptions
from server.session.session import Session


class SessionManager:
    """Owns the table and the tasks of all sessions; used as ``async with``.

    Leaving the block drains: no session outlives it.
    """

    def __init__(
        self,
        config: Config,
        engine: EngineClient,
        clock: Clock,
        new_voice_activity: Callable[[], VoiceActivity] = SileroVoiceActivity,
    ) -> None:
        """
        Args:
            config: The server's settings.
            engine: Where the model runs.
            clock: Wall time.
            new_voice_activity: Makes a detector for each session that needs one.
        """
        self._config = config
        self._engine = engine
        self._clock = clock
        self._new_voice_activity = new_voice_activity
        self._sessions: dict[str, Session] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._group: asyncio.TaskGroup | None = None
        self._is_draining = False

    async def __aenter__(self) -> SessionManager:
        """Begin to take sessions."""
        self._group = await asyncio.TaskGroup().__aenter__()
        return self

    async def __aexit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Drain, then make sure that nothing is left."""
        assert self._group is not None
        if error is None:
            await self.drain()
        await self._group.__aexit__(error_type, error, traceback)

    @property
    def is_draining(self) -> bool:
        """Whether the server is shutting down."""
        return self._is_draining

    @property
    def limit(self) -> int:
        """Sessions that can be there at once."""
        info = self._engine.info
        rows = self._config.session.max_sessions if info is None else info.n_rows
        return min(self._config.session.max_sessions, rows)

    def admit(self, options: SessionOptions, playout: PlayoutConfig | None = None) -> Session:
        """A new session, which is running already.

        Args:
            options: What it begins with.
            playout: How its speech is paced, where the transport wants that its own way.

        Raises:
            ServerDrainingError: The server is shutting down.
            EngineUnavailableError: There is no model to talk to at the moment.
            ServerFullError: Every row is taken.
        """
        if self._is_draining or self._group is None:
            raise ServerDrainingError("the server is shutting down; call another one")
        if self._engine.status is not EngineStatus.READY:
            raise EngineUnavailableError(f"the model is {self._engine.status}; try again soon")
        if len(self._sessions) >= self.limit:
            raise ServerFullError(f"all {self.limit} calls are taken; try again later")
        config = self._config
        if playout is not None:
            config = config.model_copy(update={"playout": playout})
        session = Session(
            new_id("sess"),
            options,
            config,
            self._engine,
            self._clock,
            self._new_voice_activity,
        )
        self._sessions[session.id] = session
        task = self._group.create_task(self._live(session), name=session.id)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return session

    def get(self, session_id: str) -> Session:
        """The session of this id.

        Raises:
            UnknownSessionError: There is none, or it is over.
        """
        session = self._sessions.get(session_id)
        if session is None:
            raise UnknownSessionError(
                f"there is no session {session_id!r}; GET /v1/realtime/sessions lists the open ones"
            )
        return session

    def list(self) -> Sequence[Session]:
        """Every session that is not over, oldest first; each has a ``summary()``."""
        return tuple(self._sessions.values())

    def delete(self, session_id: str) -> None:
        """End a session.

        Raises:
            UnknownSessionError: There is none.
        """
        self.get(session_id).close("deleted", "the session was deleted by an administrator")

    def reset(self, session_id: str) -> None:
        """Make the model forget a call; the call goes on.

        Raises:
            UnknownSessionError: There is none.
            SessionClosedError: It is ending.
        """
        self.get(session_id).reset()

    async def drain(self) -> None:
        """Take no more sessions, let running responses finish, end every session.

        Takes ``server.shutdown_grace_s`` at most, plus what ending takes. Cancelling leaves the
        sessions that were still responding open.
        """
        self._is_draining = True
        for session in self.list():
            session.drain()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=self._config.server.shutdown_grace_s)
        for session in self.list():
            session.close("draining", "the server is shutting down")
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _live(self, session: Session) -> None:
        try:
            await session.run()
        finally:
            del self._sessions[session.id]
