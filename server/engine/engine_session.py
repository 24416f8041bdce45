"""One session inside the engine: its history, its queue of commands and what is under way.

Order: commands of a session are carried out one after another in the order they came, except that

- ``Cancel`` takes effect at once, on the running response or on one that still waits;
- ``Rewind`` stops the running response (and drops waiting ones) at once, then waits its turn;
- ``Reset`` stops whatever runs, drops whatever waits, and is carried out at once.
"""

from __future__ import annotations

import logging
from collections import deque

from server.engine.engine_parts import EngineParts
from server.engine.history import MarkExpiredError, SessionHistory
from server.engine.inbox import ENGINE_OVERLOADED, Arrived, refusal
from server.engine.interface import (
    Cancel,
    ImageFrame,
    InputUnit,
    Open,
    Prefill,
    Reset,
    Respond,
    ResponseDone,
    ResponseStatus,
    Rewind,
    Rewound,
    WasReset,
)
from server.engine.prefill_job import PrefillJob
from server.engine.response_job import ResponseJob
from server.engine.scheduler import NEVER_S, WorkItem

logger = logging.getLogger("omnicall.engine")

MAX_OTHER_COMMANDS = 16
"""Responds and rewinds of one session that may wait; a session has one response at a time."""


class EngineSession:
    """One session's side of the engine.

    Queue: at most ``engine.max_pending_units`` prefills and a few other commands wait; what comes
    on top is refused with ``engine_overloaded`` and nothing that waits is dropped.
    """

    def __init__(self, parts: EngineParts, row: int, arrived: Arrived) -> None:
        """Begin to open a session in a free row."""
        assert isinstance(arrived.command, Open)
        self.session_id = arrived.command.session_id
        self.lost_reason: str | None = None
        """Why the session cannot go on; None while it can. Read by the worker."""
        self._parts = parts
        self._opening = arrived.command
        self._history = SessionHistory(row, parts.model, parts.state, parts.config.context)
        self._queue: deque[Arrived] = deque()
        self._last_frame: ImageFrame | None = None
        """Newest frame since the last response, kept only where ``hd`` asks for it."""
        self._job: PrefillJob | ResponseJob | None = PrefillJob(
            parts, self._history, arrived, self._opening
        )

    @property
    def row(self) -> int:
        """The session's row in every pool."""
        return self._history.row

    # --- commands

    def receive(self, arrived: Arrived) -> None:
        """Take a command of this session."""
        command = arrived.command
        match command:
            case Cancel():
                self._cancel(command.response_id)
            case Reset():
                self._reset(arrived)
            case _ if self._is_full_for(arrived):
                message = "too much of this session waits for the engine; send it more slowly"
                self._parts.emit(refusal(command, ENGINE_OVERLOADED, message))
            case Rewind():
                self._stop_responses()
                self._queue.append(arrived)
            case _:
                self._queue.append(arrived)

    def close(self) -> None:
        """Stop what runs and forget what waits; the row is free afterwards."""
        self._stop_responses()
        self.abandon()

    def abandon(self) -> None:
        """Forget everything without a word: the session is lost."""
        self._queue.clear()
        self._job = None

    def _is_full_for(self, arrived: Arrived) -> bool:
        n_units = sum(isinstance(waiting.command, Prefill) for waiting in self._queue)
        if isinstance(arrived.command, Prefill):
            return n_units >= self._parts.config.engine.max_pending_units
        return len(self._queue) - n_units >= MAX_OTHER_COMMANDS

    def _cancel(self, response_id: str) -> None:
        job = self._job
        if isinstance(job, ResponseJob) and job.response_id == response_id:
            job.cancel()
            return
        for waiting in self._queue:
            command = waiting.command
            if isinstance(command, Respond) and command.response_id == response_id:
                self._queue.remove(waiting)
                self._drop_response(command)
                return

    def _reset(self, arrived: Arrived) -> None:
        self._stop_responses()
        for waiting in self._queue:
            if isinstance(waiting.command, Rewind):
                message = "the session was reset first"
                self._parts.emit(refusal(waiting.command, MarkExpiredError.code, message))
        # A reset that waits itself (for the opening, see below) is still answered.
        self._queue = deque(item for item in self._queue if isinstance(item.command, Reset))
        self._last_frame = None
        if isinstance(self._job, PrefillJob) and self._job.opens:
            # There is no system prompt to come back to before it is there.
            self._queue.append(arrived)
            return
        self._job = None
        self._forget()

    def _forget(self) -> None:
        self._parts.emit(WasReset(self.session_id, self._history.reset()))

    def _stop_responses(self) -> None:
        if isinstance(self._job, ResponseJob):
            self._job.cancel()
        for waiting in [item for item in self._queue if isinstance(item.command, Respond)]:
            self._queue.remove(waiting)
            assert isinstance(waiting.command, Respond)
            self._drop_response(waiting.command)

    def _drop_response(self, command: Respond) -> None:
        self._parts.emit(
            ResponseDone(self.session_id, command.response_id, ResponseStatus.CANCELLED)
        )

    # --- work

    def work(self, now_s: float) -> list[WorkItem]:
        """What can be done for this session now; begins waiting commands."""
        while True:
            job = self._job
            if job is not None:
                if isinstance(job, PrefillJob) and self._first_respond_s is not None:
                    job.hurry(self._first_respond_s)
                if not job.done:
                    items = job.work(now_s)
                    if not job.done:
                        return items
                self._settle(job)
            if self.lost_reason is not None or not self._queue:
                return []
            self._begin(self._queue.popleft())

    @property
    def _first_respond_s(self) -> float | None:
        """Since when a response waits in the queue; units before it are as urgent as it is."""
        waiting = (item.at_s for item in self._queue if isinstance(item.command, Respond))
        return next(waiting, None)

    def wake_s(self) -> float:
        """When a response that paused by itself goes on, on the engine's clock."""
        return self._job.wake_s if isinstance(self._job, ResponseJob) else NEVER_S

    def _settle(self, job: PrefillJob | ResponseJob) -> None:
        """A job came to its end."""
        self._job = None
        if isinstance(job, PrefillJob) and job.opens and job.failure is not None:
            self.lost_reason = f"{job.failure.code}: {job.failure.message}"

    def _begin(self, arrived: Arrived) -> None:
        command = arrived.command
        match command:
            case Prefill():
                if self._opening.spec.hd and isinstance(command.content, InputUnit):
                    self._last_frame = command.content.image or self._last_frame
                self._job = PrefillJob(self._parts, self._history, arrived, self._opening)
            case Respond():
                frame, self._last_frame = self._last_frame, None
                self._job = ResponseJob(self._parts, self._history, arrived, self._opening, frame)
            case Rewind():
                self._rewind(command)
            case Reset():
                # What it had to drop went when it came; what waits now came after it.
                self._forget()

    def _rewind(self, command: Rewind) -> None:
        self._last_frame = None
        try:
            self._history.rewind(command.mark)
        except MarkExpiredError as error:
            self._parts.emit(refusal(command, error.code, error.message))
        else:
            self._parts.emit(Rewound(self.session_id, command.mark))
