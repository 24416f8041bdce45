"""The life of a session as a table."""

from __future__ import annotations

from enum import StrEnum


class SessionState(StrEnum):
    """Where a session is in its life."""

    CONNECTING = "connecting"
    """Admitted; nothing was heard or asked yet, so the engine holds no row for it."""
    LISTENING = "listening"
    """The floor is the user's."""
    RESPONDING = "responding"
    """A response was asked for and has not finished."""
    CLOSING = "closing"
    """It ends; nothing is taken any more."""
    CLOSED = "closed"
    """It is over; its row was given back."""


TRANSITIONS: dict[SessionState, frozenset[SessionState]] = {
    SessionState.CONNECTING: frozenset({SessionState.LISTENING, SessionState.CLOSING}),
    SessionState.LISTENING: frozenset({SessionState.RESPONDING, SessionState.CLOSING}),
    SessionState.RESPONDING: frozenset({SessionState.LISTENING, SessionState.CLOSING}),
    SessionState.CLOSING: frozenset({SessionState.CLOSED}),
    SessionState.CLOSED: frozenset(),
}


class ImpossibleTransitionError(RuntimeError):
    """A fault of this program: the table has no such step."""

    def __init__(self, old: SessionState, new: SessionState) -> None:
        super().__init__(f"a session cannot go from {old} to {new}")
        self.old = old
        self.new = new


def next_state(old: SessionState, new: SessionState) -> SessionState:
    """``new``, if a session may go there from ``old``.

    Raises:
        ImpossibleTransitionError: It may not.
    """
    if new not in TRANSITIONS[old]:
        raise ImpossibleTransitionError(old, new)
    return new
