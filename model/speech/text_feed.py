"""Which text the speech decoder is given next: segments and chunks of a running text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from model.speech.running_text import RunningText
from model.speech.streaming_mask import StreamingMask
from model.speech.text import Language, SpeechTokenizer

CARRIED_TOKENS = 5
"""Text tokens of the segment before that a new segment starts with."""
SENTENCE_END_MARGIN_TOKENS = 180
"""How far before the reserved positions run out a segment may end at the end of a sentence."""
MAX_IDLE_SEGMENTS = 2
"""Segments in a row that may end without a frame before their text is given up."""


@dataclass(frozen=True, slots=True)
class PrefillText:
    """Write text tokens into the condition of the row."""

    begin: int
    """Position of the first token."""
    ids: list[int]
    """Token ids of the speech tokenizer."""
    with_speaker: bool
    """``ids`` hold ``[spk_emb]``, whose embedding is the speaker's."""


@dataclass(frozen=True, slots=True)
class WaitForText:
    """Nothing can be done before more text comes or the text is finished."""


class TextFeed(Protocol):
    """The text side of a speech stream. Positions are those of the decoder's row."""

    n_text: int
    """Text tokens of the segment that the decoder is to know of."""
    n_chars: int
    """Characters of the raw text taken in so far."""
    abandoned: bool
    """The segment turned out to have nothing to say."""

    @property
    def continues(self) -> bool:
        """The segment was closed before the end of the text: another one follows by plan."""

    @property
    def text_end(self) -> int:
        """Characters of the raw text given to the decoder so far."""

    def push(self, text: str) -> None:
        """Take more text."""

    def finish(self) -> None:
        """No more text will come."""

    def segment_ahead(self) -> bool | None:
        """Whether there is something left to speak; None where it depends on text to come."""

    def begin_segment(self) -> PrefillText | None:
        """Start a segment; text to prefill before the audio that is carried over, if any."""

    def before_call(self, last_position: int) -> PrefillText | WaitForText | None:
        """What must happen before frames up to ``last_position`` can be made; None = nothing."""

    def end_segment(self, position: int, n_new_frames: int) -> None:
        """The segment is over: its next frame would have been at ``position``."""


