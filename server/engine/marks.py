"""Marks: opaque names of moments in one session's history, and what expires them.

A mark expires when

- units before its end were evicted, but not all of them;
- the session was rewound to an earlier moment, or reset (the history it names is gone);
- it remembers audio context that has been overwritten since (the audio encoder keeps only the
  current turn; a mark between two units of an older turn cannot be restored to the bit);
- more than ``capacity`` younger marks were given out: the oldest goes first.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from server.engine.interface import Mark

MAX_MARKS = 1024
"""Marks remembered per session; at one unit and a few text chunks a second, several minutes."""


@dataclass(frozen=True, slots=True)
class Moment:
    """Everything that restores one session's history."""

    length: int
    """Positions of the language row."""
    audio_length: int
    """Positions of the audio row."""
    audio_generation: int
    """Which content of the audio row those positions belong to."""
    dialogue: Any
    """Snapshot of the prompt state machine."""
    tail: tuple[int, ...] = ()
    """Tokens that belong to the history but are not in the row yet; they lead the next prefill."""


class MarkBook:
    """The marks of one session.

    Lengths are kept as physical positions: evicting moves or expires them once, restoring needs no
    arithmetic.
    """

    def __init__(self, capacity: int = MAX_MARKS) -> None:
        self._capacity = capacity
        self._moments: OrderedDict[Mark, Moment] = OrderedDict()
        self._next = 1

    def __len__(self) -> int:
        return len(self._moments)

    def give_out(self, moment: Moment) -> Mark:
        """A new mark for ``moment``; the oldest is forgotten when the book is full."""
        mark = self._next
        self._next += 1
        self._moments[mark] = moment
        if len(self._moments) > self._capacity:
            self._moments.popitem(last=False)
        return mark

    def moment(self, mark: Mark) -> Moment | None:
        """What ``mark`` names; None once it has expired."""
        return self._moments.get(mark)

    def forget_after(self, length: int) -> None:
        """The history beyond ``length`` is gone: marks in it expire."""
        for mark in [mark for mark, moment in self._moments.items() if moment.length > length]:
            del self._moments[mark]

    def forget_all(self) -> None:
        """Every mark expires; numbers are not used again."""
        self._moments.clear()

    def evict(self, ranges: Sequence[tuple[int, int]]) -> None:
        """Positions in ``ranges`` (ascending) left the row: move later marks, expire inner ones."""
        for start, stop in reversed(ranges):
            for mark, moment in list(self._moments.items()):
                moved = shift_length(moment.length, start, stop)
                if moved is None:
                    del self._moments[mark]
                elif moved != moment.length:
                    self._moments[mark] = replace(moment, length=moved)


def shift_length(length: int, start: int, stop: int) -> int | None:
    """A history of ``length`` positions after ``start .. stop`` left it; None if cut inside."""
    if length <= start:
        return length
    if length < stop:
        return None
    return length - (stop - start)
