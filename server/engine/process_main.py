"""What the spawned engine process runs.

Two threads: the main thread owns the model and the device, the other reads the pipe.
The process ends when it is told to, when the pipe closes (its parent is gone) or when the model
fails for good.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

from server.clock import SystemClock
from server.config import Config
from server.engine.inbox import ENGINE_OVERLOADED, ENGINE_UNAVAILABLE, refusal
from server.engine.interface import EngineEvent, EngineFailed
from server.errors import EngineBusyError

if TYPE_CHECKING:
    from server.engine.worker import EngineWorker

logger = logging.getLogger("omnicall.engine")

ORPHAN_GRACE_S = 5.0
"""Time a step may still take after the parent is gone."""
LEFT_TO_THE_PARENT = (signal.SIGINT, signal.SIGTERM)
"""Ignored here: terminals and service managers signal the whole group, and the parent decides when
this process ends."""
EXIT_FAILED = 1


@dataclass(frozen=True, slots=True)
class StopEngine:
    """The message that ends the process."""


class EnginePipe:
    """The child's end of the pipe, shared by its two threads.

    Sending blocks while the pipe is full: the parent has a thread that does nothing but read, and
    audio is never dropped.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._worker: EngineWorker | None = None
        self._stop_asked = False

    def send(self, event: EngineEvent) -> None:
        """Pass an event to the parent; if it is gone, the worker is stopped instead."""
        try:
            with self._lock:
                self._connection.send(event)
        except OSError:
            self.stop()

    def attach(self, worker: EngineWorker) -> None:
        """From now on commands go to ``worker``."""
        self._worker = worker
        if self._stop_asked:
            worker.stop()

    def stop(self) -> None:
        """Let the owner thread end after its current step."""
        self._stop_asked = True
        if self._worker is not None:
            self._worker.stop()

    def read(self) -> None:
        """Pass commands to the worker until told to stop, or until the parent is gone."""
        while True:
            try:
                message = self._connection.recv()
            except (EOFError, OSError):
                self._end_as_orphan()
                return
            if isinstance(message, StopEngine):
                self.stop()
                continue
            worker = self._worker
            if worker is None:
                # Sent to the engine before this one, whose end the sender had not seen yet.
                self.send(refusal(message, ENGINE_UNAVAILABLE, "the engine is starting"))
                continue
            try:
                worker.submit(message)
            except EngineBusyError as error:
                self.send(refusal(message, ENGINE_OVERLOADED, error.message))

    def _end_as_orphan(self) -> None:
        self.stop()
        # The owner thread may be inside a step, or still loading gigabytes nobody waits for.
        timer = threading.Timer(ORPHAN_GRACE_S, os._exit, [EXIT_FAILED])
        timer.daemon = True
        timer.start()


def engine_main(config: Config, connection: Connection) -> None:
    """Entry of the process. Returns when stopped; exits with 1 when the engine failed."""
    for number in LEFT_TO_THE_PARENT:
        signal.signal(number, signal.SIG_IGN)
    # Before torch is imported: threads that spin at barriers starve the gateway of its core.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    logging.basicConfig(
        level=config.log.level.upper(),
        stream=sys.stderr,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    pipe = EnginePipe(connection)
    threading.Thread(target=pipe.read, name="engine-pipe-reader", daemon=True).start()
    try:
        from server.engine.worker import LOAD_ERRORS, load_worker

        try:
            worker = load_worker(config, pipe.send, SystemClock())
        except LOAD_ERRORS as error:
            # Not a fault of ours: the text, which the parent shows, says what to mend.
            pipe.send(EngineFailed(str(error)))
            sys.exit(EXIT_FAILED)
        pipe.attach(worker)
        worker.run()
    except Exception as error:
        logger.exception("the engine process ends")
        pipe.send(EngineFailed(f"{type(error).__name__}: {error}"))
        sys.exit(EXIT_FAILED)
