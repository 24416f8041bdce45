"""What one session holds inside the engine: its row in every pool and the story of that row.

The only place that moves a session's lengths backwards or takes positions out of its row.

**Tokens that are not in the cache.** A sampled token is part of the answer as soon as its text
left, but it enters the cache only with the next step. Such a token is the history's *tail*: it
leads the next prefill. A terminator is never fed: the next message's prefix closes the answer.
"""

from __future__ import annotations

from collections.abc import Sequence

from model.dialogue import Dialogue
from model.omni import OmniModel, OmniState
from model.prompt import Prompt, Span
from server.config import ContextConfig
from server.engine.eviction import SpanKind, Timeline
from server.engine.interface import Mark
from server.engine.marks import MarkBook, Moment
from server.errors import EngineError


class ContextFullError(EngineError):
    """Something does not fit the context even after everything old was forgotten."""

    code = "context_full"


class MarkExpiredError(EngineError):
    """A mark names a moment that can no longer be restored."""

    code = "mark_expired"


class SessionHistory:
    """One session's history: dialogue, cache lengths, marks and what may be evicted."""

    def __init__(
        self, row: int, model: OmniModel, state: OmniState, context: ContextConfig
    ) -> None:
        """Begin an empty history in ``row``, whatever the row held before."""
        self.row = row
        self.dialogue = Dialogue(model.quirks)
        self.timeline = Timeline()
        self.marks = MarkBook()
        self.tail: tuple[int, ...] = ()
        """Tokens of the history that are not in the cache yet; see the module's docstring."""
        self._model = model
        self._state = state
        self._high_tokens = context.high_tokens
        self._low_tokens = context.low_tokens
        self._audio_generation = 0
        for pool in (state.language, state.audio, state.speech):
            pool.clear(row)
        self._base = self.moment()

    @property
    def length(self) -> int:
        """Positions of the language row."""
        return self._state.language.lengths[self.row]

    @property
    def is_full(self) -> bool:
        """Whether not one more position fits."""
        return self.length >= self._state.language.capacity

    # --- forward

    def make_room(self, n_tokens: int) -> int:
        """Evict whole units, oldest first, if ``n_tokens`` more would pass the high mark.

        Returns:
            Positions that were evicted, 0 for most calls.

        Raises:
            ContextFullError: They do not fit even an otherwise empty row; nothing was changed.
        """
        needed = n_tokens + len(self.tail)
        excess = self.length + needed - self._high_tokens
        if excess <= 0:
            return 0
        ranges = self.timeline.plan(self.length + needed - self._low_tokens)
        evicted = sum(stop - start for start, stop in ranges)
        capacity = self._state.language.capacity
        if self.length - evicted + needed > capacity:
            raise ContextFullError(
                f"{n_tokens} tokens do not fit a context of {capacity} of which "
                f"{self.length - evicted} cannot be given up; send less at a time"
            )
        for start, stop in reversed(ranges):
            self._model.llm.evict(self._state.language, self.row, start, stop)
        self.timeline.remove(ranges)
        self.marks.evict(ranges)
        return evicted

    def take_tail(self, prompt: Prompt) -> Prompt:
        """``prompt`` led by the tail, which is empty from now on."""
        tail, self.tail = self.tail, ()
        self.timeline.extend_last(len(tail))
        return led_by(tail, prompt) if tail else prompt

    def note(self, kind: SpanKind, *, opening_tokens: int = 0) -> None:
        """Everything in the row past the timeline is one span of ``kind``, after its opening."""
        new = self.length - self.timeline.n_tokens
        self.timeline.append(SpanKind.OPENING, opening_tokens)
        self.timeline.append(kind, new - opening_tokens)

    def clear_audio(self) -> None:
        """The next audio continues nothing. What it remembers stays restorable until then."""
        self._state.audio.clear(self.row)

    def note_audio(self, length_before: int, n_frames: int) -> None:
        """``n_frames`` of audio were encoded; older content was overwritten if the row began anew.

        It does after :meth:`clear_audio`, and by itself when it would pass the encoder's 30 s.
        """
        if length_before == 0 or self.audio_length != length_before + n_frames:
            self._audio_generation += 1

    @property
    def audio_length(self) -> int:
        """Positions of the audio row."""
        return self._state.audio.lengths[self.row]

    # --- marks

    def moment(self, tail: Sequence[int] | None = None) -> Moment:
        """The present, or the present with another tail."""
        return Moment(
            length=self.length,
            audio_length=self.audio_length,
            audio_generation=self._audio_generation,
            dialogue=self.dialogue.snapshot(),
            tail=self.tail if tail is None else tuple(tail),
        )

    def mark(self) -> Mark:
        """A new mark of the present."""
        return self.marks.give_out(self.moment())

    def set_base(self) -> Mark:
        """The present is what a reset comes back to."""
        self._base = self.moment()
        return self.mark()

    def restore(self, moment: Moment) -> None:
        """Go back to a moment of this history; marks of what is forgotten expire.

        The moment must be one whose audio context is intact, see :meth:`rewind`.
        """
        self._state.language.truncate(self.row, moment.length)
        self._state.audio.lengths[self.row] = moment.audio_length
        self.timeline.truncate(moment.length)
        self.marks.forget_after(moment.length)
        self.dialogue.restore(moment.dialogue)
        self.tail = moment.tail

    def rewind(self, mark: Mark) -> None:
        """Go back to a marked moment.

        Raises:
            MarkExpiredError: It was evicted, reset or rewound over, or its audio context was
                overwritten. Nothing was changed.
        """
        moment = self.marks.moment(mark)
        if moment is None:
            raise MarkExpiredError(f"mark {mark} is unknown or has been forgotten")
        if moment.audio_length and moment.audio_generation != self._audio_generation:
            raise MarkExpiredError(f"the audio context of mark {mark} has been overwritten")
        self.restore(moment)

    def reset(self) -> Mark:
        """Forget everything after the system prompt; every older mark expires."""
        self.clear_audio()
        self.restore(self._base)
        self.marks.forget_all()
        return self.mark()


def led_by(tail: Sequence[int], prompt: Prompt) -> Prompt:
    """``prompt`` with the tokens of ``tail`` before it."""
    shift = len(tail)

    def moved(spans: Sequence[Span]) -> tuple[Span, ...]:
        return tuple((start + shift, stop + shift) for start, stop in spans)

    return Prompt(
        ids=(*tail, *prompt.ids),
        image_spans=moved(prompt.image_spans),
        audio_spans=moved(prompt.audio_spans),
        speaker_spans=moved(prompt.speaker_spans),
    )
