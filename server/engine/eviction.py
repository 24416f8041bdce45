"""What leaves a full context: whole units, oldest first; the system prompt always stays.

The timeline of a row is a list of spans. A turn's opening (its role header) is a span of its own,
so that a turn that loses its oldest units still begins with ``<|im_start|>user``; it leaves with
the last unit of its turn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto


class SpanKind(Enum):
    """What a run of positions is."""

    SYSTEM = auto()
    """System prompt and reference voice: never evicted."""
    OPENING = auto()
    """Closes the turn before and opens a new one; stays while its turn has units."""
    UNIT = auto()
    """One unit or message of an open turn."""
    CLOSED = auto()
    """A response with its prompt, or a message with its own header and end."""


@dataclass(frozen=True, slots=True)
class Span:
    """A run of positions that stays or leaves as a whole."""

    kind: SpanKind
    n_tokens: int


Range = tuple[int, int]
"""First position and one past the last."""


class Timeline:
    """The spans of one row, in order; their lengths add up to the row's length."""

    def __init__(self) -> None:
        self._spans: list[Span] = []

    @property
    def spans(self) -> tuple[Span, ...]:
        """The spans, oldest first."""
        return tuple(self._spans)

    @property
    def n_tokens(self) -> int:
        """Positions in all spans."""
        return sum(span.n_tokens for span in self._spans)

    @property
    def pinned_tokens(self) -> int:
        """Positions that no eviction can free."""
        return sum(span.n_tokens for span in self._spans if span.kind is SpanKind.SYSTEM)

    def append(self, kind: SpanKind, n_tokens: int) -> None:
        """Add a span at the end; an empty one is left out.

        Raises:
            ValueError: The row is shorter than its timeline.
        """
        if n_tokens < 0:
            raise ValueError(f"a span of {n_tokens} tokens: the row is shorter than its timeline")
        if n_tokens:
            self._spans.append(Span(kind, n_tokens))

    def extend_last(self, n_tokens: int) -> None:
        """The last span turned out to be longer."""
        if n_tokens:
            last = self._spans[-1]
            self._spans[-1] = Span(last.kind, last.n_tokens + n_tokens)

    def truncate(self, length: int) -> None:
        """Forget everything from position ``length`` on; a span may be cut short."""
        excess = self.n_tokens - length
        while excess > 0:
            last = self._spans.pop()
            kept = last.n_tokens - excess
            if kept > 0:
                self._spans.append(Span(last.kind, kept))
            excess -= last.n_tokens

    def plan(self, n_to_free: int) -> list[Range]:
        """Ranges (ascending) whose removal frees at least ``n_to_free`` positions.

        Frees everything but the system prompt when that is not enough. Nothing changes.
        """
        leaving = [False] * len(self._spans)
        freed = 0
        for index, span in enumerate(self._spans):
            if freed >= n_to_free:
                break
            if span.kind in (SpanKind.UNIT, SpanKind.CLOSED):
                leaving[index] = True
                freed = self._settle_openings(leaving)
        return self._ranges(leaving)

    def remove(self, ranges: Sequence[Range]) -> None:
        """Take out ranges that :meth:`plan` returned."""
        start = 0
        kept = []
        for span in self._spans:
            if not any(first <= start < stop for first, stop in ranges):
                kept.append(span)
            start += span.n_tokens
        self._spans = kept

    def _settle_openings(self, leaving: list[bool]) -> int:
        """Let openings leave whose turn has no unit left; return the positions freed in all."""
        turn_is_alive = False
        freed = 0
        for index in range(len(self._spans) - 1, -1, -1):
            span = self._spans[index]
            if span.kind is SpanKind.OPENING:
                leaving[index] = not turn_is_alive
                turn_is_alive = False
            elif span.kind is SpanKind.UNIT:
                turn_is_alive = turn_is_alive or not leaving[index]
            if leaving[index]:
                freed += span.n_tokens
        return freed

    def _ranges(self, leaving: Sequence[bool]) -> list[Range]:
        ranges: list[Range] = []
        start = 0
        for span, leaves in zip(self._spans, leaving, strict=True):
            stop = start + span.n_tokens
            if leaves and ranges and ranges[-1][1] == start:
                ranges[-1] = (ranges[-1][0], stop)
            elif leaves:
                ranges.append((start, stop))
            start = stop
        return ranges
