"""A call as the one sequence of tokens that the language model sees, and what it is to answer.

Made by the same state machine and the same templates as in a call, message by message, so that
tokens are cut where a call cuts them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from model.config import SAMPLE_RATE_HZ, OmniConfig
from model.dialogue import Dialogue, DialogueStep
from model.image_slicing import ImageSlice, slice_image
from model.prompt import (
    UNIT,
    AudioItem,
    ContentItem,
    ImageItem,
    Span,
    encode_prompt,
    system_prompt,
)
from model.tokenizer import TextTokenizer
from model.training.batches import IGNORED, Call, CallTurn, CallUnit, SeenWord, SpokenText
from model.training.dense_audio import MIN_CLIP_SAMPLES
from model.training.heard_tokens import token_characters, token_times_s

UNIT_SLICES = 1
"""Slices of a unit's frame in a call: the overview alone."""
AUDIO_TOKENS_PER_S = 25
SAMPLES_PER_TOKEN = SAMPLE_RATE_HZ // AUDIO_TOKENS_PER_S
HEARD_MARGIN_S = 0.06
"""How far beside a word the language model may listen for it."""


@dataclass(frozen=True, slots=True)
class Guide:
    """Where to listen or look for one token that repeats what was heard, or names what is seen."""

    position: int
    """The position that is to say the token; of a question's, the token's own."""
    source: Span
    """Positions of the sequence in which it is heard or seen."""


@dataclass(slots=True)
class CallSequence:
    """One call laid out."""

    ids: list[int] = field(default_factory=list)
    shared_length: int = 0
    """So many positions at the beginning depend on their ids alone: calls that begin with the same
    ids have the same hidden states there."""
    targets: list[int] = field(default_factory=list)
    """What follows each position, where it is the model's to say; ``IGNORED`` elsewhere."""
    asked: list[int] = field(default_factory=list)
    """What follows each position where the caller types; ``IGNORED`` elsewhere."""
    slices: list[ImageSlice | np.ndarray] = field(default_factory=list)
    """Pictures, or the vectors ``[Q, E]`` they were made into before."""
    image_spans: list[Span] = field(default_factory=list)
    """One per slice."""
    contexts: list[list[np.ndarray]] = field(default_factory=list)
    """Units of audio that continue each other: the voice of the system prompt, then each turn."""
    audio_spans: list[Span] = field(default_factory=list)
    """Features of all contexts are dealt out to them in order, then the vectors."""
    audio_vectors: list[np.ndarray] = field(default_factory=list)
    """Units ``[n, E]`` whose sound was encoded before."""
    speakers: list[tuple[int, int]] = field(default_factory=list)
    """Answers whose voice is known: position of ``<|spk|>``, and number of the voice."""
    replies: list[tuple[int, SpokenText]] = field(default_factory=list)
    """Spoken answers to train on: index among the speakers, and what is said."""
    guides: list[Guide] = field(default_factory=list)
    """Of answers that repeat what was heard or seen, and of questions about what is in view."""
    words: list[int] = field(default_factory=list)
    """Where every token of what callers say is heard to its end, or read where it is typed instead:
    two calls that differ in this alone have as many."""


