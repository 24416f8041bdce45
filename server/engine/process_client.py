"""The engine in a process of its own: the default placement.

The gateway's event loop and the model share no interpreter lock, and a crash of one does not take
the other.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import queue
import signal
import threading
from collections.abc import Iterator
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from server.clock import Clock
from server.config import Config
from server.engine.client import SupervisedEngineClient
from server.engine.interface import Command, EngineFailed
from server.engine.process_main import LEFT_TO_THE_PARENT, StopEngine, engine_main
from server.errors import EngineBusyError, EngineUnavailableError

STOP_GRACE_S = 5.0
"""Time the process gets to end after it was asked, before SIGKILL."""
EXIT_CODE_S = 1.0
"""Time until the exit code of a process is known whose pipe is closed."""


class CommandWriter:
    """Carries commands into the pipe, so that the event loop never waits for it.

    Queue: bounded by ``engine.max_pending_commands``; a command beyond that is refused.
    """

    def __init__(self, connection: Connection, capacity: int) -> None:
        self._connection = connection
        self._queue: queue.Queue[Command | StopEngine | None] = queue.Queue(capacity)
        self._thread = threading.Thread(target=self._write, name="engine-writer", daemon=True)
        self._ended = False

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def put(self, message: Command | StopEngine) -> None:
        """Queue a message without waiting.

        Raises:
            EngineBusyError: The queue is full.
        """
        try:
            self._queue.put_nowait(message)
        except queue.Full:
            raise EngineBusyError(
                "too many commands are waiting for the engine; send less at a time"
            ) from None

    def end(self) -> None:
        """Stop writing; call once the other end is gone, so that no write can block."""
        self._ended = True
        while True:
            try:
                self._queue.put_nowait(None)
                break
            except queue.Full:
                with contextlib.suppress(queue.Empty):
                    self._queue.get_nowait()
        self._thread.join()

    def _write(self) -> None:
        while not self._ended:
            message = self._queue.get()
            if message is None:
                return
            try:
                self._connection.send(message)
            except OSError:
                # The process is gone; the supervisor sees it by itself and tells the sessions.
                return


class ProcessEngineClient(SupervisedEngineClient):
    """Spawns the engine process, watches it and carries messages.

    Its death is seen at once: the supervisor waits on the pipe and on the process itself.
    """

    def __init__(self, config: Config, clock: Clock | None = None) -> None:
        """Nothing runs until ``start``."""
        super().__init__(config, clock)
        self._writer: CommandWriter | None = None
        self._process: BaseProcess | None = None
        self._asked_to_stop_at_s: float | None = None

    @property
    def pid(self) -> int | None:
        """Id of the engine process, while there is one."""
        process = self._process
        return process.pid if process is not None else None

    def _live(self) -> str:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe(duplex=True)
        process = context.Process(
            target=engine_main, args=(self._config, theirs), name="omnicall-engine", daemon=True
        )
        with _signals_blocked():
            process.start()
        theirs.close()  # or the end of the child would not close the pipe
        writer = CommandWriter(ours, self._config.engine.max_pending_commands)
        writer.start()
        self._process, self._writer = process, writer
        if self._stopping.is_set():
            self._request_stop()
        try:
            return self._watch(process, ours)
        finally:
            self._end(process)
            self._process = self._writer = None
            writer.end()
            ours.close()
            process.close()

    def _watch(self, process: BaseProcess, connection: Connection) -> str:
        """Pass events on until the process is gone or must go; say why."""
        started_at_s = self._clock.monotonic()
        failure: str | None = None
        while True:
            ready = wait([connection, process.sentinel], self._config.engine.heartbeat_s)
            if connection in ready:
                try:
                    event = connection.recv()
                except (EOFError, OSError):
                    return failure or _death_of(process)
                if isinstance(event, EngineFailed):
                    failure = event.reason
                self._deliver(event)
            elif process.sentinel in ready:
                return failure or _death_of(process)
            now = self._clock.monotonic()
            asked_at_s = self._asked_to_stop_at_s
            if not self._life_was_ready:
                if asked_at_s is not None:
                    return "the engine was stopped while it was loading"
                if now - started_at_s > self._config.engine.start_timeout_s:
                    return (
                        f"the engine was not ready after {self._config.engine.start_timeout_s:g} s;"
                        " raise engine.start_timeout_s for a slow disk"
                    )
            elif asked_at_s is not None and now - asked_at_s > STOP_GRACE_S:
                return "the engine did not end when asked"

    def _end(self, process: BaseProcess) -> None:
        """Make sure the process is gone."""
        if process.is_alive():
            process.kill()
        process.join()

    def _request_stop(self) -> None:
        writer = self._writer
        if writer is None:
            return
        self._asked_to_stop_at_s = self._clock.monotonic()
        try:
            writer.put(StopEngine())
        except EngineBusyError:
            # Behind a full queue it would come too late anyway: the watch gives up after a while.
            return

    def _send(self, command: Command) -> None:
        writer = self._writer
        if writer is None:
            raise EngineUnavailableError("the engine is gone; try again later")
        writer.put(command)


@contextlib.contextmanager
def _signals_blocked() -> Iterator[None]:
    """Block :data:`LEFT_TO_THE_PARENT` for this thread and for what it starts.

    A terminal sends Ctrl-C, and a service manager SIGTERM, to the engine process too, which can
    ignore it only once its imports are done; until then what it inherits must protect it.
    """
    # Its own start unblocks these signals: it must run before.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, LEFT_TO_THE_PARENT)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _death_of(process: BaseProcess) -> str:
    # The pipe closes a moment before the exit code is known.
    process.join(EXIT_CODE_S)
    code = process.exitcode
    if code is not None and code < 0:
        return f"the engine process was killed by signal {-code}"
    return f"the engine process ended with exit code {code}"
