"""One answer as it is generated: which tokens, which text, when it ends.

A state machine without tensors. The caller runs the language model, draws with
:meth:`TextGeneration.draw`, hands the token to :meth:`TextGeneration.accept` and feeds it back
while :attr:`TextGeneration.done` is false.

**What is text.** Special tokens are never text. ``<|tts_eos|>`` ends what is spoken: text after it,
of which a trained checkpoint writes none, is shown and not spoken (:attr:`TextGeneration.spoken`).
Text leaves in complete characters; bytes of a character that never ends become U+FFFD at the end.

**Bursts.** The reference generates in bursts of three tokens, each a call of its own, and gives out
text per burst, with ``<|tts_eos|>`` spelled out in it. That behaviour is kept behind
:class:`ReferenceQuirks` for parity.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import torch

from model.quirks import PRODUCT, ReferenceQuirks
from model.sampling import SamplingSettings, TokenDraw
from model.tokenizer import IncrementalDecoder, TextTokenizer

BURST_TOKENS = 3
EXCLAMATION_MARK_ID = 0
"""The reference drops this id from text, taking it for padding; in Qwen2's vocabulary it is "!"."""
_REPLACEMENT = "\ufffd"


class FinishReason(StrEnum):
    """Why an answer's text ended."""

    STOP = "stop"
    """The model said so."""
    LENGTH = "length"
    """The token limit was reached."""


@dataclass(frozen=True, slots=True)
class GenerationSettings:
    """Limits and sampling of one answer."""

    max_tokens: int = 512
    """At most this many tokens, the terminator included."""
    min_tokens: int = 0
    """Terminators are barred before this many tokens."""
    sampling: SamplingSettings = field(default_factory=SamplingSettings)


class TextGeneration:
    """The text of one answer.

    Source: openbmb/MiniCPM-o-2_6, modeling_minicpmo.py, its streaming generator.
    Differs (each selected by its quirk): token by token instead of bursts; the repetition penalty
    sees the whole answer and not the prompt; "!" is kept; exactly ``max_tokens`` at most.
    """

    def __init__(
        self,
        tokenizer: TextTokenizer,
        settings: GenerationSettings,
        *,
        prompt_ids: Sequence[int] = (),
        generator: torch.Generator | None = None,
        quirks: ReferenceQuirks = PRODUCT,
    ) -> None:
        """Begin an answer.

        Args:
            tokenizer: Of the checkpoint.
            settings: Limits and sampling.
            prompt_ids: The header that opened the answer; read by ``penalty_per_burst`` only.
            generator: This answer's random numbers.
            quirks: Faulty behaviours to reproduce.

        Raises:
            ValueError: The token limit leaves no room for a token.
        """
        if settings.max_tokens < 1:
            raise ValueError(f"max_tokens is {settings.max_tokens}; an answer has at least one")
        self.settings = settings
        self.ids: list[int] = []
        """Tokens drawn so far, a final terminator included."""
        self.finish: FinishReason | None = None
        self.spoken = True
        """Whether text given out from here on is to be spoken."""
        self._tokenizer = tokenizer
        self._generator = generator
        self._quirks = quirks
        self._said: dict[int, None] = {}
        if quirks.penalty_per_burst:
            self._said = dict.fromkeys(prompt_ids)
        self._decoder = IncrementalDecoder(tokenizer)
        self._burst: list[int] = []
        self._held: list[int] = []

    @property
    def done(self) -> bool:
        """Whether no further token is wanted."""
        return self.finish is not None

    @property
    def unfed_id(self) -> int | None:
        """The last token, when it belongs to the answer's text but is in no cache yet.

        A caller that keeps the answer in its history feeds it before what comes next; a terminator
        is never fed, because the next message's prefix closes the answer.
        """
        if not self.ids or self.ids[-1] in self._tokenizer.terminators:
            return None
        return self.ids[-1]

    def draw(self) -> TokenDraw:
        """What the next draw depends on."""
        counted = self._burst if self._quirks.bursts_of_three else self.ids
        barred = self._tokenizer.terminators if len(counted) < self.settings.min_tokens else ()
        return TokenDraw(self.settings.sampling, self._said, barred, self._generator)

    def accept(self, token_id: int) -> str | None:
        """Take the next token.

        Returns:
            The text it completes, None where it completes none. With ``bursts_of_three``: the text
            of a burst when it is over (which can be empty), None before.

        Raises:
            RuntimeError: The answer is over.
        """
        if self.done:
            raise RuntimeError("the answer is over; it takes no more tokens")
        self.ids.append(token_id)
        if self._quirks.bursts_of_three:
            return self._accept_in_burst(token_id)
        self._said[token_id] = None
        if token_id in self._tokenizer.terminators:
            self.finish = FinishReason.STOP
        elif len(self.ids) >= self.settings.max_tokens:
            self.finish = FinishReason.LENGTH
        text = self._text_of(token_id)
        if self.done:
            text += self._decoder.finish()
        return text or None

    def _text_of(self, token_id: int) -> str:
        if token_id == EXCLAMATION_MARK_ID and self._quirks.drop_exclamation_mark:
            return ""
        if not self._tokenizer.is_special(token_id):
            return self._decoder.push(token_id)
        if token_id == self._tokenizer.tts_eos:
            self.spoken = False
        # A character cannot go on behind a special token.
        return self._decoder.finish()

    def _accept_in_burst(self, token_id: int) -> str | None:
        self._burst.append(token_id)
        self._said[token_id] = None
        stopped = token_id in self._tokenizer.terminators
        if not stopped and len(self._burst) < BURST_TOKENS:
            return None
        if stopped:
            self.finish = FinishReason.STOP
        elif len(self.ids) >= self.settings.max_tokens:
            self.finish = FinishReason.LENGTH
        text = self._text_of_burst()
        if self._quirks.penalty_per_burst:
            # The next call's prompt is the last token of this one.
            self._said = {token_id: None}
        self._burst = []
        return text

    def _text_of_burst(self) -> str:
        ids = self._held + self._burst
        self._held = []
        text = decode_answer(ids, self._tokenizer, self._quirks)
        while ids and text.endswith(_REPLACEMENT):
            self._held.insert(0, ids.pop())
            text = decode_answer(ids, self._tokenizer, self._quirks)
        return text


def decode_answer(
    ids: Sequence[int], tokenizer: TextTokenizer, quirks: ReferenceQuirks = PRODUCT
) -> str:
    """Text of a whole answer's ids, as the reference decodes it: special tokens spelled out.

    A leading ``<|im_start|>`` and a final terminator are removed; so is every "!" under
    ``drop_exclamation_mark``.
    """
    kept = list(ids)
    if quirks.drop_exclamation_mark:
        kept = [token_id for token_id in kept if token_id != EXCLAMATION_MARK_ID]
    if kept and kept[0] == tokenizer.im_start:
        kept = kept[1:]
    if kept and kept[-1] in tokenizer.terminators:
        kept = kept[:-1]
    return tokenizer.decode(kept)
