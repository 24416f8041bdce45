"""Whole units leave, oldest first; the system prompt stays."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.engine.eviction import Span, SpanKind, Timeline

pytestmark = pytest.mark.unit

SYSTEM, OPENING, UNIT, CLOSED = SpanKind


def timeline(*spans: tuple[SpanKind, int]) -> Timeline:
    """A timeline of these spans."""
    made = Timeline()
    for kind, n_tokens in spans:
        made.append(kind, n_tokens)
    return made


def test_oldest_units_leave_until_enough_is_free() -> None:
    spans = timeline((SYSTEM, 50), (UNIT, 100), (UNIT, 100), (UNIT, 100))
    assert spans.plan(150) == [(50, 250)]


def test_nothing_leaves_when_nothing_is_needed() -> None:
    assert timeline((SYSTEM, 50), (UNIT, 100)).plan(0) == []


def test_a_turn_keeps_its_opening_while_it_has_units() -> None:
    spans = timeline((SYSTEM, 50), (OPENING, 5), (UNIT, 100), (UNIT, 100))
    ranges = spans.plan(80)
    assert ranges == [(55, 155)]
    spans.remove(ranges)
    assert spans.spans == (Span(SYSTEM, 50), Span(OPENING, 5), Span(UNIT, 100))


def test_a_turn_without_units_left_loses_its_opening_too() -> None:
    spans = timeline(
        (SYSTEM, 50), (OPENING, 5), (UNIT, 100), (CLOSED, 40), (OPENING, 7), (UNIT, 100), (UNIT, 90)
    )
    ranges = spans.plan(200)
    assert ranges == [(50, 195), (202, 302)]
    spans.remove(ranges)
    assert spans.spans == (Span(SYSTEM, 50), Span(OPENING, 7), Span(UNIT, 90))


def test_an_opening_does_not_stay_for_the_answer_to_its_turn() -> None:
    spans = timeline((SYSTEM, 50), (OPENING, 5), (UNIT, 100), (CLOSED, 40))
    assert spans.plan(50) == [(50, 155)]


def test_everything_but_the_system_prompt_leaves_when_too_much_is_asked() -> None:
    spans = timeline((SYSTEM, 50), (OPENING, 5), (UNIT, 100))
    assert spans.plan(10_000) == [(50, 155)]
    assert spans.pinned_tokens == 50


def test_truncation_cuts_a_span_and_forgets_later_ones() -> None:
    spans = timeline((SYSTEM, 50), (UNIT, 100), (CLOSED, 40))
    spans.truncate(170)
    assert spans.spans == (Span(SYSTEM, 50), Span(UNIT, 100), Span(CLOSED, 20))
    spans.truncate(150)
    assert spans.spans == (Span(SYSTEM, 50), Span(UNIT, 100))
    spans.truncate(50)
    assert spans.n_tokens == 50


def test_empty_spans_are_left_out_and_the_last_one_grows() -> None:
    spans = timeline((SYSTEM, 50), (UNIT, 0))
    spans.extend_last(3)
    spans.extend_last(0)
    assert spans.spans == (Span(SYSTEM, 53),)


def test_a_span_of_negative_length_is_an_error() -> None:
    with pytest.raises(ValueError, match="shorter"):
        timeline((SYSTEM, -1))


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(st.sampled_from([OPENING, UNIT, UNIT, CLOSED]), st.integers(1, 50))),
    st.integers(0, 1500),
)
def test_a_plan_frees_enough_or_all_and_never_cuts_a_span(
    spans: list[tuple[SpanKind, int]], n_to_free: int
) -> None:
    made = timeline((SYSTEM, 20), *spans)
    before = made.n_tokens
    starts, position = set(), 0
    for span in made.spans:
        starts.add(position)
        position += span.n_tokens
    ranges = made.plan(n_to_free)
    freed = sum(stop - start for start, stop in ranges)
    assert all(start in starts and stop in starts | {before} for start, stop in ranges)
    assert all(start >= 20 for start, _ in ranges)
    made.remove(ranges)
    assert made.n_tokens == before - freed
    units_left = [span for span in made.spans if span.kind in (UNIT, CLOSED)]
    assert freed >= n_to_free or not units_left