class CallLayout:
    """Lays calls out for one checkpoint."""

    def __init__(self, tokenizer: TextTokenizer, config: OmniConfig) -> None:
        self._tokenizer = tokenizer
        self._config = config

    def lay_out(self, call: Call) -> CallSequence:
        """The sequence of a call.

        Raises:
            ValueError: A turn is without any input, or a unit is empty or too long.
        """
        sequence = CallSequence()
        dialogue = Dialogue()
        voice = None
        if call.voice_samples is not None:
            voice = AudioItem(len(call.voice_samples))
            sequence.contexts.append([call.voice_samples])
        items = system_prompt(call.mode, "en", voice, call.instructions)
        # As in a call: the system prompt is a message of the user.
        self._append(sequence, dialogue.prefill("user", items))
        sequence.shared_length = len(sequence.ids) if voice is None else 0
        for turn in call.turns:
            self._append_turn(sequence, dialogue, call, turn)
        return sequence

    def _append_turn(
        self, sequence: CallSequence, dialogue: Dialogue, call: Call, turn: CallTurn
    ) -> None:
        if not turn.units and not turn.typed:
            raise ValueError(f"the turn answered by {turn.reply[:40]!r} has no input")
        first_audio_span = len(sequence.audio_spans)
        heard: list[np.ndarray] = []
        for unit in turn.units:
            items = self._unit_items(sequence, unit, in_video=call.mode == "omni")
            if unit.samples is not None:
                if sequence.audio_vectors:
                    raise ValueError("some units of a call come as samples and some as vectors")
                heard.append(unit.samples)
            self._append(sequence, dialogue.prefill("user", items))
        if heard:
            sequence.contexts.append(heard)
        sounds = sequence.audio_spans[first_audio_span:]
        if turn.typed:
            first = len(sequence.ids)
            self._append(sequence, dialogue.prefill("user", (turn.typed,)))
            if call.foresees_typed:
                sequence.asked[first:-1] = sequence.ids[first + 1 :]
            words = self._tokenizer.encode_foreign(turn.typed)
            # From the end: the first token may have merged with what comes before it.
            begin = len(sequence.ids) - len(words)
            sequence.guides += self._seen_guides(words, begin, turn.asked_about, sequence)
            if turn.spoken:
                sequence.words += range(begin, len(sequence.ids))
        elif turn.spoken and turn.heard_s is not None:
            self._append_heard(sequence, turn.spoken, turn.heard_s, sounds)
        self._append(sequence, dialogue.respond())
        self._append_reply(sequence, call, turn, sounds)
        dialogue.complete()

    def _append_heard(
        self, sequence: CallSequence, spoken: str, heard_s: np.ndarray, spans: Sequence[Span]
    ) -> None:
        """Notes where each token of the words ends, and that the next is to be foreseen there."""
        words = self._tokenizer.encode_foreign(spoken)
        places = _places(spans)
        at = -1
        ends = []
        for index, (_, end_s) in enumerate(token_times_s(self._tokenizer, words, heard_s)):
            # Each has a place of its own, and leaves one for every token after it.
            last = max(len(places) - len(words) + index, 0)
            at = min(max(int(end_s * AUDIO_TOKENS_PER_S - 0.5), at + 1), last)
            ends.append(places[at])
        sequence.words += ends
        for place, following in zip(ends, words[1:], strict=False):
            sequence.asked[place] = following

    def _unit_items(
        self, sequence: CallSequence, unit: CallUnit, *, in_video: bool
    ) -> tuple[ContentItem, ...]:
        items: list[ContentItem] = [UNIT] if in_video else []
        if unit.image_vectors is not None:
            sequence.slices.append(unit.image_vectors)
            items.append(ImageItem(None))
        elif unit.image is not None:
            sliced = slice_image(unit.image, self._config, UNIT_SLICES)
            sequence.slices += sliced.slices
            items.append(ImageItem(sliced.grid))
        if unit.audio_vectors is not None:
            sequence.audio_vectors.append(unit.audio_vectors)
            items.append(AudioItem(len(unit.audio_vectors) * SAMPLES_PER_TOKEN))
        elif unit.samples is not None:
            items.append(AudioItem(max(len(unit.samples), MIN_CLIP_SAMPLES)))
        if not items or items == [UNIT]:
            raise ValueError("a unit has neither sound nor a picture")
        return tuple(items)

    def _append(self, sequence: CallSequence, step: DialogueStep) -> None:
        """Text that is given, not answered."""
        prompt = encode_prompt(step.items, self._tokenizer, self._config)
        shift = len(sequence.ids)
        sequence.ids += prompt.ids
        sequence.targets += [IGNORED] * len(prompt.ids)
        sequence.asked += [IGNORED] * len(prompt.ids)
        sequence.image_spans += _moved(prompt.image_spans, shift)
        sequence.audio_spans += _moved(prompt.audio_spans, shift)

    def _append_reply(
        self, sequence: CallSequence, call: Call, turn: CallTurn, heard: Sequence[Span]
    ) -> None:
        tokenizer = self._tokenizer
        words = tokenizer.encode_foreign(turn.reply)
        said = [*words, tokenizer.tts_eos]
        header = len(sequence.ids)
        sequence.ids += said
        # The terminator is drawn and never fed: the next message's prefix closes the answer.
        answer = [*said, tokenizer.im_end] if turn.trained else [IGNORED] * (len(said) + 1)
        sequence.targets[header - 1 :] = answer
        sequence.asked += [IGNORED] * len(said)
        voice = call.voice if turn.voice == IGNORED else turn.voice
        if turn.trained and voice != IGNORED:
            place = header - 1 - sequence.ids[header - 1 :: -1].index(tokenizer.spk)
            if turn.codes is not None:
                spoken = SpokenText(turn.reply, turn.codes, voice, turn.char_ends_s)
                sequence.replies.append((len(sequence.speakers), spoken))
            sequence.speakers.append((place, voice))
        if turn.trained and turn.heard_s is not None and turn.spoken is not None:
            repeated = _found_in(turn.spoken, turn.reply)
            if repeated is not None:
                times_s = turn.heard_s[repeated : repeated + len(turn.reply)]
                sequence.guides += self._heard_guides(words, header, times_s, heard)
        if turn.trained:
            sequence.guides += self._seen_guides(words, header - 1, turn.seen, sequence)

    def _seen_guides(
        self, words: Sequence[int], first: int, seen: Sequence[SeenWord], sequence: CallSequence
    ) -> list[Guide]:
        """Guides of tokens, one per position from ``first`` on, to vectors of pictures."""
        if not seen:
            return []
        guides = []
        for index, (start, stop) in enumerate(token_characters(self._tokenizer, words)):
            for word in seen:
                if start < word.stop and word.start < stop:
                    picture, _ = sequence.image_spans[-1 - word.pictures_ago]
                    vector = picture + word.vector
                    guides.append(Guide(first + index, (vector, vector + 1)))
        return guides

    def _heard_guides(
        self, words: Sequence[int], header: int, heard_s: np.ndarray, spans: Sequence[Span]
    ) -> list[Guide]:
        places = _places(spans)
        guides = []
        for index, times_s in enumerate(token_times_s(self._tokenizer, words, heard_s)):
            first, last = (
                places[min(max(int(at_s * AUDIO_TOKENS_PER_S), 0), len(places) - 1)]
                for at_s in (times_s[0] - HEARD_MARGIN_S, times_s[1] + HEARD_MARGIN_S)
            )
            guides.append(Guide(header - 1 + index, (first, last + 1)))
        return guides


def _found_in(spoken: str, reply: str) -> int | None:
    """The character at which the words of a reply begin in what was said; None if they do not."""
    found = re.search(rf"\b{re.escape(reply.lower().rstrip('.'))}\b", spoken)
    return found and found.start()


def _places(spans: Sequence[Span]) -> list[int]:
    """All positions of spans, in order."""
    return [place for span in spans for place in range(*span)]


def _moved(spans: Sequence[Span], shift: int) -> list[Span]:
    return [(start + shift, stop + shift) for start, stop in spans]
