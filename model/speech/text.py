"""Text as the speech decoder reads it: its tokenizer, digits read aloud, ends of sentences."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tokenizers import Tokenizer

from model.config import ConfigError, SpeechConfig

Language = Literal["en", "zh"]
"""Language that digits are read in."""

START_TOKEN = "[Stts]"
CONTINUATION_PREFIX = "##"
"""Marks a token that continues the word before it."""
SENTENCE_ENDS = (".", "。", "!", "?", "！", "？")
"""In the order in which the reference looks for them."""
DIGIT_WORDS: dict[Language, Sequence[str]] = {
    "en": ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
    "zh": tuple("零一二三四五六七八九"),
}
DIGIT_SEPARATOR: dict[Language, str] = {"en": " ", "zh": ""}

_NUMBER = re.compile(r"\d+")
# Appended to an unfinished text to see which of its words more text could change: it joins an open
# word and stands alone behind a closed one.
_PROBE = "x"


def is_cjk(char: str) -> bool:
    """Whether a character is a Chinese ideograph, as far as the language is judged by it."""
    return "\u4e00" <= char <= "\u9fff"


def is_latin(char: str) -> bool:
    """Whether a character is a letter of English, as far as the language is judged by it."""
    return char.isascii() and char.isalpha()


def detect_language(text: str) -> Language:
    """Chinese where ideographs are at least as many as Latin letters."""
    n_cjk = sum(map(is_cjk, text))
    n_latin = sum(map(is_latin, text))
    return "zh" if n_cjk >= n_latin else "en"


def is_digit(char: str) -> bool:
    """Whether a character is read as a digit, in any script."""
    return char.isdecimal()


def digit_word(digit: str, language: Language) -> str:
    """How one decimal digit is said."""
    return DIGIT_WORDS[language][unicodedata.decimal(digit)]


def read_numbers(text: str, language: Language) -> str:
    """Replace every run of digits by its digits read one by one."""
    separator = DIGIT_SEPARATOR[language]
    return _NUMBER.sub(
        lambda match: separator.join(digit_word(digit, language) for digit in match[0]), text
    )


def sentence_end(text: str) -> str:
    """The mark that ends a sentence in ``text``, as the reference looks for it; "" without one.

    The first of ``SENTENCE_ENDS`` that occurs wins; "." does not count where it first occurs behind
    a digit.
    """
    for mark in SENTENCE_ENDS:
        place = text.find(mark)
        if place < 0 or (mark == "." and place > 0 and is_digit(text[place - 1])):
            continue
        return mark
    return ""


@dataclass(frozen=True, slots=True)
class WordPiece:
    """A token of a text and where it comes from."""

    id: int
    start: int
    """Index of its first character in the text."""
    end: int
    """Index one past its last character."""
    word: int
    """Counts the words of the text; punctuation marks and ideographs are words of their own."""
    starts_word: bool


class SpeechTokenizer:
    """The lower-casing word-piece tokenizer of the speech decoder.

    Source: openbmb/MiniCPM-o-2_6, assets/chattts_tokenizer.
    Differs: control tokens that are spelled out in an answer ("[Etts]") are read as text unless
    asked for, so that no answer can end or restyle the speech.
    """

    def __init__(self, definition: str, config: SpeechConfig) -> None:
        """Build from the text of a ``tokenizer.json``.

        Raises:
            ConfigError: It is not JSON, or lacks ``[Stts]``.
        """
        try:
            without_control = json.loads(definition) | {"added_tokens": []}
        except ValueError as error:
            raise ConfigError(f"the speech tokenizer is not valid JSON: {error}") from error
        self._full = Tokenizer.from_str(definition)
        self._text = Tokenizer.from_str(json.dumps(without_control))
        start_id = self._full.token_to_id(START_TOKEN)
        if start_id is None:
            raise ConfigError(f"the speech tokenizer has no {START_TOKEN}; is it another model's?")
        self.config = config
        self.start_ids = [start_id] + [config.spk_emb_token_id] * config.num_spk_embs
        """``[Stts] [spk_emb]``, which stand before every text."""
        self.end_id = config.text_eos_token_id
        """``[Etts]``, which follows a text that is complete."""
        self.audio_start_id = config.audio_bos_token_id
        """``[Ptts]``, at the last position of the condition."""
        self.pad_id = self._full.token_to_id("[PAD]") or 0

    @classmethod
    def from_folder(cls, folder: Path, config: SpeechConfig) -> SpeechTokenizer:
        """Read ``tokenizer.json`` of a checkpoint's ``assets/chattts_tokenizer``.

        Raises:
            ConfigError: The file is missing or is not this model's tokenizer.
        """
        path = folder / "tokenizer.json"
        try:
            definition = path.read_text(encoding="utf-8")
        except OSError as error:
            raise ConfigError(
                f"{folder} has no readable tokenizer.json ({error}); a checkpoint folder holds the "
                "speech tokenizer in assets/chattts_tokenizer"
            ) from error
        return cls(definition, config)

    def encode(self, text: str, *, control_tokens: bool = False) -> list[int]:
        """Token ids of a text, nothing added.

        Args:
            text: What to say.
            control_tokens: Take "[laugh]" and the like for the tokens they name.
        """
        tokenizer = self._full if control_tokens else self._text
        return tokenizer.encode(text, add_special_tokens=False).ids

    def decode(self, ids: Sequence[int]) -> str:
        """Text of token ids. Not lossless: a leading piece of a word keeps its "##"."""
        return self._full.decode(list(ids), skip_special_tokens=False)

    def pieces(self, text: str) -> list[WordPiece]:
        """Tokens of a text that is complete."""
        encoding = self._text.encode(text, add_special_tokens=False)
        words = encoding.word_ids
        return [
            WordPiece(id_, *offsets, word=word, starts_word=index == 0 or word != words[index - 1])
            for index, (id_, offsets, word) in enumerate(
                zip(encoding.ids, encoding.offsets, words, strict=True)
            )
        ]

    def settled_pieces(self, text: str) -> list[WordPiece]:
        """Those first tokens of an unfinished text that no continuation of it can change."""
        pieces = self.pieces(text + _PROBE)
        return [piece for piece in pieces if piece.word != pieces[-1].word]
