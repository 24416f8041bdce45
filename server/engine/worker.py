"""The owner thread: the only one that touches the model and the caches.

One tick: take the commands that came, ask every session for work, run one batch of one stage, hand
out the results. Commands are looked at between any two steps, so a cancellation waits for one step
of one stage and never for a whole piece of audio.
"""

from __future__ import annotations

import logging
import os
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from model.config import ConfigError
from model.loading import CheckpointError, load_checkpoint
from model.omni import OmniModel
from model.pocket_checkpoint import UnknownCheckpointError, resolve
from model.voices import load_voices
from server.clock import Clock
from server.config import DEFAULT_VOICE, Config
from server.engine.engine_parts import EngineParts
from server.engine.engine_session import EngineSession
from server.engine.inbox import Arrived, CommandInbox, refusal
from server.engine.interface import (
    Cancel,
    Close,
    Command,
    EngineEvent,
    EngineInfo,
    EngineReady,
    Open,
    SessionLost,
)
from server.engine.scheduler import NEVER_S, Batch, BatchLimits, Scheduler, WorkItem
from server.engine.stages import Stages
from server.errors import ConfigurationError, EngineError

logger = logging.getLogger("omnicall.engine")

LOAD_ERRORS = (CheckpointError, ConfigError, ConfigurationError, UnknownCheckpointError)
"""What is wrong with a checkpoint or does not go with it, in words for whoever runs the server."""
MAX_FAILED_STEPS = 3
"""Batched steps that may fail unforeseen within ``FAILURE_WINDOW_S`` before the engine gives up."""
FAILURE_WINDOW_S = 60.0
UNKNOWN_SESSION = "unknown_session"

Emit = Callable[[EngineEvent], None]


class EngineBrokenError(EngineError):
    """Batched steps keep failing: the device or the model is not usable any more."""

    code = "engine_broken"


