"""An engine that plays scripted replies instead of running a model.

It has the whole surface of :class:`server.engine.client.EngineClient` and keeps the contract of
``server/engine/interface.py`` (order per session, marks, what a rewind or a cancellation leaves),
on the running event loop's own timers, virtual or real.

    engine = FakeEngine(replies=[reply("Hello", 0.5), reply("Good", " bye")])

Every session gets the first reply for its first ``Respond``, and so on; the last one repeats.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

from server.engine.client import EngineStatus, SessionSink, StatusCallback
from server.engine.interface import (
    Close,
    Command,
    EngineInfo,
    InputUnit,
    Open,
    SessionEvent,
    SessionLost,
    TextMessage,
)
from server.errors import EngineBusyError, EngineUnavailableError
from tests.fakes.fake_engine_row import Delays, FakeRow, rejection
from tests.fakes.scripted_replies import DEFAULT_REPLY, Piece, Reply, reply, speech_pcm

__all__ = ["FakeEngine", "Piece", "Reply", "reply", "speech_pcm"]


class FakeEngine:
    """A scripted :class:`~server.engine.client.EngineClient`."""

    def __init__(
        self,
        replies: Sequence[Reply] | Callable[[int], Sequence[Reply]] = (DEFAULT_REPLY,),
        *,
        open_s: float = 0.0,
        prefill_s: float = 0.0,
        ready: bool = True,
        checkpoint: str = "fake",
        n_rows: int = 4,
        voices: Mapping[str, bytes] | None = None,
    ) -> None:
        """
        Args:
            replies: The script of every session, or a function from the number of a session
                (counted from 0 in the order of opening) to its script.
            open_s: Time from ``Open`` to ``Opened``.
            prefill_s: Time a ``Prefill`` takes.
            ready: False: it has to be started first.
            checkpoint: Name shown in ``info``.
            n_rows: Rows shown in ``info``.
            voices: Recordings shown in ``info``.
        """
        self.commands: list[Command] = []
        """Every command accepted, in order."""
        self.busy = False
        """True: commands are refused with EngineBusyError."""
        self._replies = replies
        self._delays = Delays(open_s, prefill_s)
        self._rows: dict[str, FakeRow] = {}
        self._sinks: dict[str, SessionSink] = {}
        self._callbacks: list[StatusCallback] = []
        self._rejections: dict[str, tuple[str, str]] = {}
        self._n_opened = 0
        self._status = EngineStatus.READY if ready else EngineStatus.STARTING
        self._info = EngineInfo(
            checkpoint, True, "cpu", "float32", n_rows, 8192, 1_000_000, 0.1, voices or {}
        )

    # --- the surface of EngineClient

    @property
    def status(self) -> EngineStatus:
        """What the engine is doing."""
        return self._status

    @property
    def info(self) -> EngineInfo | None:
        """None until it was ready."""
        return None if self._status is EngineStatus.STARTING else self._info

    async def start(self) -> None:
        """Become ready."""
        self.set_status(EngineStatus.READY)

    async def stop(self) -> None:
        """Forget every session."""
        for session_id in list(self._rows):
            self._drop_row(session_id)
        self.set_status(EngineStatus.STOPPED)

    def attach(self, session_id: str, sink: SessionSink) -> None:
        """Send a session's events to ``sink``."""
        self._sinks[session_id] = sink

    def detach(self, session_id: str) -> None:
        """Send a session's events nowhere."""
        self._sinks.pop(session_id, None)

    def on_status(self, callback: StatusCallback) -> None:
        """Call ``callback`` with every new status."""
        self._callbacks.append(callback)

    def submit(self, command: Command) -> None:
        """Take a command; its events come later, never from inside this call."""
        if self._status is not EngineStatus.READY:
            raise EngineUnavailableError(f"the engine is {self._status}")
        if self.busy:
            raise EngineBusyError("the engine's command queue is full")
        self.commands.append(command)
        asyncio.get_running_loop().call_soon(self._take, command)

    # --- what tests do to it and ask it

    def set_status(self, status: EngineStatus) -> None:
        """Change the status and tell the callbacks."""
        if status is self._status:
            return
        self._status = status
        for callback in self._callbacks:
            callback(status)

    def lose(self, session_id: str, reason: str = "row lost") -> None:
        """Lose one session."""
        self._drop_row(session_id)
        self.emit(SessionLost(session_id, reason))

    def die(self, reason: str = "the engine process died") -> None:
        """Lose every session and be restarting."""
        self.set_status(EngineStatus.RESTARTING)
        for session_id in list(self._sinks):
            self.lose(session_id, reason)

    def reject_next(self, command: str, code: str, message: str = "rejected") -> None:
        """Answer the next command of this class name with ``CommandRejected``."""
        self._rejections[command] = (code, message)

    def emit(self, event: SessionEvent) -> None:
        """Deliver an event, also one that no script asked for (a stale one, an eviction)."""
        sink = self._sinks.get(event.session_id)
        if sink is not None:
            sink(event)

    def submitted(self, session_id: str, *kinds: type) -> list[Command]:
        """Commands of one session, of some classes or all."""
        return [
            command
            for command in self.commands
            if command.session_id == session_id and (not kinds or isinstance(command, kinds))
        ]

    def holds(self, session_id: str) -> bool:
        """Whether the session has a row."""
        return session_id in self._rows

    def remembered(self, session_id: str) -> list[InputUnit | TextMessage | str]:
        """The session's history: units, messages, and the text of responses."""
        return [past.content for past in self._rows[session_id].past]

    def remembered_audio(self, session_id: str) -> bytes:
        """All audio in the session's history, 16-bit mono at 16 kHz."""
        contents = self.remembered(session_id)
        return b"".join(item.audio_pcm for item in contents if isinstance(item, InputUnit))

    def remembered_text(self, session_id: str) -> str:
        """All text of responses in the session's history."""
        return "".join(item for item in self.remembered(session_id) if isinstance(item, str))

    # --- inside

    def _take(self, command: Command) -> None:
        refused = self._rejections.pop(type(command).__name__, None)
        row = self._rows.get(command.session_id)
        if refused is not None:
            self.emit(rejection(command, *refused))
        elif isinstance(command, Open):
            replies = self._replies(self._n_opened) if callable(self._replies) else self._replies
            self._n_opened += 1
            script = replies or (DEFAULT_REPLY,)
            self._rows[command.session_id] = FakeRow(command, script, self._delays, self.emit)
        elif isinstance(command, Close):
            self._drop_row(command.session_id)
        elif row is not None:
            row.receive(command)

    def _drop_row(self, session_id: str) -> None:
        row = self._rows.pop(session_id, None)
        if row is not None:
            row.close()
