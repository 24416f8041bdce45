"""One unit, message or system prompt on its way into a session's history."""

from __future__ import annotations

from typing import Any

from model.prompt import encode_prompt
from server.engine.engine_parts import EngineParts
from server.engine.eviction import SpanKind
from server.engine.history import ContextFullError, SessionHistory
from server.engine.inbox import Arrived, refusal
from server.engine.interface import Evicted, InputUnit, Open, Opened, Prefill, UnitPrefilled
from server.engine.preparation import PreparedContent
from server.engine.prompt_feed import PromptFeed
from server.engine.scheduler import Stage, WorkItem
from server.engine.stages import PrepareWork
from server.errors import EngineError

OPEN_DEADLINE_S = 1.0
"""Time a new session is content to wait for its system prompt."""


class PrefillJob:
    """``Open`` or ``Prefill`` under way.

    Until everything was checked nothing of the session changes; from then on it cannot fail for
    reasons of its own.
    """

    def __init__(
        self, parts: EngineParts, history: SessionHistory, arrived: Arrived, opening: Open
    ) -> None:
        """Begin the work of ``arrived``, an ``Open`` or a ``Prefill``, in a session's history."""
        command = arrived.command
        assert isinstance(command, Open | Prefill)
        self.session_id = command.session_id
        self.done = False
        """Nothing more is to be done; its last event was sent."""
        self.failure: EngineError | None = None
        """Why it was rejected; None otherwise."""
        self._parts = parts
        self._history = history
        self._command = command
        self._arrived_s = arrived.at_s
        self._mode = opening.spec.mode
        wait_s = command.deadline_s if isinstance(command, Prefill) else OPEN_DEADLINE_S
        self._deadline_s = arrived.at_s + wait_s
        self._urgent_s = self._deadline_s
        self._compute_s = 0.0
        self._length_before = history.length
        self._kind = SpanKind.SYSTEM
        self._clears_audio = False
        self._opening_tokens = 0
        self._feed: PromptFeed | None = None

    @property
    def opens(self) -> bool:
        """Whether this is the system prompt of a new session."""
        return isinstance(self._command, Open)

    def hurry(self, since_s: float) -> None:
        """Somebody has been waiting since ``since_s`` for what comes after this."""
        self._urgent_s = min(self._deadline_s, since_s)

    def work(self, _now_s: float) -> list[WorkItem]:
        """What can be done next."""
        if self._feed is not None:
            return self._feed.work(self, self._urgent_s)
        command = self._command
        content = command.content if isinstance(command, Prefill) else command.spec
        work = PrepareWork(content, self._mode)
        return [WorkItem(Stage.PREPARE, self, work, self._urgent_s)]

    def deliver(self, item: WorkItem, result: Any, compute_s: float) -> None:
        """Take the result of an item that was run."""
        self._compute_s += compute_s
        if isinstance(result, EngineError):
            self._reject(result)
        elif self._feed is None:
            self._begin_feed(result)
        else:
            self._feed.deliver(item, result)
            if self._feed.done:
                self._complete()

    def _begin_feed(self, content: PreparedContent) -> None:
        history, model = self._history, self._parts.model
        before = history.dialogue.snapshot()
        step = history.dialogue.prefill(content.role, content.items)
        prompt = encode_prompt(step.items, model.tokenizer, model.config)
        try:
            evicted = history.make_room(len(prompt.ids))
        except ContextFullError as error:
            history.dialogue.restore(before)
            self._reject(error)
            return
        if evicted:
            self._parts.emit(Evicted(self.session_id, evicted, history.length))
        self._length_before = history.length
        if isinstance(self._command, Prefill):
            is_unit = content.role == "user"
            self._kind = SpanKind.UNIT if is_unit else SpanKind.CLOSED
            if is_unit and not before.user_turn_open:
                header = encode_prompt(step.items[:1], model.tokenizer, model.config)
                self._opening_tokens = len(header.ids)
        if step.clears_audio:
            history.clear_audio()
        self._clears_audio = step.clears_audio
        self._feed = PromptFeed(
            model,
            history,
            history.take_tail(prompt),
            slices=content.slices,
            samples=content.samples,
        )

    def _complete(self) -> None:
        history = self._history
        history.note(self._kind, opening_tokens=self._opening_tokens)
        if self._clears_audio:
            history.clear_audio()
        self.done = True
        if isinstance(self._command, Open):
            self._parts.emit(Opened(self.session_id, history.set_base(), history.length))
            return
        content = self._command.content
        now_s = self._parts.clock.monotonic()
        self._parts.emit(
            UnitPrefilled(
                session_id=self.session_id,
                unit_index=content.index if isinstance(content, InputUnit) else None,
                mark=history.mark(),
                n_tokens=history.length - self._length_before,
                context_tokens=history.length,
                queue_s=max(0.0, now_s - self._arrived_s - self._compute_s),
                compute_s=self._compute_s,
                late=now_s > self._deadline_s,
            )
        )

    def _reject(self, error: EngineError) -> None:
        self.done = True
        self.failure = error
        if isinstance(self._command, Prefill):
            self._parts.emit(refusal(self._command, error.code, error.message))
