"""The asyncio side of the engine: what sessions and the app hold.

:class:`EngineClient` is the surface; :class:`SupervisedEngineClient` is what both placements share:
one supervisor thread lives through one engine after another, and everything a caller can see
(status, sinks, callbacks) changes on the event loop's thread only.

No torch is imported here: the gateway's process stays light.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from enum import StrEnum
from typing import Protocol

from server.clock import Clock, SystemClock
from server.config import Config
from server.engine.interface import (
    Command,
    EngineEvent,
    EngineFailed,
    EngineInfo,
    EngineReady,
    SessionEvent,
    SessionLost,
)
from server.errors import EngineUnavailableError

logger = logging.getLogger("omnicall.engine")

RESTART_DELAY_S = 0.25
"""Wait before the second restart in a row; doubles with each further one."""
MAX_RESTART_DELAY_S = 5.0


class EngineStatus(StrEnum):
    """What the engine is doing, as the gateway's process knows it."""

    STARTING = "starting"
    """Not started yet, or loading for the first time."""
    READY = "ready"
    """Commands are taken."""
    RESTARTING = "restarting"
    """It died; another is being loaded."""
    FAILED = "failed"
    """It cannot start, or died too often. Nothing more will happen."""
    STOPPED = "stopped"
    """It was stopped on purpose."""


SessionSink = Callable[[SessionEvent], None]
StatusCallback = Callable[[EngineStatus], None]


class EngineClient(Protocol):
    """The engine as the server sees it. Every method is called on the event loop's thread."""

    @property
    def status(self) -> EngineStatus:
        """What the engine is doing."""
        ...

    @property
    def info(self) -> EngineInfo | None:
        """What runs behind the engine; None until it was ready for the first time."""
        ...

    async def start(self) -> None:
        """Start the engine and wait until it is ready.

        Cancelling is safe: the engine goes on starting, :meth:`stop` ends it.

        Raises:
            EngineUnavailableError: It cannot start; the text says why.
        """
        ...

    async def stop(self) -> None:
        """Stop the engine and wait until it is gone. Safe to call twice."""
        ...

    def attach(self, session_id: str, sink: SessionSink) -> None:
        """Send a session's events to ``sink``, on the event loop's thread, until detached."""
        ...

    def detach(self, session_id: str) -> None:
        """Drop a session's events from now on. Unknown ids are ignored."""
        ...

    def submit(self, command: Command) -> None:
        """Hand over a command; never waits.

        Raises:
            EngineBusyError: The command queue is full; nothing was queued.
            EngineUnavailableError: The engine is not ready.
        """
        ...

    def on_status(self, callback: StatusCallback) -> None:
        """Call ``callback`` with every new status."""
        ...


