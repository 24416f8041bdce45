"""Which text the reference gives its speech decoder: by bursts, with its faults."""

from __future__ import annotations

from collections import deque

from model.speech.streaming_mask import StreamingMask
from model.speech.text import (
    Language,
    SpeechTokenizer,
    detect_language,
    read_numbers,
    sentence_end,
)
from model.speech.text_feed import (
    CARRIED_TOKENS,
    SENTENCE_END_MARGIN_TOKENS,
    PrefillText,
    WaitForText,
)

SPEECH_END = "<|tts_eos|>"
"""What follows it in a burst is neither spoken nor shown."""
BURSTS_THAT_JUDGE_LANGUAGE = 2


class BurstTextFeed:
    """Feeds at most one chunk per burst of text, and the rest when the bursts are over.

    Source: openbmb/MiniCPM-o-2_6, modeling_minicpmo.py::_generate_mel_spec_audio_streaming.
    The faults numbered 8, 10, 11 and 12 in the specification are kept: all text is tokenised anew
    per burst, the first burst is not normalised, a number is replaced piece by piece, carried
    tokens are decoded and tokenised again, text past the reserved positions is lost.
    """

    def __init__(self, tokenizer: SpeechTokenizer) -> None:
        self._tokenizer = tokenizer
        self._mask = StreamingMask(tokenizer.config)
        self._bursts: deque[str] = deque()
        self._finished = False
        self._raw = ""
        self._language: Language | None = None
        self._n_judged = 0
        self.n_bursts = 0
        """Bursts taken so far."""
        self._carried: list[int] = []
        self._carry_over: str | None = ""
        self._reset()

    def _reset(self) -> None:
        self.n_text = 0
        self._closed = False
        self.abandoned = False
        self._spoken = ""
        self._ids: list[int] = []
        self._n_chunks = 0
        self._n_segment_bursts = 0
        self._chunk_prefilled = False
        self._rest_prefilled = False

    @property
    def n_chars(self) -> int:
        """Characters of the raw text taken in so far."""
        return len(self._raw)

    @property
    def continues(self) -> bool:
        """The segment was closed before the end of the text: another one follows by plan."""
        return self._closed and self._carry_over is not None

    @property
    def text_end(self) -> int:
        """All text taken in: the reference shows text when audio leaves, spoken or not."""
        return len(self._raw)

    def push(self, text: str) -> None:
        """Take a burst."""
        self._bursts.append(text)

    def finish(self) -> None:
        """No more bursts will come."""
        self._finished = True

    def segment_ahead(self) -> bool | None:
        """Whether the last segment ended at a sentence, or the first has a burst."""
        if self.n_bursts:
            return self._carry_over is not None
        if self._bursts:
            return True
        return False if self._finished else None

    def begin_segment(self) -> PrefillText | None:
        """Start a segment with the carried tokens, which stand before the carried audio."""
        self._reset()
        if not self.n_bursts:
            return None
        self.n_text = len(self._carried)
        self._spoken = self._tokenizer.decode(self._carried) + (self._carry_over or "")
        return PrefillText(0, self._tokenizer.start_ids + self._carried, with_speaker=True)

    def before_call(self, last_position: int) -> PrefillText | WaitForText | None:
        """The next chunk that a burst completes; the rest once the bursts are over."""
        del last_position  # the reference goes by text alone
        if self._chunk_prefilled:
            self._chunk_prefilled = False
            return None
        while not self._closed:
            if not self._bursts:
                if not self._finished:
                    return WaitForText()
                self._close(carry_over=None)
                break
            self._take(self._bursts.popleft())
            if self.abandoned:
                return None
            chunk = self._mask.text_chunk_tokens
            is_first_of_all = self.n_bursts == 1
            enough = self.n_text >= chunk * (self._n_chunks + 1)
            if enough and not self._closed and not is_first_of_all:
                self._n_chunks += 1
                self._chunk_prefilled = True
                return self._prefill(self._n_chunks - 1, chunk * self._n_chunks)
        if self._rest_prefilled:
            return None
        self._rest_prefilled = True
        return self._prefill(self._n_chunks, self.n_text + 1)

    def end_segment(self, position: int, n_new_frames: int) -> None:
        """Remember the last tokens of the segment."""
        del position, n_new_frames
        self._carried = self._ids[: self.n_text][-CARRIED_TOKENS:]

    def _take(self, burst: str) -> None:
        text = burst.split(SPEECH_END)[0]
        self.n_bursts += 1
        self._n_segment_bursts += 1
        self._raw += text
        if self.n_bursts == 1:
            self._spoken = text
            self._tokenize()
            return
        if self._n_segment_bursts == 1 and not text:
            self.abandoned = True
            return
        if self._n_judged < BURSTS_THAT_JUDGE_LANGUAGE:
            self._language = detect_language(self._raw)
            self._n_judged += 1
        assert self._language is not None
        self._spoken += read_numbers(text, self._language).replace("*", "")
        self._tokenize()
        earliest = self._mask.reserved_length - SENTENCE_END_MARGIN_TOKENS
        mark = sentence_end(text)
        if self.n_text >= earliest and mark:
            end = self._spoken.rfind(mark) + len(mark)
            carry_over = self._spoken[end:]
            self._spoken = self._spoken[:end]
            self._close(carry_over)

    def _close(self, carry_over: str | None) -> None:
        self._closed = True
        self._carry_over = carry_over
        self._tokenize()

    def _tokenize(self) -> None:
        ids = self._tokenizer.encode(self._spoken, control_tokens=True)
        self._ids = ids[: self._mask.reserved_length]
        self.n_text = len(self._ids)

    def _prefill(self, chunk: int, text_end: int) -> PrefillText:
        """Positions from the start of ``chunk`` to text token ``text_end`` of the whole text."""
        whole = self._tokenizer.start_ids + self._ids
        if self.n_text < self._mask.reserved_length:
            whole.append(self._tokenizer.end_id)
        padding = self._mask.start_position - len(whole)
        whole += [self._tokenizer.pad_id] * padding + [self._tokenizer.audio_start_id]
        prefix = self._mask.prefix_length
        begin = prefix + chunk * self._mask.text_chunk_tokens if chunk else 0
        return PrefillText(begin, whole[begin : prefix + text_end], with_speaker=begin == 0)