class EngineWorker:
    """All sessions of one engine and the loop that serves them.

    ``submit`` and ``stop`` may be called from any thread, everything else from the owner thread.
    """

    def __init__(
        self,
        model: OmniModel,
        config: Config,
        emit: Emit,
        clock: Clock,
        *,
        load_s: float = 0.0,
        voices: Mapping[str, bytes] | None = None,
        stages: Callable[[EngineParts], Stages] | None = None,
    ) -> None:
        """Allocate the rows of all sessions.

        Args:
            model: Loaded and in its place.
            config: All settings.
            emit: Takes every event, in order; may block, which slows the engine down.
            clock: Deadlines and timings.
            load_s: What loading took, for ``EngineInfo``.
            voices: What the checkpoint brings, for ``EngineInfo``.
            stages: Makes what runs the batches; the model itself where None.
        """
        n_rows = config.session.max_sessions
        context_tokens = min(
            config.context.capacity_tokens, model.config.language.max_position_embeddings
        )
        with torch.inference_mode():
            state = model.allocate(n_rows, context_tokens)
        self._parts = EngineParts(model, state, config, clock, emit)
        self._emit = emit
        self._clock = clock
        self._stages = (stages or _model_stages)(self._parts)
        max_rows = config.engine.max_batch_rows
        on_cpu = model.device.type == "cpu"
        limits = BatchLimits.for_cpu(max_rows) if on_cpu else BatchLimits.for_accelerator(max_rows)
        self._scheduler = Scheduler(limits)
        self._inbox = CommandInbox(config.engine.max_pending_commands, clock)
        self._sessions: dict[str, EngineSession] = {}
        self._free_rows = list(range(n_rows))
        self._failed_at_s: deque[float] = deque(maxlen=MAX_FAILED_STEPS)
        self.info = EngineInfo(
            checkpoint=model.config.checkpoint_name or Path(config.checkpoint.path).name,
            trained=model.config.trained,
            device=str(model.device),
            dtype=str(model.dtype).removeprefix("torch."),
            n_rows=n_rows,
            context_tokens=context_tokens,
            parameters=sum(parameter.numel() for parameter in model.parameters()),
            load_s=load_s,
            voices=voices or {},
        )

    # --- any thread

    def submit(self, command: Command) -> None:
        """Queue a command.

        Raises:
            EngineBusyError: The queue is full; nothing was queued.
        """
        self._inbox.put(command)

    def stop(self) -> None:
        """End after the current step; sessions get nothing more."""
        self._inbox.stop()

    # --- owner thread

    def run(self) -> None:
        """Serve until stopped.

        Raises:
            EngineBrokenError: Steps keep failing.
        """
        self._emit(EngineReady(self.info))
        while not self._inbox.stopped:
            if not self.tick():
                wake_s = min((each.wake_s() for each in self._sessions.values()), default=NEVER_S)
                wait_s = None if wake_s == NEVER_S else wake_s - self._clock.monotonic()
                self._inbox.wait(None if wait_s is None else max(0.0, wait_s))

    @torch.inference_mode()
    def tick(self) -> bool:
        """Take commands and run one batch; False when there was nothing to run."""
        for arrived in self._inbox.take_all():
            self._receive(arrived)
        now_s = self._clock.monotonic()
        items: list[WorkItem] = []
        for session in list(self._sessions.values()):
            with self._losing([session.session_id], "work"):
                items += session.work(now_s)
            if session.lost_reason is not None:
                self._lose(session, session.lost_reason)
        batch = self._scheduler.choose(items)
        if batch is None:
            return False
        self._run(batch)
        return True

    def _receive(self, arrived: Arrived) -> None:
        command = arrived.command
        session = self._sessions.get(command.session_id)
        if isinstance(command, Open):
            self._open(arrived, session)
        elif session is None:
            # Cancel and Close of what is gone have nothing left to do.
            if not isinstance(command, Cancel | Close):
                message = "the engine holds no session of this id; open it first"
                self._emit(refusal(command, UNKNOWN_SESSION, message))
        elif isinstance(command, Close):
            self._release(session)
        else:
            session.receive(arrived)

    def _open(self, arrived: Arrived, session: EngineSession | None) -> None:
        command = arrived.command
        if session is not None:
            self._lose(session, "the session was opened a second time")
        elif not self._free_rows:
            self._emit(refusal(command, "engine_full", "every row of the engine is taken"))
        else:
            row = self._free_rows.pop(0)
            self._sessions[command.session_id] = EngineSession(self._parts, row, arrived)

    def _release(self, session: EngineSession) -> None:
        """Stop a session and give its row back."""
        session.close()
        self._forget(session)

    def _lose(self, session: EngineSession, reason: str) -> None:
        session.abandon()
        self._forget(session)
        self._emit(SessionLost(session.session_id, reason))

    def _forget(self, session: EngineSession) -> None:
        del self._sessions[session.session_id]
        self._free_rows.append(session.row)

    def _run(self, batch: Batch) -> None:
        stage = batch.stage.name.lower()
        results: Sequence[Any] | None = None
        started_s = self._clock.monotonic()
        with self._losing([item.job.session_id for item in batch.items], stage):
            results = self._stages.run(batch)
        if results is None:
            return
        compute_s = self._clock.monotonic() - started_s
        for item, result in zip(batch.items, results, strict=True):
            with self._losing([item.job.session_id], stage):
                item.job.deliver(item, result, compute_s)

    @contextmanager
    def _losing(self, session_ids: Sequence[str], what: str) -> Iterator[None]:
        """Something unforeseen inside costs these sessions, whose rows are in an unknown state.

        The others go on, unless it happens too often.
        """
        try:
            yield
        except Exception as error:
            logger.exception("%s failed for %d sessions", what, len(session_ids))
            reason = f"{what} failed: {type(error).__name__}"
            for session_id in dict.fromkeys(session_ids):
                session = self._sessions.get(session_id)
                if session is not None:
                    self._lose(session, reason)
            self._count_failure(what, error)

    def _count_failure(self, what: str, error: Exception) -> None:
        now_s = self._clock.monotonic()
        self._failed_at_s.append(now_s)
        is_full = len(self._failed_at_s) == MAX_FAILED_STEPS
        if is_full and now_s - self._failed_at_s[0] <= FAILURE_WINDOW_S:
            raise EngineBrokenError(
                f"{MAX_FAILED_STEPS} steps failed within {FAILURE_WINDOW_S:g} s, the last one in "
                f"{what}: {error}"
            ) from error


def _model_stages(parts: EngineParts) -> Stages:
    return Stages(parts.model, parts.state)


def load_worker(config: Config, emit: Emit, clock: Clock) -> EngineWorker:
    """Load the checkpoint of the settings and make its worker; call in the owner thread.

    Raises:
        CheckpointError, ConfigError, UnknownCheckpointError: The checkpoint cannot be loaded.
        ConfigurationError: It has no such voice. All of them are ``LOAD_ERRORS``.
    """
    started_s = time.monotonic()
    # The number of threads is a property of the calling thread.
    torch.set_num_threads(config.checkpoint.threads or max(1, (os.cpu_count() or 1) - 1))
    folder = resolve(config.checkpoint.path)
    voices = {name: pcm.astype("<i2").tobytes() for name, pcm in load_voices(folder).items()}
    check_voice(config.session.voice, voices)
    model = load_checkpoint(folder, config.checkpoint.device, config.checkpoint.dtype)
    load_s = time.monotonic() - started_s
    logger.info("loaded %s on %s in %.1f s", folder.name, model.device, load_s)
    return EngineWorker(model, config, emit, clock, load_s=load_s, voices=voices)


def check_voice(voice: str, voices: Collection[str]) -> None:
    """Make sure that sessions can begin with this voice.

    Raises:
        ConfigurationError: The checkpoint does not bring it.
    """
    if voice != DEFAULT_VOICE and voice not in voices:
        known = ", ".join((DEFAULT_VOICE, *voices))
        raise ConfigurationError(f"session.voice is {voice!r}; this checkpoint has {known}")