class SupervisedEngineClient(ABC):
    """Base of the placements: supervision, restarts and the way of events to sinks.

    A placement implements one *life* of an engine; this class decides whether another follows.

    Queues: events wait in the event loop's own queue, which is bounded by what the engine may
    generate ahead of the listeners; commands wait in the placement's bounded queue.
    """

    def __init__(self, config: Config, clock: Clock | None = None) -> None:
        """Nothing runs until :meth:`start`."""
        self._config = config
        self._clock = clock or SystemClock()
        self._status = EngineStatus.STARTING
        self._info: EngineInfo | None = None
        self._failure = "the engine was not started"
        self._sinks: dict[str, SessionSink] = {}
        self._status_callbacks: list[StatusCallback] = []
        self._settled = asyncio.Event()
        self._stopping = threading.Event()
        self._supervisor: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._life_was_ready = False  # set by the supervisor thread's own deliveries

    # --- what a placement provides; called in the supervisor thread

    @abstractmethod
    def _live(self) -> str:
        """Run one engine until it ends; say why it ended."""

    @abstractmethod
    def _request_stop(self) -> None:
        """Ask the running engine, if any, to end. Called on the event loop's thread."""

    @abstractmethod
    def _send(self, command: Command) -> None:
        """Queue a command for the running engine, without waiting.

        Raises:
            EngineBusyError: The queue is full.
            EngineUnavailableError: No engine runs.
        """

    # --- the surface

    @property
    def status(self) -> EngineStatus:
        """What the engine is doing."""
        return self._status

    @property
    def info(self) -> EngineInfo | None:
        """What runs behind the engine; None until it was ready for the first time."""
        return self._info

    async def start(self) -> None:
        """See :meth:`EngineClient.start`."""
        if self._supervisor is None:
            self._loop = asyncio.get_running_loop()
            self._supervisor = threading.Thread(
                target=self._supervise, name="engine-supervisor", daemon=True
            )
            self._supervisor.start()
        await self._settled.wait()
        if self._status is not EngineStatus.READY:
            raise EngineUnavailableError(self._failure)

    async def stop(self) -> None:
        """See :meth:`EngineClient.stop`. Cancelling leaves the engine ending by itself."""
        self._stopping.set()
        if self._supervisor is not None:
            self._request_stop()
            await asyncio.to_thread(self._supervisor.join)
        self._failure = "the engine was stopped"
        self._settled.set()
        if self._status is not EngineStatus.FAILED:
            self._set_status(EngineStatus.STOPPED)

    def attach(self, session_id: str, sink: SessionSink) -> None:
        """See :meth:`EngineClient.attach`."""
        self._sinks[session_id] = sink

    def detach(self, session_id: str) -> None:
        """See :meth:`EngineClient.detach`."""
        self._sinks.pop(session_id, None)

    def submit(self, command: Command) -> None:
        """See :meth:`EngineClient.submit`."""
        if self._status is not EngineStatus.READY:
            raise EngineUnavailableError(f"the engine is {self._status}; try again later")
        self._send(command)

    def on_status(self, callback: StatusCallback) -> None:
        """See :meth:`EngineClient.on_status`."""
        self._status_callbacks.append(callback)

    # --- supervisor thread

    def _supervise(self) -> None:
        deaths: deque[float] = deque()
        reason = ""
        while not self._stopping.is_set():
            self._life_was_ready = False
            try:
                reason = self._live()
            except Exception as error:
                # Boundary: whatever ends an engine, its sessions must be told and another started.
                logger.exception("the engine failed")
                reason = f"{type(error).__name__}: {error}"
            if self._stopping.is_set():
                break
            now = self._clock.monotonic()
            deaths.append(now)
            while deaths and now - deaths[0] > self._config.engine.restart_window_s:
                deaths.popleft()
            first_start_failed = not self._life_was_ready and self._info is None
            if first_start_failed or len(deaths) > self._config.engine.restart_limit:
                self._post(self._on_end, EngineStatus.FAILED, reason)
                return
            self._post(self._on_end, EngineStatus.RESTARTING, reason)
            if len(deaths) > 1:
                delay_s = RESTART_DELAY_S * 2 ** (len(deaths) - 2)
                self._stopping.wait(min(delay_s, MAX_RESTART_DELAY_S))
        self._post(self._on_end, EngineStatus.STOPPED, reason or "the engine was stopped")

    def _deliver(self, event: EngineEvent) -> None:
        """Pass an event of the engine on to the event loop's thread."""
        if isinstance(event, EngineReady):
            self._life_was_ready = True
        self._post(self._dispatch, event)

    def _post(self, function: Callable[..., None], *args: object) -> None:
        assert self._loop is not None
        # A closed loop has nobody left to tell; the supervisor then just runs out.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(function, *args)

    # --- event loop's thread

    def _dispatch(self, event: EngineEvent) -> None:
        match event:
            case EngineReady(info):
                self._info = info
                self._set_status(EngineStatus.READY)
                self._settled.set()
            case EngineFailed(reason):
                logger.error("engine failed: %s", reason)
            case _:
                sink = self._sinks.get(event.session_id)
                if sink is not None:
                    sink(event)

    def _on_end(self, status: EngineStatus, reason: str) -> None:
        """An engine ended: every attached session is lost, and the new status is known first."""
        if status is not EngineStatus.STOPPED:
            logger.error("engine ended (%s): %s", status, reason)
        self._failure = reason
        self._set_status(status)
        for session_id, sink in list(self._sinks.items()):
            sink(SessionLost(session_id, reason))
        if status is not EngineStatus.RESTARTING:
            self._settled.set()

    def _set_status(self, status: EngineStatus) -> None:
        if status is self._status:
            return
        self._status = status
        for callback in list(self._status_callbacks):
            callback(status)
