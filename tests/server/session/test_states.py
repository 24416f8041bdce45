"""The life of a session as a table."""

from __future__ import annotations

import itertools

import pytest

from server.session.states import (
    TRANSITIONS,
    ImpossibleTransitionError,
    SessionState,
    next_state,
)

pytestmark = pytest.mark.unit

STEPS = list(itertools.product(SessionState, SessionState))


@pytest.mark.parametrize(("old", "new"), STEPS)
def test_only_the_steps_of_the_table_are_taken(old: SessionState, new: SessionState) -> None:
    if new in TRANSITIONS[old]:
        assert next_state(old, new) is new
    else:
        with pytest.raises(ImpossibleTransitionError, match=f"from {old} to {new}") as failure:
            next_state(old, new)
        assert (failure.value.old, failure.value.new) == (old, new)


def test_every_state_has_a_row_and_every_life_ends() -> None:
    assert set(TRANSITIONS) == set(SessionState)
    for state in set(SessionState) - {SessionState.CLOSED, SessionState.CLOSING}:
        assert SessionState.CLOSING in TRANSITIONS[state]
    assert not TRANSITIONS[SessionState.CLOSED]
