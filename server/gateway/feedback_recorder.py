"""Feedback on its way from the event loop to the disk."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from server.config import FeedbackConfig
from server.errors import FeedbackError
from server.gateway.feedback_store import FeedbackEntry, FeedbackStore

logger = logging.getLogger("omnicall.feedback")

MAX_PENDING = 64
"""Entries that wait for the disk before further ones are refused."""
SWEEP_INTERVAL_S = 3600.0


class FeedbackRecorder:
    """Writes feedback in a thread of its own: a slow or broken disk is no matter of any call.

    Bounded: entries past `MAX_PENDING` are refused.
    """

    def __init__(self, config: FeedbackConfig, epoch_s: Callable[[], float]) -> None:
        """
        Args:
            config: What is kept, and where.
            epoch_s: Seconds since 1970.
        """
        self._store = FeedbackStore(config)
        self._epoch_s = epoch_s
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="feedback")
        self._n_pending = 0
        self._last_problem = ""

    async def record(self, entry: FeedbackEntry) -> None:
        """Store an entry. Cancelling leaves it to chance whether it is stored.

        Raises:
            FeedbackError: It was not stored. The text is for strangers; the log has the reason.
        """
        if self._n_pending >= MAX_PENDING:
            raise FeedbackError("too much feedback at once; send it again in a moment")
        self._n_pending += 1
        try:
            await self._run(lambda: self._store.add(entry))
        except FeedbackError as error:
            raise FeedbackError(
                "the feedback could not be stored; the server's log says why"
            ) from error
        finally:
            self._n_pending -= 1

    async def keep_swept(self) -> None:
        """Delete what is past its time, now and every hour, until cancelled."""
        while True:
            if self._store.exists:
                # A problem is logged, and the file may be well again in an hour.
                with contextlib.suppress(FeedbackError):
                    await self._run(lambda: self._store.sweep(self._epoch_s()))
            await asyncio.sleep(SWEEP_INTERVAL_S)

    def close(self) -> None:
        """Take no more; what was taken is still written."""
        self._writer.shutdown(wait=False)

    async def _run(self, action: Callable[[], None]) -> None:
        """Do something with the store; a problem is logged when it is new."""
        try:
            await asyncio.get_running_loop().run_in_executor(self._writer, action)
        except FeedbackError as error:
            if error.message != self._last_problem:
                logger.error("%s", error.message)
            self._last_problem = error.message
            raise
        self._last_problem = ""
