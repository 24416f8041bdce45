"""What a client sends, taken in its order and in small steps, so that the loop never stalls."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from server.errors import OmnicallError
from server.media.pcm import Samples
from server.media.voice_activity import WINDOW_SAMPLES

WINDOWS_PER_STEP = 4
"""About 5 ms of voice activity detection."""
SAMPLES_PER_STEP = WINDOWS_PER_STEP * WINDOW_SAMPLES

Operation = Callable[[], None]


class InputLine:
    """Runs audio and operations in order: at once while nothing waits, else one by one.

    An operation that runs at once raises to its caller; one that waited reports its
    :class:`~server.errors.OmnicallError` to ``on_problem``.

    Queue: audio is bounded by the session's :class:`~server.session.backlog.Backlog`, operations
    by the one error or event each causes; nothing is dropped but by :meth:`clear`.
    """

    def __init__(
        self,
        hear: Callable[[Samples, float], None],
        on_problem: Callable[[OmnicallError], None],
    ) -> None:
        """
        Args:
            hear: Takes at most ``SAMPLES_PER_STEP`` of audio and the time it was received.
            on_problem: Told what an operation that waited could not do.
        """
        self._hear = hear
        self._on_problem = on_problem
        self._waiting: deque[tuple[Samples, float] | Operation] = deque()
        self._is_stepping = False
        self._filled = asyncio.Event()

    @property
    def is_empty(self) -> bool:
        """Whether the next operation runs at once."""
        return not self._waiting and not self._is_stepping

    def push_audio(self, samples: Samples, received_at_s: float) -> None:
        """Take audio ``[n]`` at 16 kHz."""
        if self.is_empty and samples.size <= SAMPLES_PER_STEP:
            self._hear(samples, received_at_s)
            return
        for start in range(0, samples.size, SAMPLES_PER_STEP):
            self._waiting.append((samples[start : start + SAMPLES_PER_STEP], received_at_s))
        self._filled.set()

    def do(self, operation: Operation) -> None:
        """Run ``operation`` after everything that came before it."""
        if self.is_empty:
            operation()
            return
        self._waiting.append(operation)
        self._filled.set()

    def clear(self) -> None:
        """Forget everything that waits."""
        self._waiting.clear()

    async def run(self) -> None:
        """Work the line off, one step per turn of the loop. Cancelling leaves the rest waiting."""
        while True:
            await self._filled.wait()
            self._filled.clear()
            while self._waiting:
                self._step(self._waiting.popleft())
                await asyncio.sleep(0)

    def _step(self, entry: tuple[Samples, float] | Operation) -> None:
        # What a step causes is put in the line behind what waits already.
        self._is_stepping = True
        try:
            if isinstance(entry, tuple):
                self._hear(*entry)
            else:
                entry()
        except OmnicallError as error:
            self._on_problem(error)
        finally:
            self._is_stepping = False
