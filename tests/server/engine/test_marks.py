"""Marks and what expires them."""

from __future__ import annotations

import pytest

from server.engine.marks import MarkBook, Moment, shift_length

pytestmark = pytest.mark.unit


def moment(length: int) -> Moment:
    """A moment of a history of ``length`` positions."""
    return Moment(length, audio_length=0, audio_generation=0, dialogue=None)


def test_a_mark_names_its_moment_and_numbers_are_never_used_twice() -> None:
    book = MarkBook()
    first = book.give_out(moment(10))
    book.forget_all()
    second = book.give_out(moment(20))
    assert first != second
    assert book.moment(first) is None
    assert book.moment(second) == moment(20)


def test_rewinding_expires_the_marks_of_what_is_forgotten_and_no_others() -> None:
    book = MarkBook()
    marks = [book.give_out(moment(length)) for length in (10, 20, 20, 30)]
    book.forget_after(20)
    assert [book.moment(mark) is not None for mark in marks] == [True, True, True, False]


def test_eviction_moves_later_marks_and_expires_those_inside() -> None:
    book = MarkBook()
    before, inside, end, later = (book.give_out(moment(n)) for n in (10, 15, 20, 50))
    book.evict([(10, 20)])
    assert book.moment(before) == moment(10)
    assert book.moment(inside) is None
    assert book.moment(end) == moment(10)
    assert book.moment(later) == moment(40)


def test_eviction_of_two_ranges_is_as_one_after_the_other() -> None:
    book = MarkBook()
    between, later = book.give_out(moment(25)), book.give_out(moment(60))
    book.evict([(10, 20), (30, 40)])
    assert book.moment(between) == moment(15)
    assert book.moment(later) == moment(40)


def test_the_oldest_mark_goes_when_the_book_is_full() -> None:
    book = MarkBook(capacity=2)
    marks = [book.give_out(moment(length)) for length in (1, 2, 3)]
    assert len(book) == 2
    assert [book.moment(mark) is not None for mark in marks] == [False, True, True]


@pytest.mark.parametrize(("length", "moved"), [(5, 5), (10, 10), (11, None), (20, 10), (21, 11)])
def test_lengths_shift_by_the_width_of_the_gap(length: int, moved: int | None) -> None:
    assert shift_length(length, 10, 20) == moved
