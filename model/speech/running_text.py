"""An answer's text as it arrives, turned into speech tokens that can no longer change."""

from __future__ import annotations

from dataclasses import dataclass

from model.speech.text import (
    DIGIT_SEPARATOR,
    SENTENCE_ENDS,
    Language,
    SpeechTokenizer,
    digit_word,
    is_cjk,
    is_digit,
    is_latin,
)

UNSPOKEN = "*"
"""Markdown emphasis: never said, and it neither ends a word nor a number."""
CLOSING_MARKS = frozenset("”’」』）)】》…") | frozenset(SENTENCE_ENDS)
"""Marks that belong to the sentence they follow."""


@dataclass(frozen=True, slots=True)
class SpokenChar:
    """One character of the normalised text."""

    char: str
    text_end: int
    """Length of the raw text up to what this character says."""
    ends_sentence: bool = False


@dataclass(frozen=True, slots=True)
class SpeechToken:
    """A token of the speech decoder that no later text will change."""

    id: int
    text_end: int
    """Characters of the raw text up to what this token says."""
    starts_word: bool
    speakable: bool
    """It has a letter or a digit; punctuation alone is not worth speaking."""
    ends_sentence: bool
    closes_sentence: bool
    """A mark that belongs to the sentence before it."""


class RunningNormalizer:
    """Digits read aloud and markdown removed, independent of how the text was cut.

    A number is said once it is complete, in the language of the text up to there; a number before
    the first letter waits for that letter.
    """

    def __init__(self, language: Language | None = None) -> None:
        """Prepare for an answer.

        Args:
            language: What digits are read in where the whole text has no letter; Chinese where
                None, as the reference does.
        """
        self._fallback: Language = language or "zh"
        self._n_read = 0
        self._n_cjk = 0
        self._n_latin = 0
        self._after_digit = False
        self._digits: list[SpokenChar] = []
        # From the first number whose language is open: complete numbers and single characters.
        self._waiting: list[list[SpokenChar]] = []

    def push(self, text: str) -> list[SpokenChar]:
        """Take raw text; return what is settled by it."""
        settled: list[SpokenChar] = []
        for char in text:
            self._n_read += 1
            if char != UNSPOKEN:
                settled += self._take(char)
        return settled

    def finish(self) -> list[SpokenChar]:
        """What was waiting for more text, none of which will come."""
        self._complete_number()
        return self._release()

    def _take(self, char: str) -> list[SpokenChar]:
        if is_digit(char):
            self._digits.append(SpokenChar(char, self._n_read))
            self._after_digit = True
            return []
        ends_sentence = char in SENTENCE_ENDS and not (char == "." and self._after_digit)
        self._after_digit = False
        self._n_cjk += is_cjk(char)
        self._n_latin += is_latin(char)
        self._complete_number()
        self._waiting.append([SpokenChar(char, self._n_read, ends_sentence)])
        numbers_wait = any(is_digit(item[0].char) for item in self._waiting)
        return [] if numbers_wait and not self._has_letters else self._release()

    @property
    def _has_letters(self) -> bool:
        return self._n_cjk + self._n_latin > 0

    def _complete_number(self) -> None:
        if self._digits:
            self._waiting.append(self._digits)
            self._digits = []

    def _release(self) -> list[SpokenChar]:
        language: Language = "zh" if self._n_cjk >= self._n_latin else "en"
        if not self._has_letters:
            language = self._fallback
        settled: list[SpokenChar] = []
        for item in self._waiting:
            settled += _say_number(item, language) if is_digit(item[0].char) else item
        self._waiting = []
        return settled


def _say_number(digits: list[SpokenChar], language: Language) -> list[SpokenChar]:
    spoken = []
    for index, digit in enumerate(digits):
        word = digit_word(digit.char, language)
        if index > 0:
            word = DIGIT_SEPARATOR[language] + word
        spoken += [SpokenChar(char, digit.text_end) for char in word]
    return spoken


class RunningText:
    """Tokens of an answer, appended as soon as more text cannot change them.

    However the text is cut into pushes, the tokens in the end are the same; a push costs what is
    new, not what there is.
    """

    def __init__(self, tokenizer: SpeechTokenizer, language: Language | None = None) -> None:
        """Prepare for an answer; arguments as :class:`RunningNormalizer`."""
        self.tokens: list[SpeechToken] = []
        """What is settled; only ever appended to."""
        self.finished = False
        """No more text will come; all of it is in ``tokens``."""
        self.n_chars = 0
        """Characters pushed so far."""
        self._tokenizer = tokenizer
        self._normalizer = RunningNormalizer(language)
        self._unsettled: list[SpokenChar] = []

    def push(self, text: str) -> None:
        """Take more of the raw text.

        Raises:
            RuntimeError: The text was finished.
        """
        if self.finished:
            raise RuntimeError("the text is finished; nothing can be added to it")
        self.n_chars += len(text)
        fresh = self._normalizer.push(text)
        if fresh:
            self._unsettled += fresh
            self._settle(complete=False)

    def finish(self) -> None:
        """No more text will come."""
        if not self.finished:
            self.finished = True
            self._unsettled += self._normalizer.finish()
            self._settle(complete=True)

    def _settle(self, *, complete: bool) -> None:
        text = "".join(spoken.char for spoken in self._unsettled)
        read = self._tokenizer.pieces if complete else self._tokenizer.settled_pieces
        pieces = read(text)
        for piece in pieces:
            source = self._unsettled[piece.start : piece.end]
            self.tokens.append(
                SpeechToken(
                    piece.id,
                    text_end=source[-1].text_end,
                    starts_word=piece.starts_word,
                    speakable=any(spoken.char.isalnum() for spoken in source),
                    ends_sentence=any(spoken.ends_sentence for spoken in source),
                    closes_sentence=all(spoken.char in CLOSING_MARKS for spoken in source),
                )
            )
        if pieces:
            self._unsettled = self._unsettled[pieces[-1].end :]
