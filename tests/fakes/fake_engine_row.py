"""One session inside a :class:`tests.fakes.fake_engine.FakeEngine`.

Order as in the real engine: one command after another, except that ``Cancel`` and ``Reset`` take
effect at once and ``Rewind`` stops a running response before it waits its turn.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from server.engine.interface import (
    AudioChunk,
    Cancel,
    Command,
    CommandRejected,
    InputUnit,
    Mark,
    Open,
    Opened,
    Prefill,
    Reset,
    Respond,
    ResponseDone,
    ResponseStatus,
    ResponseTimings,
    Rewind,
    Rewound,
    SessionEvent,
    TextChunk,
    TextMessage,
    UnitPrefilled,
    Usage,
    WasReset,
)
from server.media.pcm import duration_s
from tests.fakes.scripted_replies import SPEECH_HZ, Reply, speech_pcm

SYSTEM_TOKENS = 20
UNIT_TOKENS = 91
FRAME_S = 512 / SPEECH_HZ
"""One speech frame."""

KEPT_STATUSES = (ResponseStatus.COMPLETED, ResponseStatus.INCOMPLETE, ResponseStatus.CANCELLED)


@dataclass(frozen=True, slots=True)
class Past:
    """One remembered thing and the mark of the history up to and including it."""

    mark: Mark
    content: InputUnit | TextMessage | str


@dataclass(slots=True)
class Running:
    """The response under way."""

    command: Respond
    script: Reply
    past_before: int
    began_s: float
    text: str = ""
    audio_s: float = 0.0
    ttft_s: float | None = None
    ttfa_s: float | None = None


@dataclass(frozen=True, slots=True)
class Delays:
    """How long things take."""

    open_s: float = 0.0
    prefill_s: float = 0.0


def rejection(command: Command, code: str, message: str) -> CommandRejected:
    """The event that answers a command which is not carried out."""
    content = command.content if isinstance(command, Prefill) else None
    return CommandRejected(
        command.session_id,
        type(command).__name__,
        code,
        message,
        response_id=command.response_id if isinstance(command, Respond) else None,
        unit_index=content.index if isinstance(content, InputUnit) else None,
    )


class FakeRow:
    """History, queue and running response of one session."""

    def __init__(
        self,
        opening: Open,
        replies: Sequence[Reply],
        delays: Delays,
        emit: Callable[[SessionEvent], None],
    ) -> None:
        self.past: list[Past] = []
        self._session_id = opening.session_id
        self._replies = replies
        self._delays = delays
        self._emit = emit
        self._base_mark: Mark = 0
        self._n_marks = 0
        self._n_responses = 0
        self._queue: deque[Command] = deque()
        self._running: Running | None = None
        self._is_open = False
        self._timer: asyncio.TimerHandle | None = None
        self._later(delays.open_s, self._opened)

    def receive(self, command: Command) -> None:
        """Take a command, but for ``Open`` and ``Close``."""
        match command:
            case Cancel():
                self._cancel(command.response_id)
            case Reset():
                self._queue.clear()
                if self._is_open:
                    self._reset()
                else:
                    self._queue.append(command)
            case _:
                if isinstance(command, Rewind) and self._running is not None:
                    self._end_response(ResponseStatus.CANCELLED)
                self._queue.append(command)
                self._advance()

    def close(self) -> None:
        """Stop everything without a word."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        self._running = None
        self._queue.clear()

    def _opened(self) -> None:
        self._base_mark = self._new_mark()
        self._is_open = True
        self._emit(Opened(self._session_id, self._base_mark, SYSTEM_TOKENS))
        self._advance()

    def _advance(self) -> None:
        """Start queued commands while none is under way."""
        while self._queue and self._timer is None:
            command = self._queue.popleft()
            match command:
                case Prefill():
                    self._later(self._delays.prefill_s, partial(self._prefilled, command))
                case Respond():
                    self._begin_response(command)
                case Rewind():
                    self._rewind(command)
                case Reset():
                    self._reset()

    def _prefilled(self, command: Prefill) -> None:
        mark = self._remember(command.content)
        index = command.content.index if isinstance(command.content, InputUnit) else None
        self._emit(
            UnitPrefilled(
                self._session_id,
                index,
                mark,
                n_tokens=UNIT_TOKENS,
                context_tokens=self._context_tokens(),
                queue_s=0.0,
                compute_s=self._delays.prefill_s,
                late=self._delays.prefill_s > command.deadline_s,
            )
        )
        self._advance()

    def _rewind(self, command: Rewind) -> None:
        marks = [self._base_mark, *(past.mark for past in self.past)]
        if command.mark not in marks:
            self._emit(rejection(command, "mark_expired", "this moment is not remembered"))
            return
        del self.past[marks.index(command.mark) :]
        self._emit(Rewound(self._session_id, command.mark))

    def _reset(self) -> None:
        if self._running is not None:
            self._end_response(ResponseStatus.CANCELLED)
        self._stop_timer()
        self.past.clear()
        self._base_mark = self._new_mark()
        self._emit(WasReset(self._session_id, self._base_mark))

    # --- responses

    def _begin_response(self, command: Respond) -> None:
        script = self._replies[min(self._n_responses, len(self._replies) - 1)]
        self._n_responses += 1
        now_s = asyncio.get_running_loop().time()
        self._running = Running(command, script, len(self.past), now_s)
        self._schedule(self._running, 0)

    def _schedule(self, running: Running, number: int) -> None:
        script = running.script
        if number < len(script.pieces):
            self._later(script.pieces[number].after_s, partial(self._play, running, number))
        else:
            finish = partial(self._end_response, script.status, script.reason)
            self._later(script.finish_s, finish)

    def _play(self, running: Running, number: int) -> None:
        piece = running.script.pieces[number]
        response_id = running.command.response_id
        passed_s = asyncio.get_running_loop().time() - running.began_s
        if piece.text:
            running.ttft_s = passed_s if running.ttft_s is None else running.ttft_s
            running.text += piece.text
            mark = self._remember(piece.text)
            self._emit(TextChunk(self._session_id, response_id, piece.text, mark))
        pcm = piece.pcm or speech_pcm(piece.audio_s)
        if pcm and running.command.spec.audio:
            running.ttfa_s = passed_s if running.ttfa_s is None else running.ttfa_s
            running.audio_s += duration_s(pcm, SPEECH_HZ)
            self._emit(AudioChunk(self._session_id, response_id, pcm, len(running.text)))
        self._schedule(running, number + 1)

    def _end_response(self, status: ResponseStatus, reason: str | None = None) -> None:
        """End it; what stays is the text that left, nothing of a response that failed."""
        running, self._running = self._running, None
        assert running is not None
        self._stop_timer()
        if status not in KEPT_STATUSES:
            del self.past[running.past_before :]
        has_trace = len(self.past) > running.past_before
        self._emit(
            ResponseDone(
                self._session_id,
                running.command.response_id,
                status,
                reason,
                Usage(self._context_tokens(), len(running.text), round(running.audio_s / FRAME_S)),
                ResponseTimings(
                    ttft_s=running.ttft_s,
                    ttfa_s=running.ttfa_s,
                    total_s=asyncio.get_running_loop().time() - running.began_s,
                    audio_s=running.audio_s,
                ),
                mark=self.past[-1].mark if has_trace else None,
            )
        )
        self._advance()

    def _cancel(self, response_id: str) -> None:
        if self._running is not None and self._running.command.response_id == response_id:
            self._end_response(ResponseStatus.CANCELLED)
            return
        for queued in self._queue:
            if isinstance(queued, Respond) and queued.response_id == response_id:
                self._queue.remove(queued)
                self._emit(ResponseDone(self._session_id, response_id, ResponseStatus.CANCELLED))
                return

    # --- small things

    def _later(self, delay_s: float, action: Callable[[], None]) -> None:
        """Do the one thing under way after ``delay_s``."""

        def act() -> None:
            self._timer = None
            action()

        self._timer = asyncio.get_running_loop().call_later(delay_s, act)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _context_tokens(self) -> int:
        return SYSTEM_TOKENS + UNIT_TOKENS * len(self.past)

    def _remember(self, content: InputUnit | TextMessage | str) -> Mark:
        mark = self._new_mark()
        self.past.append(Past(mark, content))
        return mark

    def _new_mark(self) -> Mark:
        self._n_marks += 1
        return self._n_marks
