"""A history that went elsewhere and came back equals one that never went there."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.omni import OmniModel
from model.prompt import Prompt
from server.config import ContextConfig
from server.engine.eviction import SpanKind
from server.engine.history import ContextFullError, MarkExpiredError, SessionHistory, led_by
from server.engine.interface import (
    Cancel,
    CommandRejected,
    InputUnit,
    Prefill,
    Respond,
    ResponseSpec,
    Rewind,
    Rewound,
    TextChunk,
    UnitPrefilled,
)
from tests.fakes.stepped_engine import GREEDY, SteppedEngine
from tests.server.engine.conftest import tiny_config

pytestmark = pytest.mark.unit

CONTEXT = ContextConfig(capacity_tokens=512, high_tokens=256, low_tokens=128)
ATOL = 1e-5


@pytest.fixture
def history(tiny_model: OmniModel) -> SessionHistory:
    """An empty history."""
    return SessionHistory(0, tiny_model, tiny_model.allocate(1, 512), CONTEXT)


def grow(history: SessionHistory, kind: SpanKind, n_tokens: int) -> int:
    """Append positions of no meaning; the mark after them."""
    history._state.language.lengths[0] += n_tokens
    history.note(kind)
    return history.mark()


def test_nothing_is_evicted_below_the_high_mark(history: SessionHistory) -> None:
    grow(history, SpanKind.UNIT, 200)
    assert history.make_room(56) == 0


def test_room_is_made_down_to_the_low_mark(history: SessionHistory) -> None:
    grow(history, SpanKind.SYSTEM, 20)
    marks = [grow(history, SpanKind.UNIT, 50) for _ in range(4)]
    assert history.make_room(50) == 150
    assert history.length == 70
    history.rewind(marks[3])
    assert history.length == 70
    for mark in marks[:2]:
        with pytest.raises(MarkExpiredError):
            history.rewind(mark)


def test_what_cannot_fit_changes_nothing(history: SessionHistory) -> None:
    grow(history, SpanKind.SYSTEM, 20)
    mark = grow(history, SpanKind.UNIT, 50)
    with pytest.raises(ContextFullError):
        history.make_room(500)
    history.rewind(mark)
    assert history.length == 70


def test_the_tail_leads_the_next_prompt_and_counts_where_room_is_made(
    history: SessionHistory,
) -> None:
    grow(history, SpanKind.SYSTEM, 20)
    grow(history, SpanKind.CLOSED, 230)
    history.tail = (7, 8)
    assert history.make_room(4) == 0
    prompt = Prompt((1, 2, 3), ((0, 1),), ((1, 2),), ((2, 3),))
    assert history.take_tail(prompt) == Prompt((7, 8, 1, 2, 3), ((2, 3),), ((3, 4),), ((4, 5),))
    assert history.tail == ()
    assert history.timeline.spans[-1].n_tokens == 232


def test_the_tail_needs_room_too(history: SessionHistory) -> None:
    grow(history, SpanKind.CLOSED, 250)
    history.tail = (7, 8)
    assert history.make_room(5) == 250


def test_a_prompt_without_a_tail_is_itself() -> None:
    prompt = Prompt((1, 2))
    assert led_by((), prompt) == prompt


Step = tuple[str, int]
STEPS = st.lists(
    st.tuples(st.sampled_from(["unit", "answer", "cancel", "rewind"]), st.integers(0, 30)),
    min_size=2,
    max_size=8,
)


def unit(number: int) -> Prefill:
    """A second of sound that depends on ``number``."""
    sound = bytes((index * (number + 3)) % 251 for index in range(32_000))
    return Prefill("a", InputUnit(number, sound))


def play(engine: SteppedEngine, number: int, step: Step) -> None:
    """One step of a call; rewinding goes to any mark given out so far."""
    kind, choice = step
    text_only = ResponseSpec(audio=False, max_output_tokens=4 + choice % 5, sampling=GREEDY)
    if kind == "unit":
        engine.send(unit(number))
    elif kind == "answer":
        engine.send(Respond("a", f"r{number}", text_only))
    elif kind == "cancel":
        engine.send(Respond("a", f"r{number}", text_only))
        for _ in range(choice % 7):
            engine.worker.tick()
        engine.send(Cancel("a", f"r{number}"))
    else:
        marks = [e.mark for e in engine.events if isinstance(e, UnitPrefilled | TextChunk)]
        if marks:
            engine.send(Rewind("a", marks[choice % len(marks)]))
    engine.settle()


@settings(deadline=None, max_examples=15)
@given(before=STEPS, detour=STEPS)
def test_a_detour_leaves_no_trace(
    tiny_model: OmniModel, before: list[Step], detour: list[Step]
) -> None:
    """Play, go astray, come back, go on: the caches are those of a call that went straight on."""
    straight, astray = (SteppedEngine(tiny_model, tiny_config()) for _ in range(2))
    for engine in (straight, astray):
        engine.let_say(None)
        engine.open("a")
        for number, step in enumerate(before):
            play(engine, number, step)
        engine.send(Respond("a", "here", ResponseSpec(False, 3, GREEDY)))
        engine.settle()
    here = astray.said(TextChunk)[-1].mark
    for number, step in enumerate(detour):
        play(astray, 100 + number, step)
    n_rejected = len(astray.said(CommandRejected))
    astray.send(Rewind("a", here))
    astray.settle()
    if len(astray.said(CommandRejected)) > n_rejected:
        return  # the detour itself rewound to before this moment
    assert astray.said(Rewound)[-1].mark == here
    for engine in (straight, astray):
        engine.send(unit(500))
        engine.settle()
        (session,) = engine.worker._sessions.values()
        assert session._history.timeline.n_tokens == session._history.length
    lengths = [engine.parts.state.language.lengths[0] for engine in (straight, astray)]
    assert lengths[0] == lengths[1]
    keys = [
        engine.parts.state.language.keys[:, 0, :, : lengths[0]] for engine in (straight, astray)
    ]
    assert (keys[0] - keys[1]).abs().max() < ATOL
    assert straight.parts.state.audio.lengths[0] == astray.parts.state.audio.lengths[0]
