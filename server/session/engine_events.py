"""What the engine says of a session, given to whoever it concerns."""

from __future__ import annotations

from collections.abc import Callable

from server.engine.interface import (
    AudioChunk,
    CommandRejected,
    Evicted,
    Opened,
    ResponseDone,
    ResponseStatus,
    Rewound,
    SessionEvent,
    SessionLost,
    TextChunk,
    UnitPrefilled,
    WasReset,
)
from server.session.events import HistoryReset, Problem, UnitDone
from server.session.history import History
from server.session.output_queue import OutputQueue
from server.session.responder import Responder


class EngineEvents:
    """Hands each event on. Never awaits."""

    def __init__(
        self,
        history: History,
        responder: Responder,
        outputs: OutputQueue,
        on_lost: Callable[[str], None],
    ) -> None:
        self.n_units = 0
        """Units the model has taken in."""
        self.n_units_late = 0
        """Of these, after their deadline."""
        self._history = history
        self._responder = responder
        self._outputs = outputs
        self._on_lost = on_lost

    def handle(self, event: SessionEvent) -> None:
        """Act on one event."""
        match event:
            case TextChunk() | AudioChunk() | ResponseDone():
                self._responder.on_event(event)
            case UnitPrefilled():
                self._on_prefilled(event)
            case CommandRejected():
                self._on_rejected(event)
            case SessionLost(reason=reason):
                self._on_lost(reason)
            case Opened() | Rewound() | WasReset() | Evicted():
                self._on_history(event)

    def _on_history(self, event: Opened | Rewound | WasReset | Evicted) -> None:
        match event:
            case Opened(mark=mark):
                self._history.on_opened(mark)
            case Rewound():
                self._history.on_rewound()
            case WasReset(mark=mark):
                self._history.on_reset(mark)
                self._responder.end_forgotten()
                self._outputs.put(HistoryReset())
            case Evicted():
                # Marks inside it have expired; a command that uses one is rejected and reported.
                pass

    def _on_prefilled(self, event: UnitPrefilled) -> None:
        is_news = self._history.on_prefilled(event)
        if event.unit_index is None or not is_news:
            return
        self.n_units += 1
        self.n_units_late += event.late
        self._outputs.put(
            UnitDone(
                event.unit_index,
                event.n_tokens,
                event.context_tokens,
                event.queue_s,
                event.compute_s,
                event.late,
            )
        )

    def _on_rejected(self, event: CommandRejected) -> None:
        self._history.on_rejected(event)
        if event.response_id is not None:
            reason = f"{event.code}: {event.message}"
            status = ResponseStatus.FAILED
            self._responder.on_event(
                ResponseDone(event.session_id, event.response_id, status, reason)
            )
        else:
            self._outputs.put(Problem(event.code, event.message))