class RunningTextFeed:
    """Feeds tokens as soon as they cannot change.

    A segment is the carried tokens and new ones. It ends with the first sentence that ends at or
    past ``reserved - 180`` tokens, else at the last word that fits, else with the text. Frames are
    made only as far as the text they are scheduled to see is there; so the audio does not depend on
    when the text came.
    """

    abandoned = False

    def __init__(self, tokenizer: SpeechTokenizer, language: Language | None = None) -> None:
        """Prepare for a response.

        Args:
            tokenizer: The speech tokenizer.
            language: What digits are read in where the text has no letter.
        """
        self._text = RunningText(tokenizer, language)
        self._mask = StreamingMask(tokenizer.config)
        self._start_ids = tokenizer.start_ids
        self._end_id = tokenizer.end_id
        # One position is left for [Etts].
        self._max_tokens = self._mask.reserved_length - 1
        self._max_open_tokens = self._max_tokens // self._chunk * self._chunk
        self._carried: list[int] = []
        self._first = 0  # index of the segment's first new token
        self._idle_segments = 0
        self._text_end = 0
        self._reset()

    def _reset(self) -> None:
        self.n_text = 0
        self._closed = False  # the decoder has all text of the segment
        self._stop: int | None = None  # index one past the segment's last token, once known
        self._looked_at = self._first
        self._sentence_over = False
        self._last_word = self._first

    @property
    def _chunk(self) -> int:
        return self._mask.text_chunk_tokens

    @property
    def n_chars(self) -> int:
        """Characters of the raw text taken in so far."""
        return self._text.n_chars

    @property
    def continues(self) -> bool:
        """The segment was closed before the end of the text: another one follows by plan."""
        at_end = self._text.finished and self._stop == len(self._text.tokens)
        return self._closed and not at_end

    @property
    def text_end(self) -> int:
        """Characters of the raw text given to the decoder so far; never goes back."""
        return self._text_end

    def push(self, text: str) -> None:
        """Take more text."""
        self._text.push(text)

    def finish(self) -> None:
        """No more text will come."""
        self._text.finish()

    def segment_ahead(self) -> bool | None:
        """Whether a token with a letter or digit is left; None where one may still come."""
        if any(token.speakable for token in self._text.tokens[self._first :]):
            return True
        return False if self._text.finished else None

    def begin_segment(self) -> None:
        """Start a segment; carried audio is prefilled once all text it sees is there."""
        self._reset()

    def before_call(self, last_position: int) -> PrefillText | WaitForText | None:
        """All text that is ready and not in the decoder yet; then, whether that is enough."""
        self._look_for_stop()
        n_known = len(self._carried) + len(self._text.tokens) - self._first
        if self._stop is not None:
            if not self._closed:
                self._closed = True
                return self._prefill(len(self._carried) + self._stop - self._first, [self._end_id])
            return None
        n_ready = min(n_known, self._max_open_tokens) // self._chunk * self._chunk
        if n_ready > self.n_text:
            return self._prefill(n_ready, [])
        return WaitForText() if self._scheduled(last_position) > self.n_text else None

    def end_segment(self, position: int, n_new_frames: int) -> None:
        """Take what the decoder had seen for spoken; the rest goes to the next segment.

        A segment that ended without a frame has spoken nothing. Its text is tried again, but not
        forever.
        """
        n_heard = min(self._scheduled(position), self.n_text)
        if n_new_frames > 0 or self._idle_segments == MAX_IDLE_SEGMENTS:
            self._idle_segments = 0
        else:
            self._idle_segments += 1
            n_heard = len(self._carried)
        heard = self._segment_ids(0, n_heard)
        self._first += max(n_heard - len(self._carried), 0)
        self._carried = heard[-CARRIED_TOKENS:]

    def _scheduled(self, position: int) -> int:
        """Text tokens that a frame at ``position`` sees if they are there."""
        visible = self._mask.n_visible(position, self._mask.reserved_length)
        return visible - self._mask.prefix_length

    def _segment_ids(self, begin: int, end: int) -> list[int]:
        """Ids of the segment's tokens ``begin .. end``, the carried ones included."""
        n_carried = len(self._carried)
        first = self._first + max(begin - n_carried, 0)
        new = self._text.tokens[first : self._first + max(end - n_carried, 0)]
        return self._carried[begin:end] + [token.id for token in new]

    def _prefill(self, n_text: int, ending: list[int]) -> PrefillText:
        ids = self._segment_ids(self.n_text, n_text) + ending
        begin = self._mask.prefix_length + self.n_text
        starts = self.n_text == 0
        if starts:
            begin, ids = 0, self._start_ids + ids
        self.n_text = n_text
        last = self._first + n_text - len(self._carried) - 1
        if ending and self._text.finished and last + 1 == len(self._text.tokens):
            self._text_end = self.n_chars
        elif last >= self._first:
            self._text_end = max(self._text_end, self._text.tokens[last].text_end)
        return PrefillText(begin, ids, with_speaker=starts)

    def _look_for_stop(self) -> None:
        tokens = self._text.tokens
        earliest = self._mask.reserved_length - SENTENCE_END_MARGIN_TOKENS
        while self._stop is None and self._looked_at < len(tokens):
            index, token = self._looked_at, tokens[self._looked_at]
            n_before = len(self._carried) + index - self._first
            if token.starts_word and n_before >= self._max_open_tokens:
                self._last_word = index
            if self._sentence_over and not token.closes_sentence:
                self._stop = index
            elif n_before == self._max_tokens:
                # A word longer than the room behind the last whole chunk is cut.
                self._stop = self._last_word if self._last_word > self._first else index
            elif token.ends_sentence and n_before + 1 >= earliest:
                self._sentence_over = True
            self._looked_at += 1
        if self._stop is None and self._text.finished:
            self._stop = len(tokens)
