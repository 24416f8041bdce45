"""The text tokenizer: Qwen2's byte-level BPE with the omni special tokens.

**Who may write a special token.** Prompts are made of pieces: template text, where ``<|im_end|>``
means the token, and foreign text (typed by a user, spoken by nobody we trust), where the same
characters are just characters. The published tokenizer has no such notion; it reads one string.

**How pieces become ids.** Template pieces are split at special tokens, leftmost longest first. What
remains between two special tokens, over the borders of pieces, is one *run* and is encoded as a
whole by a tokenizer that has no special tokens at all. Special tokens are split points of the
published tokenizer as well (none of them is normalised, stripped or bound to word borders, which is
checked on loading), so merges across borders of pieces come out exactly as if the whole string had
been encoded at once, and the ids differ only where foreign text spells a special token.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

TOKENIZER_FILE = "tokenizer.json"


class TokenizerError(ValueError):
    """A ``tokenizer.json`` is missing, damaged or not of the kind this model uses."""


class TextTokenizer:
    """Text to ids and back.

    The named special ids are attributes: ``im_start``, ``im_end``, ``end_of_text``, ``spk``,
    ``tts_eos`` and so on.
    """

    def __init__(self, definition: dict[str, Any]) -> None:
        """Build from a decoded ``tokenizer.json``.

        Raises:
            TokenizerError: It lacks a token this model needs, or binds one in a way that would make
                encoding by pieces differ from encoding the whole.
        """
        kind = (definition.get("model") or {}).get("type")
        if kind != "BPE":
            raise TokenizerError(f"the text tokenizer is of kind {kind!r} instead of 'BPE'")
        added = definition.get("added_tokens") or []
        for token in added:
            if any(token.get(key) for key in ("normalized", "lstrip", "rstrip", "single_word")):
                raise TokenizerError(
                    f"special token {token['content']!r} is normalised, stripped or bound to word "
                    "borders; prompts could not be encoded piece by piece"
                )
        self._whole = Tokenizer.from_str(json.dumps(definition))
        self._plain = Tokenizer.from_str(json.dumps({**definition, "added_tokens": []}))
        self._added = {token["content"]: int(token["id"]) for token in added}
        self._special_ids = frozenset(int(token["id"]) for token in added if token["special"])
        longest_first = sorted(self._added, key=len, reverse=True)
        self._split = re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")

        self.end_of_text = self.id_of("<|endoftext|>")
        self.im_start = self.id_of("<|im_start|>")
        self.im_end = self.id_of("<|im_end|>")
        self.placeholder = self.id_of("<unk>")
        self.image_start, self.image_end = self.id_of("<image>"), self.id_of("</image>")
        self.slice_start, self.slice_end = self.id_of("<slice>"), self.id_of("</slice>")
        self.unit = self.id_of("<unit>")
        self.audio_start, self.audio_end = (
            self.id_of("<|audio_start|>"),
            self.id_of("<|audio_end|>"),
        )
        self.spk_bos, self.spk_eos = self.id_of("<|spk_bos|>"), self.id_of("<|spk_eos|>")
        self.spk = self.id_of("<|spk|>")
        self.tts_bos, self.tts_eos = self.id_of("<|tts_bos|>"), self.id_of("<|tts_eos|>")
        self.terminators = (self.im_end, self.end_of_text)

    @classmethod
    def from_folder(cls, folder: Path) -> TextTokenizer:
        """Read ``tokenizer.json`` of a checkpoint folder.

        Raises:
            TokenizerError: The file is missing or damaged.
        """
        path = Path(folder) / TOKENIZER_FILE
        try:
            definition = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise TokenizerError(
                f"{folder} has no {TOKENIZER_FILE}; copy it from the published checkpoint"
            ) from None
        except (OSError, ValueError) as error:
            raise TokenizerError(f"cannot read {path}: {error}") from error
        return cls(definition)

    @property
    def vocab_size(self) -> int:
        """Entries, special tokens included."""
        return self._whole.get_vocab_size()

    def id_of(self, token: str) -> int:
        """Id of a token by its exact spelling, e.g. ``"<|spk|>"``.

        Raises:
            TokenizerError: There is no such token.
        """
        found = self._added.get(token)
        if found is None:
            found = self._whole.token_to_id(token)
        if found is None:
            raise TokenizerError(f"the tokenizer has no token {token!r}; is it for this model?")
        return found

    def is_special(self, token_id: int) -> bool:
        """Whether a token controls the conversation instead of being text."""
        return token_id in self._special_ids

    def encode(self, text: str) -> list[int]:
        """Ids of template text: special tokens in it count."""
        return self.encode_pieces([(text, True)])

    def encode_foreign(self, text: str) -> list[int]:
        """Ids of text from outside: what spells a special token stays text."""
        return self.encode_pieces([(text, False)])

    def encode_pieces(self, pieces: Iterable[tuple[str, bool]]) -> list[int]:
        """Ids of pieces ``(text, is_template)``, merged across borders of pieces.

        See the module's docstring for how, and for what makes it equal to encoding the whole.
        """
        ids: list[int] = []
        run: list[str] = []
        for text, is_template in pieces:
            position = 0
            for match in self._split.finditer(text) if is_template else ():
                run.append(text[position : match.start()])
                self._encode_run(run, ids)
                ids.append(self._added[match.group()])
                position = match.end()
            run.append(text[position:])
        self._encode_run(run, ids)
        return ids

    def _encode_run(self, run: list[str], ids: list[int]) -> None:
        """Append the ids of what ``run`` holds, and empty it."""
        text = "".join(run)
        run.clear()
        if text:
            ids += self._plain.encode(text, add_special_tokens=False).ids

    def decode(self, ids: Sequence[int]) -> str:
        """Text of ids, special tokens spelled out; U+FFFD where bytes are no character."""
        return self._whole.decode(list(ids), skip_special_tokens=False)

    def token_bytes(self, token_id: int) -> bytes:
        """The UTF-8 bytes a token adds to the text: often a part of a character only."""
        token = self._whole.id_to_token(token_id)
        if token is None:
            return b""
        alphabet = self._bytes_of_characters
        if all(character in alphabet for character in token):
            return bytes(alphabet[character] for character in token)
        return token.encode()

    @cached_property
    def _bytes_of_characters(self) -> dict[str, int]:
        """The byte-level alphabet: printable bytes stand for themselves, others from U+0100 on."""
        printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
        others = [byte for byte in range(0x100) if byte not in printable]
        return {chr(byte): byte for byte in printable} | {
            chr(0x100 + index): byte for index, byte in enumerate(others)
        }


class IncrementalDecoder:
    """Text of a growing list of ids, complete characters only.

    The pieces joined equal :meth:`TextTokenizer.decode` of all ids: bytes are held back only while
    they can still become a character, which is at most three of them.
    """

    def __init__(self, tokenizer: TextTokenizer) -> None:
        self._tokenizer = tokenizer
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def push(self, token_id: int) -> str:
        """Text that one more id completes; often empty."""
        return self._decoder.decode(self._tokenizer.token_bytes(token_id))

    def finish(self) -> str:
        """What is left: U+FFFD for a character that never came to its end."""
        return self._decoder.decode(b"", final=True)
