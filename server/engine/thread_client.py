"""The engine in a thread of this process: for tests and for machines with one core to spare."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from server.clock import Clock
from server.config import Config
from server.engine.client import SupervisedEngineClient
from server.engine.interface import Command
from server.errors import EngineUnavailableError

if TYPE_CHECKING:
    from server.engine.worker import EngineWorker

WorkerFactory = Callable[..., "EngineWorker"]


def _build_worker(*args: object, **kwargs: object) -> EngineWorker:
    # Imported here, in the owner thread: torch takes seconds, and the process placement's parent
    # shares this package without ever needing it.
    from server.engine.worker import load_worker

    return load_worker(*args, **kwargs)  # type: ignore[arg-type]


class ThreadEngineClient(SupervisedEngineClient):
    """The owner thread is the supervisor thread of this process.

    The model's Python code holds the event loop's interpreter lock while it runs; the process
    placement does not.
    """

    def __init__(
        self,
        config: Config,
        clock: Clock | None = None,
        build_worker: WorkerFactory = _build_worker,
    ) -> None:
        """Nothing runs until ``start``.

        Args:
            config: All settings.
            clock: Time source of the supervision and of the engine.
            build_worker: ``(config, emit, clock) -> EngineWorker``, called in the owner thread.
        """
        super().__init__(config, clock)
        self._build_worker = build_worker
        self._worker: EngineWorker | None = None

    def _live(self) -> str:
        try:
            worker = self._build_worker(self._config, self._deliver, self._clock)
            self._worker = worker
            if not self._stopping.is_set():
                worker.run()
        finally:
            self._worker = None
        return "the engine was stopped"

    def _request_stop(self) -> None:
        worker = self._worker
        if worker is not None:
            worker.stop()

    def _send(self, command: Command) -> None:
        worker = self._worker
        if worker is None:
            raise EngineUnavailableError("the engine is gone; try again later")
        worker.submit(command)
